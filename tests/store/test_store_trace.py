"""What is done to the store is in its event log: who, what, when, to which image and model."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sonoloop.errors import StaleRevisionError
from sonoloop.evaluation.verdicts import GateDecision, GateVerdict
from sonoloop.geometry import LabelMap
from sonoloop.labels import Pathology
from sonoloop.records import ImageRecord
from sonoloop.store import NewAnnotation, Store
from sonoloop.store.events import Event

MakeRecord = Callable[..., ImageRecord]
MakeMask = Callable[..., LabelMap]
THEN = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def known(store: Store, make_record: MakeRecord) -> Store:
    """A store with the images ``a`` and ``b``."""
    store.images.upsert_many([make_record("a"), make_record("b")])
    return store


def last(store: Store, count: int = 1) -> list[Event]:
    """The latest events, oldest first."""
    return store.events.list(limit=count)[::-1]


def told(event: Event) -> tuple[str, str, str | None]:
    return event.kind, event.actor, event.image_id


def test_images_that_come_go_and_come_back_are_told(known: Store, make_record: MakeRecord) -> None:
    known.images.mark_gone("folder", ["a.dcm"])
    known.images.upsert_many([make_record("a"), make_record("b")])
    known.images.mark_other_sources_gone("dicomweb")
    known.images.remove("b")

    events = known.events.list(limit=None)[::-1]
    assert [told(event)[::2] for event in events[:4]] == [
        ("image_registered", "a"),
        ("image_registered", "b"),
        ("image_gone", "a"),
        ("image_registered", "a"),
    ]
    assert events[0].actor == "sonoloop"
    assert events[3].details == {"source": "folder", "again": True}
    assert sorted(told(event)[::2] for event in events[4:6]) == [
        ("image_gone", "a"),
        ("image_gone", "b"),
    ]
    assert events[6].details == {"forgotten": True}


def test_a_file_that_holds_other_images_now_tells_which_have_gone(
    known: Store, make_record: MakeRecord
) -> None:
    known.images.upsert_many([make_record("c", locator="a.dcm")], replacing=["a.dcm"])

    assert [told(event)[::2] for event in last(known, 2)] == [
        ("image_gone", "a"),
        ("image_registered", "c"),
    ]


def test_a_saved_revision_is_told_and_ends_the_lease(known: Store, make_mask: MakeMask) -> None:
    before = datetime.now(UTC)
    known.leases.take("a", "ann", strategy="random", reason="by chance", seconds=60)
    saved = known.annotations.save(
        NewAnnotation(
            image_id="a", reader="ann", pathology=Pathology.BENIGN, birads="3", source_model="m1"
        ),
        make_mask(),
    )

    taken, released, event = last(known, 3)
    assert told(taken) == ("lease_taken", "ann", "a")
    assert taken.details == {"strategy": "random", "reason": "by chance"}
    assert told(released) == ("lease_released", "ann", "a")
    assert (*told(event), event.model_id) == ("annotation_saved", "ann", "a", "m1")
    assert event.details == {
        "annotation": saved.annotation_id,
        "tag": "final",
        "revision": 1,
        "state": "submitted",
        "pathology": "benign",
        "birads": "3",
    }
    assert before <= event.created_at <= datetime.now(UTC)


def test_an_import_an_adjudication_and_a_models_draft_are_told_apart(
    known: Store, make_mask: MakeMask
) -> None:
    save = known.annotations.save
    save(NewAnnotation(image_id="a", reader="busi", import_key="k1"), make_mask())
    save(NewAnnotation(image_id="a", reader="busi", import_key="k1"), make_mask())
    save(NewAnnotation(image_id="a", reader="chief", adjudicates=True), make_mask())
    save(NewAnnotation(image_id="a", tag="original", source_model="m1"), make_mask())

    assert [told(event)[:2] for event in known.events.list(image_id="a")[::-1][1:]] == [
        ("import", "busi"),
        ("adjudication", "chief"),
        ("annotation_saved", "sonoloop"),
    ]


def test_a_stale_save_is_told_as_conflicting(known: Store, make_mask: MakeMask) -> None:
    known.annotations.save(NewAnnotation(image_id="a", reader="ann"), make_mask())
    stale = NewAnnotation(image_id="a", reader="ann", base_revision=0)

    with pytest.raises(StaleRevisionError, match="was saved from revision 0"):
        known.annotations.save(stale, make_mask(1))

    assert told(last(known)[0]) == ("annotation_conflicting", "ann", "a")
    assert last(known)[0].details["revision"] == 2


def test_a_withdrawal_is_told_for_every_revision(known: Store, make_mask: MakeMask) -> None:
    for seed in range(2):
        known.annotations.save(NewAnnotation(image_id="a", reader="ann"), make_mask(seed))

    known.annotations.withdraw("a", "final", actor="chief")

    events = known.events.list(kind="annotation_withdrawn")[::-1]
    assert [(event.actor, event.details["revision"]) for event in events] == [
        ("chief", 1),
        ("chief", 2),
    ]


def test_leases_that_lapse_are_told(known: Store) -> None:
    def take(image: str, reader: str, at: datetime) -> None:
        known.leases.take(image, reader, strategy="s", reason="r", seconds=60, at=at)

    take("a", "ann", THEN)
    take("a", "ann", THEN + timedelta(seconds=30))
    take("b", "ann", THEN)
    take("b", "bob", THEN + timedelta(seconds=61))
    known.leases.sweep(at=THEN + timedelta(hours=1))
    known.leases.release("a", "nobody")

    events = known.events.list(limit=6)[::-1]
    assert [told(event) for event in events[:2]] == [
        ("lease_taken", "ann", "a"),
        ("lease_taken", "ann", "b"),
    ]
    assert [(event.kind, event.details.get("reader")) for event in events[2:]] == [
        ("lease_expired", "ann"),
        ("lease_taken", None),
        ("lease_expired", "ann"),
        ("lease_expired", "bob"),
    ]
    assert events[2].details["expired_at"] == (THEN + timedelta(seconds=60)).isoformat()


def test_reviews_skips_and_assignments_are_told(known: Store, make_mask: MakeMask) -> None:
    saved = known.annotations.save(NewAnnotation(image_id="a", reader="ann"), make_mask())
    known.reviews.reject(saved.annotation_id, "rev", note="too large")
    known.skips.add("b", "bob", "not_assessable", "shadow")
    known.skips.withdraw("b", "bob")
    known.skips.withdraw("b", "bob")
    known.assignments.to_readers(["b"], ["bob", "ann"], actor="chief")
    known.assignments.to_any(["a"], 2)

    events = [
        event for event in known.events.list(limit=5)[::-1] if event.kind != "annotation_saved"
    ]
    assert [(*told(event), event.details) for event in events] == [
        (
            "review",
            "rev",
            "a",
            {"annotation": saved.annotation_id, "verdict": "reject", "reader": "ann"},
        ),
        ("skip", "bob", "b", {"kind": "not_assessable", "reason": "shadow"}),
        ("skip", "bob", "b", {"kind": "taken back"}),
        ("assignment", "chief", "b", {"readers_wanted": 2, "readers": ["ann", "bob"]}),
        ("assignment", "unknown", "a", {"readers_wanted": 2, "readers": []}),
    ]


def test_trainings_are_told_and_other_work_is_not(store: Store) -> None:
    other = store.jobs.create("scoring", "dice", {})
    store.jobs.start(other.job_id, None, None)
    store.jobs.finish(other.job_id, "DONE")
    job = store.jobs.create("train", "segmentation", {})
    store.jobs.start(job.job_id, 1, 2.0)
    store.jobs.finish(job.job_id, "DONE", "published m2")
    store.jobs.finish(job.job_id, "ERROR", "too late")

    started, ended = store.events.list(limit=None)[::-1]
    assert (started.kind, started.actor) == ("training_started", "sonoloop")
    assert started.details == {"job": job.job_id, "task": "segmentation", "status": "RUNNING"}
    assert (ended.kind, ended.details["status"]) == ("training_ended", "DONE")
    assert ended.details["result"] == "published m2"


@pytest.fixture
def register(store: Store, tmp_path: Path) -> Callable[[str], None]:
    """Registers a segmenter."""

    def registering(model_id: str) -> None:
        folder = tmp_path / model_id
        folder.mkdir()
        (folder / "weights.safetensors").write_bytes(model_id.encode())
        card: dict[str, Any] = {
            "model_id": model_id,
            "task": "segmentation",
            "architecture": "fake",
        }
        (folder / "card.json").write_text(json.dumps(card))
        store.models.register(card, folder)

    return registering


def test_the_life_of_models_is_told(store: Store, register: Callable[[str], None]) -> None:
    register("m1")
    register("m2")
    store.models.publish("m1", kind="shipped", actor="sonoloop", reason="came along")
    store.models.publish("m2", actor="eng", reason="better")
    store.models.publish("m2", actor="eng", reason="again")
    store.models.rollback("segmentation", actor="eng", reason="worse after all")
    store.models.pin("m1", actor="eng", reason="study")
    store.models.unpin("segmentation", actor="eng")
    store.models.unpin("segmentation", actor="eng")

    events = store.events.list(limit=None)[::-1]
    assert [(event.kind, event.actor, event.model_id) for event in events] == [
        ("model_registered", "sonoloop", "m1"),
        ("model_registered", "sonoloop", "m2"),
        ("model_published", "sonoloop", "m1"),
        ("model_published", "eng", "m2"),
        ("model_rolled_back", "eng", "m1"),
        ("model_pinned", "eng", "m1"),
        ("model_unpinned", "eng", "m1"),
    ]
    assert events[3].details["replaced"] == "m1"
    assert events[4].details == {
        "task": "segmentation",
        "replaced": "m2",
        "kind": "rollback",
        "reason": "worse after all",
        "gate": None,
    }


def test_what_the_gate_holds_or_rejects_is_told(
    store: Store, register: Callable[[str], None]
) -> None:
    for name in ("m1", "m2", "m3", "m4"):
        register(name)
    verdicts: dict[str, GateVerdict] = {"m2": "held", "m3": "rejected", "m4": "published"}
    for name, verdict in verdicts.items():
        decision = GateDecision(verdict=verdict, reason="measured", figures=(), cases=())
        store.gates.write(name, decision, against="m1", job_id="j1")

    rejected, held = store.events.list(limit=2)
    assert (held.kind, held.model_id) == ("model_held", "m2")
    assert (rejected.kind, rejected.model_id) == ("model_rejected", "m3")
    assert (rejected.details["against"], rejected.details["job"]) == ("m1", "j1")
    assert rejected.details["reason"] == "measured"
