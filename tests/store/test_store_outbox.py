from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete

from sonoloop.errors import NotFoundError, StaleRevisionError
from sonoloop.geometry import LabelMap
from sonoloop.records import Annotation, ImageRecord, InstanceAddress
from sonoloop.store import NewAnnotation, Store
from sonoloop.store.outbox import NO_DICOM, UPLOADED
from sonoloop.store.outbox_entries import KeptDocument, OutboxEntry
from sonoloop.store.schema_outbox import OutboxRow

LATER = datetime.now(UTC) + timedelta(days=1)


@pytest.fixture
def images(store: Store, make_record: Callable[..., ImageRecord]) -> Store:
    """A store with two DICOM images, a picture and an upload."""
    records = [
        make_record("1.1"),
        make_record("1.2"),
        make_record("picture", sop_instance_uid=None, study_instance_uid=None),
        make_record("1.4", source="upload"),
    ]
    store.images.upsert_many(records)
    return store


@pytest.fixture
def say(images: Store, make_mask: Callable[..., LabelMap]) -> Callable[..., Annotation]:
    """Saves what a reader says of an image."""

    def saying(image_id: str, reader: str = "ann", **more: Any) -> Annotation:
        return images.annotations.save(
            NewAnnotation(image_id=image_id, reader=reader, **more), make_mask()
        )

    return saying


def entries(store: Store) -> list[OutboxEntry]:
    return store.outbox.list()[::-1]


def due(store: Store) -> OutboxEntry:
    found = store.outbox.due(LATER)
    assert found is not None
    return found


def document(entry: OutboxEntry, number: int = 1) -> KeptDocument:
    uid = f"2.25.{entry.entry_id}{number}"
    address = InstanceAddress(study="1.2", series="1.2.9", instance=uid)
    return KeptDocument(
        kind="segmentation", address=address, file=f"{uid}.dcm", sha256=f"{number:064}"
    )


def test_what_is_submitted_waits_in_the_outbox(
    images: Store, say: Callable[..., Annotation]
) -> None:
    saved = say("1.1")

    (entry,) = entries(images)
    assert (entry.annotation_id, entry.image_id, entry.state) == (
        saved.annotation_id,
        "1.1",
        "waiting",
    )
    assert (entry.reader, entry.revision, entry.attempts, entry.documents) == ("ann", 1, 0, ())


def test_an_adjudication_goes_out_like_a_reading(
    images: Store, say: Callable[..., Annotation]
) -> None:
    say("1.1", adjudicates=True)

    assert [entry.state for entry in entries(images)] == ["waiting"]


@pytest.mark.parametrize("more", [{"state": "draft"}, {"tag": "original"}, {"import_key": "k"}])
def test_drafts_and_imports_do_not_go_out_by_themselves(
    images: Store, say: Callable[..., Annotation], more: dict[str, Any]
) -> None:
    say("1.1", **more)

    assert entries(images) == []


def test_what_conflicts_does_not_go_out(images: Store, say: Callable[..., Annotation]) -> None:
    say("1.1")
    with pytest.raises(StaleRevisionError, match="whose newest is 1"):
        say("1.1", base_revision=0)

    assert len(entries(images)) == 1


@pytest.mark.parametrize(("image_id", "reason"), [("picture", NO_DICOM), ("1.4", UPLOADED)])
def test_what_the_archive_cannot_have_is_off_with_the_reason(
    images: Store, say: Callable[..., Annotation], image_id: str, reason: str
) -> None:
    say(image_id)

    (entry,) = entries(images)
    assert (entry.state, entry.problem) == ("off", reason)
    assert images.outbox.retry(states=("failed", "off")) == 0
    assert images.outbox.due(LATER) is None


