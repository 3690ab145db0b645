"""What is submitted reaches the archive, whatever happens on the way."""

import importlib
import io
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread

from archives import FakeArchive
from outbox_site import NOW, PowerCutError, Site, record
from sonoloop.errors import PacsError
from sonoloop.records import ImageRecord
from sonoloop.service.delivery import DRAFTS_OFF, NOTHING, OVERTAKEN, SWITCHED_OFF, WITHDRAWN
from sonoloop.service.outbox import (
    LONGEST_PAUSE_S,
    LOOK_S,
    UNFORESEEN,
    pause_after,
)
from sonoloop.settings import WriteBackSettings


@pytest.fixture
def make_site(tmp_path: Path) -> Iterator[Callable[..., Site]]:
    made: list[Site] = []

    def making(**settings: Any) -> Site:
        site = Site(tmp_path / "workspace", **settings)
        site.store.images.upsert_many([record("1.1"), record("1.2")])
        made.append(site)
        return site

    yield making
    for site in made:
        site.outbox.close()
        site.store.close()


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    return make_site()


def test_a_reading_becomes_a_segmentation_and_a_report_in_the_archive(site: Site) -> None:
    site.say("1.1")
    site.drain()

    (entry,) = site.entries()
    assert entry.state == "verified"
    assert [said.split()[:3] for said in site.archive.said()] == [
        ["segmentation", "1.1", "ann"],
        ["report", "1.1", "ann"],
    ]
    assert [one.address.instance for one in entry.documents] == list(site.archive.kept)


def test_without_a_lesion_there_is_a_report_alone(site: Site) -> None:
    site.say("1.1", lesion=False, pathology="normal")
    site.drain()

    assert [said.split()[0] for said in site.archive.said()] == ["report"]


def test_revisions_count_up_and_only_the_last_files_stay(site: Site) -> None:
    for _ in range(3):
        site.say("1.1")
    site.drain()

    numbers = [dcmread(io.BytesIO(data)).InstanceNumber for data in site.archive.kept.values()]
    assert numbers == [1, 1, 2, 2, 3, 3]
    last = {one.file for one in site.entries()[-1].documents}
    assert {path.name for path in site.store.paths.outbox.iterdir()} == last


STEPS = {
    "a file is written": "sonoloop.store.files.move_into_place",
    "the documents are decided": "sonoloop.store.outbox.Outbox.keep_documents",
    "the archive has them": "archives.FakeArchive.store",
    "it is noted that they were sent": "sonoloop.store.outbox.Outbox.mark_sent",
    "they were read back": "archives.FakeArchive.retrieve",
    "it is noted that they are there": "sonoloop.store.outbox.Outbox.mark_verified",
}


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_a_crash_between_any_two_steps_loses_nothing_and_doubles_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch, step: str, moment: str
) -> None:
    module, _, name = STEPS[step].rpartition(".")
    owner = _resolve(module)
    real = getattr(owner, name)

    def dying(*arguments: Any, **named: Any) -> Any:
        if moment == "after":
            real(*arguments, **named)
        raise PowerCutError

    site.say("1.1")
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, dying)
        with pytest.raises(PowerCutError):
            site.drain()
    site.reopen()
    site.say("1.1", reader="bob")
    site.drain()

    assert site.states() == ["verified", "verified"]
    assert [said.split()[:3:2] for said in site.archive.said()] == [
        ["segmentation", "ann"],
        ["report", "ann"],
        ["segmentation", "bob"],
        ["report", "bob"],
    ]


def _resolve(path: str) -> Any:
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError:
        module, _, name = path.rpartition(".")
        return getattr(importlib.import_module(module), name)


def test_while_the_archive_is_away_everything_waits_and_nothing_is_given_up(
    site: Site,
) -> None:
    site.archive.away = True
    site.say("1.1")
    site.say("1.2")
    now, pauses = NOW, []
    for _ in range(9):
        assert site.step(now) == 0.0
        resumes = max(entry.next_attempt_at for entry in site.entries())
        pauses.append((resumes - now).total_seconds())
        assert site.step(now) == min(LOOK_S, pauses[-1])
        now = resumes

    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert site.states() == ["waiting", "waiting"]
    assert site.outbox.summary()["waiting"] == 2
    assert site.outbox.summary()["archive"]["problem"] == "the PACS does not answer"
    assert site.entries()[0].problem == "the PACS does not answer"

    site.archive.away = False
    site.drain(now)
    assert site.states() == ["verified", "verified"]
    assert site.outbox.summary()["archive"]["reachable"] is True


