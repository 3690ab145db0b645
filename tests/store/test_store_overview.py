"""Counts over the whole store."""

from collections.abc import Callable

from sonoloop.geometry import LabelMap
from sonoloop.labels import Pathology
from sonoloop.records import ImageRecord
from sonoloop.store import Store
from sonoloop.store.annotations import NewAnnotation


def test_images_are_counted_by_how_far_they_are(
    store: Store, make_record: Callable[..., ImageRecord]
) -> None:
    store.images.upsert_many([make_record(name) for name in ("a", "b", "c", "d")])
    store.assignments.to_any(["b", "c"], 2)
    for image in ("a", "b"):
        store.annotations.save(NewAnnotation(image_id=image, reader="ann"), None)

    counts = store.overview.images()

    assert (counts.total, counts.labelled, counts.begun) == (4, 1, 1)
    assert counts.wanted == 1 + 2 + 1


def test_an_empty_store_has_nothing_to_count(store: Store) -> None:
    counts = store.overview.images()

    assert (counts.total, counts.labelled, counts.begun, counts.wanted) == (0, 0, 0, 0)
    assert store.overview.readings() == ()


def test_answers_are_counted_by_reader_class_and_standing(
    store: Store,
    make_record: Callable[..., ImageRecord],
    make_mask: Callable[..., LabelMap],
) -> None:
    store.images.upsert_many([make_record(name) for name in ("a", "b")])
    store.assignments.to_any(["a", "b"], 2)
    mask = make_mask()
    for image, reader, pathology in (
        ("a", "ann", Pathology.BENIGN),
        ("b", "ann", Pathology.BENIGN),
        ("b", "bob", None),
    ):
        new = NewAnnotation(image_id=image, reader=reader, pathology=pathology, seconds_spent=30)
        store.annotations.save(new, mask)
    again = NewAnnotation(image_id="a", reader="ann", pathology=Pathology.MALIGNANT)
    standing = store.annotations.save(again, mask)
    store.annotations.save(NewAnnotation(image_id="a", tag="original", reader="a model"), mask)

    readings = store.overview.readings()

    in_force = [reading for reading in readings if reading.in_force]
    assert {(r.reader, r.pathology, r.count) for r in in_force} == {
        ("ann", Pathology.BENIGN, 1),
        ("ann", Pathology.MALIGNANT, 1),
        ("bob", None, 1),
    }
    assert sum(r.count for r in readings) == 4
    assert {r.day for r in readings} == {standing.created_at.date().isoformat()}
    assert sum(r.seconds for r in readings) == 90
    assert sum(r.timed for r in readings) == 3


def test_what_was_taken_back_is_not_counted(
    store: Store, make_record: Callable[..., ImageRecord]
) -> None:
    store.images.upsert_many([make_record("a")])
    store.annotations.save(NewAnnotation(image_id="a", reader="ann"), None)
    store.annotations.withdraw("a", "final")

    assert store.overview.readings() == ()
    assert store.overview.images().labelled == 0
