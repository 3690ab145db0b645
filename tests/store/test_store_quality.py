from collections.abc import Callable

import pytest

from sonoloop.errors import ConflictError, InvalidRequestError, NotFoundError
from sonoloop.geometry import LabelMap
from sonoloop.quality.doubt import FLAG_KINDS, Doubt
from sonoloop.records import ImageRecord
from sonoloop.store import NewAnnotation, Store

SPECKS = Doubt(kind="fragments", sentence="3 fragments", figures={"pixels": [2, 1, 1]})
FAR = Doubt(kind="far_from_reader", subject="reader:bob", sentence="Dice 0.2")


@pytest.fixture
def labelled(
    store: Store, make_record: Callable[..., ImageRecord], make_mask: Callable[..., LabelMap]
) -> int:
    """Registers image ``a`` with one label; the id of that annotation."""
    store.images.upsert_many([make_record("a")])
    return store.annotations.save(
        NewAnnotation(image_id="a", reader="ann"), make_mask()
    ).annotation_id


def test_an_image_with_an_open_flag_is_named(store: Store, labelled: int) -> None:
    raised = store.quality.settle("a", {labelled: [SPECKS]}, kinds=FLAG_KINDS)

    assert store.quality.open_images() == {"a"}
    assert store.quality.list() == raised
    assert (raised[0].image_id, raised[0].annotation_id, raised[0].reader) == ("a", labelled, "ann")
    assert (raised[0].state, raised[0].figures) == ("open", {"pixels": [2, 1, 1]})


def test_what_is_found_again_is_no_second_flag(store: Store, labelled: int) -> None:
    store.quality.settle("a", {labelled: [SPECKS]}, kinds=FLAG_KINDS)

    assert store.quality.settle("a", {labelled: [SPECKS]}, kinds=FLAG_KINDS) == []
    assert len(store.quality.list(state=None)) == 1


def test_what_is_found_no_more_is_fixed_and_may_come_back(store: Store, labelled: int) -> None:
    store.quality.settle("a", {labelled: [SPECKS]}, kinds=FLAG_KINDS)
    store.quality.settle("a", {labelled: []}, kinds=FLAG_KINDS)

    assert store.quality.open_images() == frozenset()
    assert [flag.resolved_by for flag in store.quality.list(state="fixed")] == ["sonoloop"]

    store.quality.settle("a", {labelled: [SPECKS]}, kinds=FLAG_KINDS)

    [flag] = store.quality.list(state=None)
    assert (flag.state, flag.resolved_by) == ("open", None)


def test_what_was_not_looked_for_stays_open(store: Store, labelled: int) -> None:
    store.quality.settle("a", {labelled: [SPECKS, FAR]}, kinds=FLAG_KINDS)

    store.quality.settle("a", {labelled: []}, kinds=["fragments"])

    assert [flag.kind for flag in store.quality.list()] == ["far_from_reader"]


def test_flags_of_a_revision_that_counts_no_more_are_fixed(
    store: Store, labelled: int, make_mask: Callable[..., LabelMap]
) -> None:
    store.quality.settle("a", {labelled: [FAR]}, kinds=FLAG_KINDS)
    newer = store.annotations.save(NewAnnotation(image_id="a", reader="ann"), make_mask(1))

    store.quality.settle("a", {newer.annotation_id: []}, kinds=["fragments"])

    assert store.quality.list() == []


def test_a_dismissed_flag_stays_dismissed(store: Store, labelled: int) -> None:
    [flag] = store.quality.settle("a", {labelled: [SPECKS]}, kinds=FLAG_KINDS)

    dismissed = store.quality.dismiss(flag.flag_id, by="rev", reason="satellite lesions")
    store.quality.settle("a", {labelled: [SPECKS]}, kinds=FLAG_KINDS)

    assert store.quality.open_images() == frozenset()
    assert store.quality.list(state="dismissed") == [dismissed]
    assert (dismissed.resolved_by, dismissed.reason) == ("rev", "satellite lesions")
    assert dismissed.resolved_at is not None


