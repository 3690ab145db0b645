"""Threads and processes at one workspace lose nothing and agree."""

import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias

import numpy as np

from sonoloop.errors import StaleRevisionError
from sonoloop.geometry import LabelMap
from sonoloop.records import ImageRecord
from sonoloop.store import NewAnnotation, Store

StartChild: TypeAlias = Callable[..., "subprocess.Popen[str]"]
PATIENCE_S = 60


def all_at_once(children: list["subprocess.Popen[str]"]) -> list[list[str]]:
    """Lines of every child, all let go when the last was ready."""
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    return [child.communicate(timeout=PATIENCE_S)[0].splitlines() for child in children]


def assert_history_is_whole(store: Store, image_id: str, readers: set[str]) -> None:
    history = store.annotations.history(image_id)

    assert [a.revision for a in history] == list(range(1, len(history) + 1))
    assert {a.reader for a in history} == readers


def test_threads_saving_one_image_lose_nothing(
    store: Store, make_record: Callable[..., ImageRecord], make_mask: Callable[..., LabelMap]
) -> None:
    store.images.upsert_many([make_record("1.1")])

    def save(number: int) -> None:
        new = NewAnnotation(image_id="1.1", reader=str(number))
        store.annotations.save(new, make_mask(number))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(save, range(80)))

    assert_history_is_whole(store, "1.1", {str(number) for number in range(80)})
    for annotation in store.annotations.history("1.1"):
        np.testing.assert_array_equal(
            store.annotations.mask(annotation), make_mask(int(annotation.reader))
        )


def test_processes_saving_one_image_lose_nothing(
    store: Store, make_record: Callable[..., ImageRecord], start_child: StartChild
) -> None:
    store.images.upsert_many([make_record("1.1")])

    said = all_at_once([start_child("save", store.paths.root, 100 * i, 25) for i in range(3)])

    assert [len(lines) for lines in said] == [25, 25, 25]
    assert_history_is_whole(store, "1.1", {f"r{100 * i + k}" for i in range(3) for k in range(25)})


def assert_one_was_first(store: Store, kept: list[int], stale: list[tuple[int, int]]) -> None:
    assert kept == [1]
    assert sorted(stale) == [(revision, 1) for revision in range(2, len(stale) + 2)]
    history = store.annotations.history("1.1")
    assert [a.state for a in history] == ["submitted", *["conflicting"] * len(stale)]
    assert store.annotations.latest("1.1") == history[0]


def test_of_threads_that_save_from_one_revision_the_first_wins_and_all_are_kept(
    store: Store, make_record: Callable[..., ImageRecord], make_mask: Callable[..., LabelMap]
) -> None:
    store.images.upsert_many([make_record("1.1")])
    together = threading.Barrier(2)

    def save(number: int) -> tuple[int, int | None]:
        new = NewAnnotation(image_id="1.1", reader="a", base_revision=0)
        together.wait(PATIENCE_S)
        try:
            return store.annotations.save(new, make_mask(number)).revision, None
        except StaleRevisionError as error:
            return error.kept.revision, error.current.revision

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(save, range(2)))

    kept = [revision for revision, current in outcomes if current is None]
    stale = [(revision, current) for revision, current in outcomes if current is not None]
    assert_one_was_first(store, kept, stale)


def test_of_processes_that_save_from_one_revision_the_first_wins_and_all_are_kept(
    store: Store, make_record: Callable[..., ImageRecord], start_child: StartChild
) -> None:
    store.images.upsert_many([make_record("1.1")])

    said = all_at_once([start_child("revise", store.paths.root, "1.1") for _ in range(2)])

    words = [lines[0].split() for lines in said]
    kept = [int(word[1]) for word in words if word[0] == "kept"]
    stale = [(int(word[1]), int(word[2])) for word in words if word[0] == "stale"]
    assert_one_was_first(store, kept, stale)


def test_of_processes_that_want_the_same_image_one_gets_it(
    store: Store, make_record: Callable[..., ImageRecord], start_child: StartChild
) -> None:
    store.images.upsert_many([make_record("1.1")])

    said = all_at_once([start_child("lease", store.paths.root, "1.1") for _ in range(3)])

    words = sorted(lines[0].split() for lines in said)
    assert [word[0] for word in words] == ["held", "held", "taken"]
    assert [lease.reader for lease in store.leases.active()] == [words[-1][1]]


def test_of_processes_that_create_the_same_job_one_wins(
    store: Store, start_child: StartChild
) -> None:
    said = all_at_once([start_child("job", store.paths.root) for _ in range(4)])

    winners = [lines[0].split()[1] for lines in said if lines[0] != "lost"]
    assert [job.job_id for job in store.jobs.active()] == winners
    assert len(winners) == 1


def test_of_threads_that_create_the_same_job_one_wins(store: Store) -> None:
    def create(_: int) -> bool:
        try:
            store.jobs.create("train", "segmentation", {})
        except Exception as error:  # noqa: BLE001 - which error it is, is asserted below
            return type(error).__name__ == "JobConflictError"
        return False

    with ThreadPoolExecutor(8) as pool:
        refused = sum(pool.map(create, range(8)))

    assert refused == 7


def test_processes_may_open_a_fresh_workspace_at_once(
    tmp_path: Path, empty_database_url: str | None, start_child: StartChild
) -> None:
    said = all_at_once(
        # Of PostgreSQL also from several workspaces, where no file keeps them apart.
        [
            start_child("open", tmp_path / (f"fresh-{i}" if empty_database_url else "fresh"))
            for i in range(4)
        ]
    )

    assert said == [["opened 0"]] * 4
    with Store.open(tmp_path / "fresh", url=empty_database_url) as store:
        versions, check = "SELECT count(*) FROM alembic_version", "PRAGMA integrity_check"
        with store._database.reading() as session:
            connection = session.connection()
            assert connection.exec_driver_sql(versions).scalar() == 1
            if empty_database_url is None:
                assert connection.exec_driver_sql(check).scalar() == "ok"


def test_readers_do_not_wait_for_a_writer(
    store: Store, make_record: Callable[..., ImageRecord]
) -> None:
    store.images.upsert_many([make_record("1.1")])

    with store._database.writing() as session:
        session.connection().exec_driver_sql("UPDATE images SET rows = 99")

        assert store.images.get("1.1").rows == 12
