"""Who works on which image; of several who ask at once, one gets it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from sonoloop.errors import InvalidRequestError, NotFoundError
from sonoloop.records import ImageRecord, Lease
from sonoloop.store import NewAnnotation, Store

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def two(store: Store, make_record: Callable[..., ImageRecord]) -> Store:
    """A store with the images 1.1 and 1.2."""
    store.images.upsert_many([make_record("1.1"), make_record("1.2")])
    return store


def take(store: Store, reader: str, image_id: str = "1.1", *, after_s: float = 0) -> Lease | None:
    return store.leases.take(
        image_id,
        reader,
        strategy="random",
        reason="any image will do",
        seconds=60,
        at=NOON + timedelta(seconds=after_s),
    )


def offered(store: Store, reader: str | None, *, after_s: float = 0) -> str | None:
    image = store.images.next_unlabelled(reader=reader, at=NOON + timedelta(seconds=after_s))
    return None if image is None else image.image_id


class TestTaking:
    def test_a_lease_tells_who_why_and_until_when(self, two: Store) -> None:
        lease = take(two, "a")

        assert lease == Lease(
            image_id="1.1",
            reader="a",
            strategy="random",
            reason="any image will do",
            taken_at=NOON,
            expires_at=NOON + timedelta(seconds=60),
        )
        assert two.leases.active(at=NOON) == [lease]

    def test_another_reader_gets_none_until_it_lapses(self, two: Store) -> None:
        take(two, "a")

        assert take(two, "b", after_s=59.9) is None
        lease = take(two, "b", after_s=60)
        assert lease is not None
        assert [held.reader for held in two.leases.active(at=NOON)] == ["b"]

    def test_its_holder_may_take_it_again_and_keeps_it_longer(self, two: Store) -> None:
        take(two, "a")

        take(two, "a", after_s=50)

        assert take(two, "b", after_s=70) is None
        assert len(two.leases.active(at=NOON)) == 1

    def test_it_is_given_back_by_its_holder_only(self, two: Store) -> None:
        take(two, "a")

        assert [two.leases.release("1.1", reader) for reader in ("b", "a", "a")] == [
            False, True, False
        ]  # fmt: skip
        assert take(two, "b") is not None

    def test_what_a_reader_holds_is_listed_newest_first(self, two: Store) -> None:
        take(two, "a", "1.2")
        take(two, "a", "1.1", after_s=1)

        held = [lease.image_id for lease in two.leases.of("a", at=NOON)]

        assert held == ["1.1", "1.2"]
        assert two.leases.of("b", at=NOON) == []
        assert two.leases.of("a", at=NOON + timedelta(minutes=2)) == []

    def test_lapsed_leases_are_swept(self, two: Store) -> None:
        take(two, "a", "1.1")
        take(two, "a", "1.2", after_s=30)

        assert two.leases.sweep(at=NOON + timedelta(seconds=60)) == 1
        assert [held.image_id for held in two.leases.active(at=NOON)] == ["1.2"]

    @pytest.mark.parametrize(("reader", "seconds"), [("", 60), ("a", 0)])
    def test_nobody_and_never_are_refused(self, two: Store, reader: str, seconds: float) -> None:
        with pytest.raises(InvalidRequestError, match="a reader's name and a time above 0"):
            two.leases.take("1.1", reader, strategy="s", reason="r", seconds=seconds)

    def test_an_unknown_image_is_told(self, two: Store) -> None:
        with pytest.raises(NotFoundError, match=r"unknown image '9\.9'"):
            take(two, "a", "9.9")


class TestEnding:
    def test_a_submission_ends_it_and_a_draft_does_not(self, two: Store) -> None:
        take(two, "a")
        two.annotations.save(NewAnnotation(image_id="1.1", reader="a", state="draft"), None)
        after_draft = two.leases.active(at=NOON)
        two.annotations.save(NewAnnotation(image_id="1.1", reader="a"), None)

        assert [lease.reader for lease in after_draft] == ["a"]
        assert two.leases.active(at=NOON) == []

    def test_the_submission_of_another_leaves_it(self, two: Store) -> None:
        two.assignments.to_any(["1.1"], 2)
        take(two, "a")

        two.annotations.save(NewAnnotation(image_id="1.1", reader="b"), None)

        assert [lease.reader for lease in two.leases.active(at=NOON)] == ["a"]

    def test_a_skip_ends_it(self, two: Store) -> None:
        take(two, "a")

        two.skips.add("1.1", "a")

        assert two.leases.active(at=NOON) == []


class TestThePool:
    def test_leased_images_are_offered_to_nobody_else(self, two: Store) -> None:
        take(two, "a")

        assert [offered(two, reader) for reader in ("a", "b", None)] == ["1.1", "1.2", "1.2"]
        assert offered(two, "b", after_s=60) == "1.1"

    def test_answered_images_are_not_offered_again(self, two: Store) -> None:
        two.assignments.to_any(["1.1"], 2)
        two.annotations.save(NewAnnotation(image_id="1.1", reader="a"), None)

        assert [offered(two, reader) for reader in ("a", "b")] == ["1.2", "1.1"]

    def test_what_is_not_offered_cannot_be_taken(self, two: Store) -> None:
        two.annotations.save(NewAnnotation(image_id="1.1", reader="a"), None)
        two.skips.add("1.2", "b")

        assert take(two, "b", "1.1") is None
        assert take(two, "b", "1.2") is None
        assert take(two, "a", "1.2") is not None

    @pytest.mark.parametrize("seed", [None, 5])
    def test_when_others_hold_all_there_is_none(self, two: Store, seed: int | None) -> None:
        take(two, "a", "1.1")
        take(two, "a", "1.2")

        assert two.images.next_unlabelled(reader="b", seed=seed, at=NOON) is None


def test_of_many_who_ask_at_once_one_gets_it(two: Store) -> None:
    with ThreadPoolExecutor(8) as pool:
        leases = list(pool.map(lambda number: take(two, f"r{number}"), range(24)))

    assert len([lease for lease in leases if lease is not None]) == 1