def test_a_flag_is_dismissed_once(store: Store, labelled: int) -> None:
    [flag] = store.quality.settle("a", {labelled: [SPECKS]}, kinds=FLAG_KINDS)
    store.quality.dismiss(flag.flag_id, by="rev", reason="")

    with pytest.raises(ConflictError, match="is dismissed already, by 'rev'"):
        store.quality.dismiss(flag.flag_id, by="eve", reason="")


def test_an_unknown_flag_or_image_is_told(store: Store) -> None:
    with pytest.raises(NotFoundError, match="unknown quality flag 7"):
        store.quality.dismiss(7, by="rev", reason="")
    with pytest.raises(NotFoundError, match="unknown image 'x'"):
        store.quality.settle("x", {}, kinds=FLAG_KINDS)


def test_a_page_without_flags_cannot_be_asked_for(store: Store) -> None:
    with pytest.raises(InvalidRequestError, match="a page of 0 flags"):
        store.quality.list(limit=0)


def test_all_flags_of_a_kind_are_dismissed_at_once(store: Store, labelled: int) -> None:
    store.quality.settle("a", {labelled: [SPECKS, FAR]}, kinds=FLAG_KINDS)

    assert store.quality.counts() == {"far_from_reader": 1, "fragments": 1}
    assert store.quality.dismiss_kind("fragments", by="rev", reason="fine") == 1
    assert store.quality.counts() == {"far_from_reader": 1}


def test_pages_of_flags_follow_one_another(store: Store, labelled: int) -> None:
    store.quality.settle("a", {labelled: [SPECKS, FAR]}, kinds=FLAG_KINDS)

    [first] = store.quality.list(limit=1)
    [second] = store.quality.list(limit=1, before=first.flag_id)

    assert {first.kind, second.kind} == {"far_from_reader", "fragments"}
    assert store.quality.list(kind="fragments", image_id="a") != []
    assert store.quality.list(image_id="b") == []


def test_flags_are_in_the_event_log(store: Store, labelled: int) -> None:
    [flag] = store.quality.settle("a", {labelled: [SPECKS]}, kinds=FLAG_KINDS)
    store.quality.dismiss(flag.flag_id, by="rev", reason="fine")

    resolved, raised = store.events.list(kind="quality_flag_resolved") + store.events.list(
        kind="quality_flag_raised"
    )
    assert (raised.actor, raised.image_id) == ("sonoloop", "a")
    assert raised.details == {
        "flag": flag.flag_id,
        "kind": "fragments",
        "annotation": labelled,
        "state": "open",
    }
    assert (resolved.actor, resolved.details["state"]) == ("rev", "dismissed")
    assert resolved.details["reason"] == "fine"


def test_an_image_is_unchecked_until_its_newest_label_was_looked_at(
    store: Store, labelled: int, make_mask: Callable[..., LabelMap]
) -> None:
    assert store.quality.unchecked() == ("a",)

    store.quality.settle("a", {labelled: []}, kinds=["fragments"])
    assert store.quality.unchecked() == ("a",)

    store.quality.settle("a", {labelled: []}, kinds=FLAG_KINDS, up_to=labelled)
    assert store.quality.unchecked() == ()

    store.annotations.save(NewAnnotation(image_id="a", reader="ann"), make_mask(1))
    assert store.quality.unchecked() == ("a",)


def test_a_label_saved_during_a_check_is_still_to_be_checked(
    store: Store, labelled: int, make_mask: Callable[..., LabelMap]
) -> None:
    newer = store.annotations.save(NewAnnotation(image_id="a", reader="bob"), make_mask(1))

    store.quality.settle("a", {labelled: []}, kinds=FLAG_KINDS, up_to=labelled)

    assert newer.annotation_id > labelled
    assert store.quality.unchecked() == ("a",)


def test_labelled_near_duplicates_are_found_by_their_group(
    store: Store, make_record: Callable[..., ImageRecord], make_mask: Callable[..., LabelMap]
) -> None:
    groups = {"a": "g1", "b": "g1", "c": "g2", "d": None, "e": None, "f": "g1"}
    store.images.upsert_many([make_record(name, group=group) for name, group in groups.items()])
    for name in "abcde":
        store.annotations.save(NewAnnotation(image_id=name, reader="ann"), make_mask())

    assert store.quality.duplicates_of("a") == ("b",)
    assert store.quality.duplicates_of("d") == ()
