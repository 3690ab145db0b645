"""The lock, the scanner, the labels, the odd ends."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from sonoloop.errors import (
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    PacsError,
    StoreError,
)
from sonoloop.labels import Pathology
from sonoloop.pacs.port import ArchiveState, ScanProgress, ScanSummary, StudyArchive
from sonoloop.records import Job
from sonoloop.service import scanning
from sonoloop.service.background import JobHandle
from sonoloop.service.labelling import parse_submission
from sonoloop.service.listing import job_json, train_stats
from sonoloop.service.lock import WorkspaceLock
from sonoloop.service.scanning import Scanner, SourceState
from sonoloop.service.server import Service
from sonoloop.settings import ServerSettings
from sonoloop.store.store import Store


class FlakySource:
    """A PACS that is down until told otherwise."""

    def __init__(self) -> None:
        self.up = threading.Event()
        self.scans = 0

    def scan(self, store: Store, progress: ScanProgress | None = None) -> ScanSummary:
        del store, progress
        self.scans += 1
        if not self.up.is_set():
            raise PacsError("nobody answers at the address of the PACS")
        return ScanSummary()

    def scan_news(self, store: Store) -> ScanSummary | None:
        del store
        return None

    @property
    def state(self) -> ArchiveState:
        return ArchiveState(reachable=True, problem=None, since=0)


def test_a_pacs_that_is_down_is_told_and_tried_again(
    service: Service, until: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanning, "FIRST_RETRY_S", 0.02)
    source = FlakySource()
    scanner = Scanner(cast(StudyArchive, source), service.store, rescan_s=0)
    scanner.start(wait_s=20)
    assert scanner.state == SourceState(
        "unreachable", "nobody answers at the address of the PACS", None
    )

    source.up.set()

    until(lambda: scanner.state.state == "ready")
    assert source.scans > 1
    scanner.close()


class TellingSource(FlakySource):
    """A PACS that says by itself what is new."""

    def __init__(self) -> None:
        super().__init__()
        self.up.set()
        self.news = threading.Event()
        self.archive = ArchiveState(reachable=True, problem=None, since=0)

    def scan_news(self, store: Store) -> ScanSummary | None:
        del store
        if self.news.is_set():
            self.news.clear()
            return ScanSummary(added=1)
        return None

    @property
    def state(self) -> ArchiveState:
        return self.archive


@pytest.fixture
def telling(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Scanner, TellingSource, threading.Event]]:
    monkeypatch.setattr(scanning, "NEWS_S", 0.02)
    source, changed = TellingSource(), threading.Event()
    scanner = Scanner(
        cast(StudyArchive, source), service.store, rescan_s=0, changed=lambda: changed.set()
    )
    scanner.start(wait_s=20)
    changed.clear()
    yield scanner, source, changed
    scanner.close()


def test_news_of_a_source_are_asked_for_without_a_look_at_everything(
    telling: tuple[Scanner, TellingSource, threading.Event],
) -> None:
    _, source, changed = telling

    source.news.set()

    assert changed.wait(20)
    assert source.scans == 1


def test_a_look_may_be_asked_for(
    telling: tuple[Scanner, TellingSource, threading.Event], until: Callable[..., None]
) -> None:
    scanner, source, _ = telling

    scanner.look_now()

    until(lambda: source.scans == 2)


def test_a_pacs_that_failed_somebody_since_the_last_look_is_shown_as_away(
    telling: tuple[Scanner, TellingSource, threading.Event],
) -> None:
    scanner, source, _ = telling

    source.archive = ArchiveState(reachable=False, problem="nobody answers", since=1)

    assert (scanner.state.state, scanner.state.problem) == ("unreachable", "nobody answers")


def test_what_fails_after_a_look_is_told_and_the_look_is_repeated(
    service: Service, until: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanning, "FIRST_RETRY_S", 0.02)
    monkeypatch.setattr(scanning, "NEWS_S", 0.02)
    source, broken = TellingSource(), threading.Event()

    def changed() -> None:
        if broken.is_set():
            raise StoreError("the database failed")

    scanner = Scanner(cast(StudyArchive, source), service.store, rescan_s=0, changed=changed)
    broken.set()
    scanner.start(wait_s=20)
    first = scanner.state

    broken.clear()

    until(lambda: scanner.state.state == "ready")
    assert (first.state, first.problem) == ("unreachable", "the database failed")
    broken.set()
    source.news.set()
    until(lambda: scanner.state.problem == "the database failed")
    broken.clear()
    until(lambda: scanner.state.state == "ready")
    scanner.close()


def test_looks_after_which_something_fails_come_ever_less_often(service: Service) -> None:
    source = FlakySource()
    source.up.set()

    def changed() -> None:
        raise StoreError("the database failed")

    scanner = Scanner(cast(StudyArchive, source), service.store, rescan_s=0, changed=changed)

    pauses = []
    for _ in range(4):
        scanner.scan()
        pauses.append(scanner._pause_s())

    assert pauses == [1, 2, 4, 8]


def test_a_pacs_that_stays_away_is_asked_ever_less_often(service: Service) -> None:
    scanner = Scanner(cast(StudyArchive, FlakySource()), service.store, rescan_s=0)

    pauses = []
    for _ in range(7):
        scanner.scan()
        pauses.append(scanner._pause_s())

    assert pauses == [1, 2, 4, 8, 16, 30, 30]


def test_a_look_after_which_the_database_fails_shows_in_what_clients_are_told(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise StoreError("the database failed")

    service.info.get()
    monkeypatch.setattr(service.store.images, "refusals", broken)

    service.scanner.scan()

    source = service.info.get()["sonoloop"]["source"]
    assert (source["state"], source["problem"]) == ("unreachable", "the database failed")


def test_new_studies_are_found_and_refused_files_counted(service: Service, studies: Path) -> None:
    (studies / "new.png").write_bytes((studies / "img0.png").read_bytes())
    (studies / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n torn")

    service.scanner.scan()

    info = service.info.get()
    assert info["datastore"]["total"] == 7
    assert info["sonoloop"]["refused"] == 1


def test_two_servers_cannot_share_a_workspace(tmp_path: Path) -> None:
    first = WorkspaceLock(tmp_path)

    with pytest.raises(StoreError, match="in use by another server, process"):
        WorkspaceLock(tmp_path)
    first.release()

    WorkspaceLock(tmp_path).release()


def test_a_source_that_is_none_leaves_the_workspace_free(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is no such folder"):
        Service.open(
            str(tmp_path / "nowhere"),
            tmp_path / "workspace",
            ServerSettings(),
            None,  # type: ignore[arg-type]
            shipped_models=None,
        )

    WorkspaceLock(tmp_path / "workspace").release()


def test_jobs_of_a_dead_server_are_ended(open_service: Callable[..., Service]) -> None:
    first = open_service()
    job = first.store.jobs.create("batch_infer", "lesion", {})
    first.close()

    ended = open_service().store.jobs.get(job.job_id)

    assert (ended.status, ended.details[-1]) == ("ERROR", "the server ended while this ran")


def test_a_batch_can_be_stopped(service: Service, until: Callable[..., None]) -> None:
    began = threading.Event()

    def work(handle: JobHandle) -> str:
        began.set()
        until(handle.should_stop)
        return "gave up"

    job = service.jobs.start("batch_infer", "lesion", {}, work, wait=False)
    assert began.wait(20)
    with pytest.raises(ConflictError, match="is running already"):
        service.batch.start("lesion", "all", {})

    (stopped,) = service.jobs.stop("batch_infer")

    assert (stopped.job_id, stopped.status) == (job.job_id, "STOPPED")
    assert stopped.details[-1] == "gave up"


def broken(*_: object, **__: object) -> None:
    raise StoreError("the database failed: database is locked")


def test_a_job_that_cannot_begin_makes_room_for_the_next(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(service.store.jobs, "start", broken)
        first = service.jobs.start("batch_infer", "lesion", {}, lambda _: "done", wait=True)

    second = service.jobs.start("batch_infer", "lesion", {}, lambda _: "done", wait=True)

    assert (first.status, first.details) == ("ERROR", ("the database failed: database is locked",))
    assert second.status == "DONE"


@pytest.mark.parametrize("left_to", ["the next job", "the look after the workspace"])
def test_an_end_that_could_not_be_told_is_told_later(
    service: Service,
    until: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    left_to: str,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(service.store.jobs, "finish", broken)
        job = service.jobs.start("batch_infer", "lesion", {}, lambda _: "all looked at", wait=False)
        until(lambda: not service.jobs._threads)

    if left_to == "the next job":
        service.jobs.start("batch_infer", "lesion", {}, lambda _: "done", wait=True)
    else:
        until(lambda: not service.store.jobs.active())

    ended = service.store.jobs.get(job.job_id)
    assert (ended.status, ended.details) == ("DONE", ("all looked at",))


def test_a_job_always_has_a_last_line(service: Service) -> None:
    job = service.store.jobs.create("train", "segmentation", {"studies": "/secret", "model": "x"})

    told = job_json(job)

    assert told["details"] == ["train of segmentation: SUBMITTED"]
    assert told["request"] == {"model": "x"}


def test_train_stats_hold_numbers_from_the_start(service: Service) -> None:
    job: Job = service.store.jobs.create("train", "segmentation", {})
    service.store.jobs.heartbeat(job.job_id, {"epoch": 2, "best_metric": None})

    stats = train_stats(service.store.jobs.get(job.job_id))

    assert (stats["epoch"], stats["total_epochs"], stats["best_metric"]) == (2, 1, 0.0)


class TestSubmission:
    """What comes with a label."""

    def test_says_who_read(self) -> None:
        assert parse_submission({"client_id": "slicer"}).reader == "slicer"
        assert parse_submission({"client_id": "slicer", "reader": "Ada"}).reader == "Ada"
        assert parse_submission({"client_id": None}).reader == "annotator"

    def test_names_the_values_of_the_mask(self) -> None:
        info = [{"name": "lesion", "idx": 1}, {"name": "Malignant", "idx": 3}]

        submission = parse_submission({"label_info": info})

        assert submission.highest_value == 3
        assert submission.segment_pathology == {3: Pathology.MALIGNANT}

    @pytest.mark.parametrize(
        ("params", "complaint"),
        [
            ({"pathology": "bad"}, "unknown pathology"),
            ({"birads": "7"}, "unknown BI-RADS"),
            ({"reader": "a\nb"}, "reader must be printable"),
            ({"reader": 7}, "reader must be printable"),
            ({"seconds_spent": "nan"}, "seconds_spent must be"),
            ({"seconds_spent": 1e9}, "seconds_spent must be"),
            ({"label_info": {"lesion": 1}}, "label_info must be"),
            ({"label_info": [{"name": "x", "idx": True}]}, "label_info must be"),
            ({"label_info": [{"idx": 1}]}, "label_info must be"),
            ({"note": "x" * 70_000}, "exceed 65536 characters"),
        ],
    )
    def test_is_refused_when_it_is_malformed(self, params: dict[str, Any], complaint: str) -> None:
        with pytest.raises(InvalidRequestError, match=complaint):
            parse_submission(params)


def test_a_class_told_later_may_not_contradict_the_mask(service: Service) -> None:
    image_id = service.store.images.unlabelled_ids()[0]
    mask = np.ones((40, 60), dtype=np.uint8)
    record = service.store.images.get(image_id)
    with pytest.raises(NotFoundError, match="has no label 'final'"):
        service.amend_label(image_id, "final", {"pathology": "benign"})
    service.labelling.save(record, "final", parse_submission({}), file=(_png(mask), "mask.png"))

    with pytest.raises(InvalidRequestError, match="contradicts a mask of 2400 pixels"):
        service.amend_label(image_id, "final", {"pathology": "normal"})


def _png(mask: np.ndarray) -> bytes:
    from sonoloop.imaging.masks import encode_label_map

    return encode_label_map(mask, ".png", None)
