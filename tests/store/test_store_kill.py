"""``kill -9`` at any instant loses no acknowledged save."""

import os
import random
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np

from sonoloop.records import ImageRecord
from sonoloop.store import Store

IMAGES = 12
KILLS = 20
APART = 1_000_000


def save_until_killed(
    nursery: "subprocess.Popen[str]", first: int, rng: random.Random
) -> list[list[str]]:
    """Words of every acknowledgement of a process that is killed after a random while."""
    assert nursery.stdin is not None
    assert nursery.stdout is not None
    nursery.stdin.write(f"{first}\n")
    nursery.stdin.flush()
    ready, pid = nursery.stdout.readline().split()
    assert ready == "ready"
    lines = [nursery.stdout.readline() for _ in range(rng.randint(1, 25))]
    threading.Event().wait(rng.uniform(0, 0.02))  # nothing is waited for: the instant is random
    os.kill(int(pid), signal.SIGKILL)
    lines += iter(nursery.stdout.readline, "dead\n")
    return [line.split() for line in lines]


def assert_kept(store: Store, acknowledged: list[list[str]]) -> None:
    histories = {
        image.image_id: store.annotations.history(image.image_id) for image in store.images.list()
    }
    for _, number, image_id, revision in acknowledged:
        kept = histories[image_id][int(revision) - 1]
        image = store.images.get(image_id)
        mask = np.random.default_rng(int(number)).integers(
            0, 2, (image.rows, image.columns), dtype=np.uint8
        )

        assert (kept.reader, kept.revision) == (f"r{number}", int(revision))
        np.testing.assert_array_equal(store.annotations.mask(kept), mask)


def assert_whole(store: Store) -> None:
    for image in store.images.list():
        history = store.annotations.history(image.image_id)
        assert [a.revision for a in history] == list(range(1, len(history) + 1))
        assert bool(history) == (image.image_id in store.images.labelled_ids())
        for annotation in history:
            store.annotations.mask(annotation)
    if store.url is None:
        with store._database.reading() as session:
            check = session.connection().exec_driver_sql("PRAGMA integrity_check")
            assert check.scalar() == "ok"


def test_twenty_kills_during_continuous_saves_lose_nothing(
    tmp_path: Path,
    database_url: str | None,
    make_record: Callable[..., ImageRecord],
    start_child: Callable[..., "subprocess.Popen[str]"],
) -> None:
    rng = random.Random(20)
    with Store.open(tmp_path, url=database_url) as store:
        store.images.upsert_many([make_record(f"1.{i}") for i in range(IMAGES)])
    acknowledged: list[list[str]] = []

    nursery = start_child("nursery", tmp_path)
    for kill in range(KILLS):
        new = save_until_killed(nursery, kill * APART, rng)
        with Store.open(tmp_path, url=database_url) as store:
            assert_kept(store, new)
        acknowledged += new

    assert len(acknowledged) >= KILLS
    with Store.open(tmp_path, url=database_url) as store:
        assert_whole(store)
        assert_kept(store, acknowledged)
        assert store.annotations.count() >= len(acknowledged)