def test_an_entry_is_not_there_when_its_annotation_could_not_be_saved(
    images: Store, say: Callable[..., Annotation], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("power cut")

    monkeypatch.setattr("sonoloop.store.annotations.record_of", fail)  # after the entry was made
    with pytest.raises(RuntimeError, match="power cut"):
        say("1.1")

    assert entries(images) == []
    assert images.annotations.history("1.1") == []


def test_entries_of_an_image_go_in_order_and_those_of_another_do_not_wait(
    images: Store, say: Callable[..., Annotation]
) -> None:
    first, second, other = (say(image) for image in ("1.1", "1.1", "1.2"))
    store = images.outbox

    one = due(images)
    store.postpone(one.entry_id, "the PACS is away", until=LATER + timedelta(days=1))
    assert one.annotation_id == first.annotation_id
    assert due(images).annotation_id == other.annotation_id
    store.mark_sent(due(images).entry_id)
    store.mark_verified(due(images).entry_id)
    assert store.due(LATER) is None
    store.hasten()
    assert due(images).annotation_id == first.annotation_id
    store.mark_verified(one.entry_id)
    assert due(images).annotation_id == second.annotation_id


def test_what_goes_wrong_often_holds_up_nothing_else(
    images: Store, say: Callable[..., Annotation]
) -> None:
    say("1.1")
    other = say("1.2")
    images.outbox.postpone(due(images).entry_id, "odd", until=datetime.now(UTC))

    assert due(images).annotation_id == other.annotation_id


def test_the_next_one_due_is_known(images: Store, say: Callable[..., Annotation]) -> None:
    assert images.outbox.next_due() is None
    say("1.1")
    images.outbox.postpone(due(images).entry_id, "the PACS is away", until=LATER)

    assert images.outbox.next_due() == LATER
    assert images.outbox.due(LATER - timedelta(seconds=1)) is None


def test_documents_are_kept_as_they_were_decided(
    images: Store, say: Callable[..., Annotation]
) -> None:
    say("1.1")
    entry = due(images)
    images.outbox.keep_documents(entry.entry_id, [document(entry)])

    assert images.outbox.get(entry.entry_id).documents == (document(entry),)


def test_verifying_one_gives_the_files_of_those_before_up(
    images: Store, say: Callable[..., Annotation]
) -> None:
    say("1.1")
    say("1.1")
    old, new = entries(images)
    for entry in (old, new):
        images.outbox.keep_documents(entry.entry_id, [document(entry)])

    assert images.outbox.mark_verified(old.entry_id) == ()
    assert images.outbox.predecessor(new) == images.outbox.get(old.entry_id)
    assert images.outbox.mark_verified(new.entry_id) == (document(old).file,)
    assert images.outbox.is_overtaken(old)
    assert not images.outbox.is_overtaken(new)


def test_what_failed_is_tried_again_when_asked(
    images: Store, say: Callable[..., Annotation]
) -> None:
    say("1.1")
    say("1.2")
    one, other = entries(images)
    images.outbox.mark_failed(one.entry_id, "refused")
    images.outbox.turn_off(other.entry_id, "switched off")

    failed = images.outbox.get(one.entry_id)
    assert (failed.state, failed.problem) == ("failed", "refused")
    assert images.outbox.due(LATER) is None
    assert images.outbox.retry([other.entry_id]) == 0
    assert images.outbox.retry() == 1
    assert images.outbox.retry([other.entry_id], states=("off",)) == 1
    assert [entry.state for entry in entries(images)] == ["waiting", "waiting"]


def test_what_becomes_of_documents_is_told_in_the_log(
    images: Store, say: Callable[..., Annotation]
) -> None:
    say("1.1")
    entry = due(images)
    images.outbox.keep_documents(entry.entry_id, [document(entry)])
    images.outbox.mark_sent(entry.entry_id)
    images.outbox.mark_sent(entry.entry_id)  # twice after a crash: told once
    images.outbox.mark_verified(entry.entry_id)
    say("1.2")
    images.outbox.mark_failed(due(images).entry_id, "refused")

    told = [event for event in images.events.list() if event.kind.startswith("document")]
    assert [(event.kind, event.image_id) for event in told] == [
        ("document_failed", "1.2"),
        ("document_verified", "1.1"),
        ("document_sent", "1.1"),
    ]
    assert told[0].details["reason"] == "refused"
    assert told[1].details["segmentation"] == document(entry).address.instance


def test_counts_tell_how_much_waits_and_since_when(
    images: Store, say: Callable[..., Annotation]
) -> None:
    for image_id in ("1.1", "1.2", "picture"):
        say(image_id)
    images.outbox.mark_verified(due(images).entry_id)

    counts = images.outbox.counts()
    assert counts.by_state == {"waiting": 1, "sent": 0, "verified": 1, "failed": 0, "off": 1}
    assert counts.oldest == due(images).created_at


def test_drafts_of_models_are_queued_once(images: Store, say: Callable[..., Annotation]) -> None:
    draft = say("1.1", tag="original")
    withdrawn = say("1.2", tag="original")
    images.annotations.withdraw("1.2", "original")

    assert images.outbox.queue_standing("original") == 1
    assert images.outbox.queue_standing("original") == 0
    assert [entry.annotation_id for entry in entries(images)] == [draft.annotation_id]
    assert not images.outbox.queue(draft.annotation_id)
    assert images.outbox.queue(withdrawn.annotation_id)


def test_answers_given_before_there_was_an_outbox_are_queued_when_asked(
    images: Store, say: Callable[..., Annotation]
) -> None:
    older, newest = say("1.1"), say("1.1")
    say("1.2", import_key="k")
    with images._database.writing() as session:
        session.execute(delete(OutboxRow))

    assert images.outbox.queue_standing("final") == 1
    assert [entry.annotation_id for entry in entries(images)] == [newest.annotation_id]
    assert older.annotation_id < newest.annotation_id


def test_unknown_entries_and_annotations_are_refused(images: Store) -> None:
    with pytest.raises(NotFoundError, match="unknown entry 7"):
        images.outbox.get(7)
    with pytest.raises(NotFoundError, match="unknown entry 7"):
        images.outbox.mark_sent(7)
    with pytest.raises(NotFoundError, match="unknown annotation 7"):
        images.outbox.queue(7)


def test_pages_of_entries_follow_one_another(images: Store, say: Callable[..., Annotation]) -> None:
    for image_id in ("1.1", "1.2", "picture"):
        say(image_id)

    newest = images.outbox.list(limit=1)
    rest = images.outbox.list(before=newest[0].entry_id)
    assert [entry.image_id for entry in [*newest, *rest]] == ["picture", "1.2", "1.1"]
    assert [entry.image_id for entry in images.outbox.list(states=("off",))] == ["picture"]
    assert [entry.image_id for entry in images.outbox.list(image_id="1.2")] == ["1.2"]