def test_an_archive_that_somebody_saw_answering_is_not_kept_waiting(site: Site) -> None:
    site.archive.away = True
    site.say("1.1")
    site.step()
    assert site.step() == 1.0
    site.archive.away, site.archive.since = False, NOW.timestamp() + 0.5
    site.drain(NOW + timedelta(seconds=0.6))

    assert site.states() == ["waiting"]
    site.outbox.retry(actor="ann")
    site.drain(NOW + timedelta(seconds=0.6))
    assert site.states() == ["verified"]


def test_a_clock_that_is_set_back_delays_nothing(site: Site) -> None:
    site.archive.away = True
    site.say("1.1")
    site.step()
    site.archive.away = False
    earlier = NOW - timedelta(days=1)

    site.drain(earlier)

    assert site.states() == ["verified"]


def test_what_was_said_before_the_clock_was_set_back_is_not_held_up(site: Site) -> None:
    site.say("1.1")

    site.drain(NOW - timedelta(days=1))

    assert site.states() == ["verified"]


def test_pauses_differ_so_that_servers_do_not_come_back_all_at_once() -> None:
    assert pause_after(3, lambda: 0.5) == 3.0
    assert pause_after(40, lambda: 1.0) == 30.0


def test_an_archive_that_goes_away_after_it_took_the_documents_is_asked_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def store_and_go(self: FakeArchive, study: str, instances: list[bytes]) -> None:
        real(self, study, instances)
        self.away = True

    real = FakeArchive.store
    monkeypatch.setattr(FakeArchive, "store", store_and_go)
    site.say("1.1")
    site.step()
    assert site.states() == ["sent"]
    site.archive.away = False
    site.drain(NOW + timedelta(seconds=2))

    assert site.states() == ["verified"]
    assert set(site.archive.stored.values()) == {1}


def test_an_archive_that_forgets_what_it_took_is_given_it_again(site: Site) -> None:
    site.archive.forgets = True
    site.say("1.1")
    site.step()
    assert site.entries()[0].problem == (
        "the archive took the documents and does not give them back yet"
    )
    site.archive.forgets = False
    site.drain(NOW + timedelta(seconds=2))

    assert site.states() == ["verified"]


def test_an_archive_may_refuse_what_it_has_already(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise PowerCutError

    site.archive.refuses_doubles = True
    site.say("1.1")
    with monkeypatch.context() as patch:
        patch.setattr("sonoloop.store.outbox.Outbox.mark_sent", die)
        with pytest.raises(PowerCutError):
            site.drain()
    site.reopen()
    site.drain()

    assert site.states() == ["verified"]


def test_what_the_archive_refuses_is_told_and_goes_when_asked_again(site: Site) -> None:
    site.archive.refuses = True
    site.say("1.1")
    site.say("1.2", reader="bob")
    site.drain()
    assert site.states() == ["failed", "failed"]
    assert "refuses instance" in str(site.entries()[0].problem)
    assert site.outbox.summary()["failed"] == 2

    site.archive.refuses = False
    assert site.outbox.retry([site.entries()[0].entry_id], actor="ann") == 1
    assert site.outbox.retry(actor="ann") == 1
    site.drain()
    assert site.states() == ["verified", "verified"]
    kinds = [event.kind for event in site.store.events.list(image_id="1.1")][::-1]
    assert [kind for kind in kinds if kind.startswith("document")] == [
        "document_failed",
        "document_retried",
        "document_sent",
        "document_verified",
    ]


def test_what_the_archive_changes_is_a_failure_that_names_it(site: Site) -> None:
    def rename(data: bytes) -> bytes:
        dataset = dcmread(io.BytesIO(data))
        dataset.PatientComments = "somebody else"
        buffer = io.BytesIO()
        dataset.save_as(buffer)
        return buffer.getvalue()

    site.archive.changes = rename
    site.say("1.1")
    site.drain()

    assert site.entries()[0].problem == (
        "the archive keeps another segmentation than was sent: PatientComments differ"
    )


def resaved(data: bytes, change: Callable[[Dataset], None]) -> bytes:
    dataset = dcmread(io.BytesIO(data))
    change(dataset)
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    return buffer.getvalue()


def without_comments(dataset: Dataset) -> None:
    del dataset.PatientComments


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda data: data[: len(data) // 2], "back without"),
        (lambda data: data[:-2], "back without InstanceNumber"),
        (lambda data: resaved(data, without_comments), "back without PatientComments"),
    ],
)
def test_a_document_that_comes_back_in_part_is_asked_for_again(
    site: Site, change: Callable[[bytes], bytes], told: str
) -> None:
    site.say("1.1")
    real = site.archive.retrieve
    site.archive.retrieve = lambda address: change(real(address))  # type: ignore[method-assign]
    site.step()
    first = site.entries()[0]
    site.archive.retrieve = real  # type: ignore[method-assign]

    site.drain(NOW + timedelta(seconds=2))

    assert (first.state, site.states()) == ("sent", ["verified"])
    assert told in str(first.problem)
    assert set(site.archive.stored.values()) == {1}


