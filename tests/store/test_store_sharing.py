"""What is asked of the store for several readers: assigned images first, shared images alone."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from sonoloop.records import ImageRecord
from sonoloop.store import NewAnnotation, Store

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def three(store: Store, make_record: Callable[..., ImageRecord]) -> Store:
    """A store of three images."""
    store.images.upsert_many([make_record(f"1.{number}") for number in range(3)])
    return store


def next_of(store: Store, reader: str, at: datetime = NOW) -> str | None:
    found = store.assignments.next_open(reader, at=at)
    return None if found is None else found.image_id


class TestTheNextAssignedImage:
    def test_it_is_the_oldest_that_waits_for_this_reader(self, three: Store) -> None:
        three.assignments.to_readers(["1.2", "1.1"], ["a", "b"])

        assert (next_of(three, "a"), next_of(three, "b"), next_of(three, "c")) == (
            "1.1",
            "1.1",
            None,
        )

    def test_what_was_answered_or_passed_over_is_not_next(self, three: Store) -> None:
        three.assignments.to_readers(["1.0", "1.1", "1.2"], ["a", "b"])
        three.annotations.save(NewAnnotation(image_id="1.0", reader="a"), None)
        three.skips.add("1.1", "a", "skip", "later")

        assert (next_of(three, "a"), next_of(three, "b")) == ("1.2", "1.0")

    def test_what_another_holds_is_not_next_until_his_time_is_over(self, three: Store) -> None:
        three.assignments.to_readers(["1.0"], ["a", "b"])
        three.leases.take("1.0", "a", strategy="first", reason="", seconds=60, at=NOW)

        assert (next_of(three, "b"), next_of(three, "a")) == (None, "1.0")
        assert next_of(three, "b", NOW + timedelta(seconds=61)) == "1.0"

    def test_an_image_for_anybody_is_assigned_to_nobody(self, three: Store) -> None:
        three.assignments.to_any(["1.0"], 2)

        assert next_of(three, "a") is None


def test_answers_of_shared_images_alone_can_be_asked_for(three: Store) -> None:
    three.assignments.to_any(["1.0", "1.1"], 2)
    for image_id, reader in (("1.0", "a"), ("1.1", "a"), ("1.1", "b"), ("1.2", "b")):
        three.annotations.save(NewAnnotation(image_id=image_id, reader=reader), None)

    shared = three.annotations.answers(min_readers=2)

    assert [image.image_id for image, _ in shared] == ["1.1"]
    assert {annotation.reader for annotation in shared[0][1]} == {"a", "b"}
    assert len(three.annotations.answers()) == 3