def test_what_arrived_although_the_answer_was_lost_is_not_sent_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def store_and_break_off(self: FakeArchive, study: str, instances: list[bytes]) -> None:
        real(self, study, instances)
        raise PacsError("the PACS broke off")

    real = FakeArchive.store
    site.say("1.1")
    with monkeypatch.context() as patch:
        patch.setattr(FakeArchive, "store", store_and_break_off)
        site.step()
    first = site.states()

    site.drain(NOW + timedelta(seconds=2))

    assert (first, site.states()) == (["waiting"], ["verified"])
    assert set(site.archive.stored.values()) == {1}
    assert site.entries()[0].sent_at is not None


def test_what_the_archive_adds_changes_nothing(site: Site) -> None:
    def add(data: bytes) -> bytes:
        dataset = dcmread(io.BytesIO(data))
        dataset.InstitutionName = "Clinic"
        dataset.file_meta.SourceApplicationEntityTitle = "ARCHIVE"
        buffer = io.BytesIO()
        dataset.save_as(buffer)
        return buffer.getvalue()

    site.archive.changes = add
    site.say("1.1")
    site.drain()

    assert site.states() == ["verified"]


def test_documents_that_cannot_be_made_hold_up_nothing_else(site: Site) -> None:
    broken = Dataset()
    broken.Manufacturer = "broken"
    site.archive.header_of = lambda image: broken if image.image_id == "1.1" else Dataset()
    site.say("1.1")
    site.say("1.2")
    site.drain()

    assert site.states() == ["failed", "verified"]
    assert site.entries()[0].problem == "the header is too broken to refer to"

    broken.Manufacturer = "unheard of"
    site.outbox.retry(actor="ann")
    site.say("1.2")
    site.drain()
    assert site.states() == ["failed", "verified", "verified"]
    assert str(site.entries()[0].problem).startswith("the documents cannot be made: IndexError")


def test_an_error_nobody_foresaw_holds_up_nothing_else_and_is_tried_again(site: Site) -> None:
    def header_of(image: ImageRecord) -> Dataset:
        if image.image_id == "1.1":
            raise RuntimeError("a library of a library")
        return Dataset()

    site.archive.header_of = header_of
    site.say("1.1")
    site.say("1.2")
    with pytest.raises(RuntimeError, match="a library of a library"):
        site.drain()
    site.drain()

    assert site.states() == ["waiting", "verified"]
    assert site.entries()[0].problem == UNFORESEEN

    site.archive.header_of = lambda _: Dataset()
    site.drain(NOW + timedelta(seconds=LONGEST_PAUSE_S + 1))
    assert site.states() == ["verified", "verified"]


def test_an_older_answer_is_not_put_after_a_newer_one(site: Site) -> None:
    site.archive.refuses = True
    site.say("1.1")
    site.drain()
    site.archive.refuses = False
    site.say("1.1")
    site.drain()
    site.outbox.retry(actor="ann")
    site.drain()

    assert site.states() == ["off", "verified"]
    assert site.entries()[0].problem == OVERTAKEN


def test_what_was_withdrawn_before_it_went_does_not_go(site: Site) -> None:
    site.say("1.1")
    site.store.annotations.withdraw("1.1", "final")
    site.drain()

    assert [(entry.state, entry.problem) for entry in site.entries()] == [("off", WITHDRAWN)]


@pytest.mark.parametrize(
    ("settings", "kinds"),
    [({"write_seg": False}, ["report"]), ({"write_sr": False}, ["segmentation"])],
)
def test_either_document_can_be_switched_off(
    make_site: Callable[..., Site], settings: dict[str, bool], kinds: list[str]
) -> None:
    site = make_site(**settings)
    site.say("1.1")
    site.drain()

    assert [said.split()[0] for said in site.archive.said()] == kinds


def test_with_both_switched_off_nothing_goes_and_later_it_may(
    make_site: Callable[..., Site],
) -> None:
    site = make_site(write_seg=False, write_sr=False)
    site.say("1.1")
    site.drain()
    assert [(entry.state, entry.problem) for entry in site.entries()] == [("off", SWITCHED_OFF)]

    site.settings = WriteBackSettings()
    site.reopen()
    assert site.outbox.retry(actor="ann") == 0
    assert site.outbox.retry(actor="ann", off_too=True) == 1
    site.drain()
    assert site.states() == ["verified"]


def test_no_lesion_and_no_reports_leave_nothing_to_write(
    make_site: Callable[..., Site],
) -> None:
    site = make_site(write_sr=False)
    site.say("1.1", lesion=False)
    site.drain()

    assert [(entry.state, entry.problem) for entry in site.entries()] == [("off", NOTHING)]


def test_drafts_of_models_go_only_where_they_are_wanted(
    make_site: Callable[..., Site],
) -> None:
    site = make_site()
    draft = site.say("1.1", tag="original", source_model="seg-1", info={"params": {}})
    site.drain()
    assert site.entries() == []
    site.outbox.queue(draft)
    site.drain()
    assert [(entry.state, entry.problem) for entry in site.entries()] == [("off", DRAFTS_OFF)]

    site.settings = WriteBackSettings(write_drafts=True)
    site.say("1.2", tag="original", source_model="seg-1")
    site.reopen()
    site.drain()
    assert site.states() == ["off", "verified"]
    assert site.archive.said()[0].split()[:2] == ["segmentation", "1.2"]


def test_files_that_are_lost_are_taken_from_the_archive_or_made_anew(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.say("1.1")
    site.drain()
    for path in site.store.paths.outbox.iterdir():
        path.unlink()
    site.say("1.1", reader="bob")
    site.archive.away = True
    site.step()
    site.archive.away = False
    site.drain(NOW + timedelta(seconds=2))

    numbers = [dcmread(io.BytesIO(data)).InstanceNumber for data in site.archive.kept.values()]
    assert numbers == [1, 1, 2, 2]

    site.say("1.1", reader="eve")
    site.archive.refuses = True
    site.drain(NOW + timedelta(seconds=3))
    site.archive.refuses = False
    for document in site.entries()[-1].documents:
        (site.store.paths.outbox / document.file).write_bytes(b"half")
    site.outbox.retry(actor="eve")
    site.drain(NOW + timedelta(seconds=3))
    assert site.states() == ["verified"] * 3
    assert site.archive.said()[-1].split()[:3] == ["report", "1.1", "eve"]


def test_the_thread_takes_what_is_submitted_and_what_an_earlier_server_left(
    site: Site,
) -> None:
    site.archive.away = True
    site.say("1.1")
    site.step(datetime.now(UTC))
    site.archive.away = False
    site.reopen()
    site.outbox.start()
    assert site.outbox.wait_until_idle(30)
    assert site.states() == ["verified"]

    site.say("1.2")
    site.outbox.wake()
    assert site.outbox.wait_until_idle(30)
    assert site.states() == ["verified", "verified"]
    site.outbox.close()
    assert "outbox" not in {thread.name for thread in threading.enumerate()}


def test_the_thread_outlives_an_error_nobody_foresaw(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    def header_of(image: ImageRecord) -> Dataset:
        if image.image_id == "1.1":
            raise RuntimeError("a library of a library")
        return Dataset()

    site.archive.header_of = header_of
    site.say("1.1")
    site.say("1.2")
    site.outbox.start()
    deadline = time.monotonic() + 30
    while site.states() != ["waiting", "verified"]:
        assert time.monotonic() < deadline, site.states()
        time.sleep(0.02)
    site.outbox.close()

    assert "RuntimeError: a library of a library" in caplog.text
