"""Several readers at one store: answers, revisions, assignments, reviews, skips."""

from collections.abc import Callable

import pytest

from sonoloop.errors import ConflictError, InvalidRequestError, NotFoundError, StaleRevisionError
from sonoloop.geometry import LabelMap
from sonoloop.labels import Pathology
from sonoloop.records import Annotation, ImageRecord
from sonoloop.store import NewAnnotation, Store


@pytest.fixture
def two(store: Store, make_record: Callable[..., ImageRecord]) -> Store:
    """A store with the images 1.1 and 1.2."""
    store.images.upsert_many([make_record("1.1"), make_record("1.2")])
    return store


def say(store: Store, reader: str, image_id: str = "1.1", **changes: object) -> Annotation:
    new = NewAnnotation(image_id=image_id, reader=reader, **changes)  # type: ignore[arg-type]
    return store.annotations.save(new, None)


def latest_revision(store: Store, image_id: str = "1.1") -> int | None:
    annotation = store.annotations.latest(image_id)
    return None if annotation is None else annotation.revision


class TestOptimisticConcurrency:
    def test_a_save_from_the_own_newest_revision_is_kept(self, two: Store) -> None:
        first = say(two, "a", base_revision=0)
        say(two, "b")

        second = say(two, "a", base_revision=first.revision)

        assert (second.revision, second.state, second.base_revision) == (3, "submitted", 1)
        assert two.annotations.newest_by_reader("1.1")["a"] == second

    def test_a_stale_save_is_told_and_both_versions_are_kept(
        self, two: Store, make_mask: Callable[..., LabelMap]
    ) -> None:
        current = say(two, "a", base_revision=0)
        late = NewAnnotation(image_id="1.1", reader="a", base_revision=0)

        with pytest.raises(StaleRevisionError, match=r"from revision 0 of 'a', whose newest is 1"):
            two.annotations.save(late, make_mask(5))

        kept = two.annotations.history("1.1")[1]
        assert (kept.state, kept.in_force) == ("conflicting", False)
        assert (two.annotations.mask(kept) == make_mask(5)).all()
        assert two.annotations.latest("1.1") == current

    def test_the_error_carries_both_versions(self, two: Store) -> None:
        current = say(two, "a")

        with pytest.raises(StaleRevisionError, match="look at both") as told:
            say(two, "a", base_revision=7)

        assert told.value.current == current
        assert told.value.kept == two.annotations.history("1.1")[1]

    def test_a_conflict_is_settled_by_a_save_from_the_newest(self, two: Store) -> None:
        current = say(two, "a")
        with pytest.raises(StaleRevisionError, match="kept as revision 2"):
            say(two, "a", base_revision=0)

        settled = say(two, "a", base_revision=current.revision)

        assert (settled.revision, latest_revision(two)) == (3, 3)

    def test_readers_do_not_make_one_another_stale(self, two: Store) -> None:
        say(two, "a", base_revision=0)

        assert say(two, "b", base_revision=0).state == "submitted"

    def test_a_save_that_undoes_an_unseen_withdrawal_is_stale(self, two: Store) -> None:
        seen = say(two, "a")
        two.annotations.withdraw("1.1", "final")

        with pytest.raises(StaleRevisionError, match="whose newest is 0") as told:
            say(two, "a", base_revision=seen.revision)

        assert told.value.current is None
        assert two.images.labelled_ids() == ()

    def test_a_client_that_does_not_tell_is_not_checked(self, two: Store) -> None:
        say(two, "a")

        assert say(two, "a").state == "submitted"

    def test_a_draft_is_a_version_to_build_on(self, two: Store) -> None:
        draft = say(two, "a", state="draft", base_revision=0)

        assert say(two, "a", base_revision=draft.revision).state == "submitted"


class TestDrafts:
    def test_a_draft_counts_for_nothing(self, two: Store) -> None:
        say(two, "a", state="draft")

        assert two.annotations.latest("1.1") is None
        assert two.annotations.newest_by_reader("1.1") == {}
        assert two.images.labelled_ids() == ()
        assert two.annotations.by_tag_counts() == {}

    def test_a_draft_after_a_submission_takes_nothing_back(self, two: Store) -> None:
        submitted = say(two, "a")
        say(two, "a", state="draft")

        assert two.annotations.latest("1.1") == submitted
        assert two.images.labelled_ids() == ("1.1",)


class TestAssignment:
    def test_an_image_is_labelled_when_enough_readers_have_answered(self, two: Store) -> None:
        two.assignments.to_any(["1.1"], 2)

        say(two, "a")
        once = two.images.get("1.1")
        say(two, "a")
        twice = two.images.get("1.1")
        say(two, "b")
        by_two = two.images.get("1.1")

        assert [(i.readers_done, i.labelled) for i in (once, twice, by_two)] == [
            (1, False), (1, False), (2, True)
        ]  # fmt: skip

    def test_the_progress_of_an_image_tells_who_has_answered(self, two: Store) -> None:
        two.assignments.to_any(["1.1"], 3)
        say(two, "b")
        two.skips.add("1.1", "a", "not_assessable", "only a shadow")
        two.skips.add("1.1", "c", "skip", "later")

        progress = two.assignments.progress("1.1")

        assert (progress.readers_wanted, progress.named) == (3, ())
        assert progress.answered == ("a", "b")
        assert (progress.adjudicated, progress.labelled) == (False, False)

    def test_more_readers_open_a_labelled_image_again_and_fewer_close_it(self, two: Store) -> None:
        say(two, "a")

        two.assignments.to_any(["1.1", "1.2"], 2)
        opened = two.images.labelled_ids()
        two.assignments.to_any(["1.1"], 1)

        assert (opened, two.images.labelled_ids()) == ((), ("1.1",))

    def test_an_image_may_be_kept_for_readers_by_name(self, two: Store) -> None:
        two.assignments.to_readers(["1.1"], ["b", "a"])

        offered = {r: two.images.next_unlabelled(reader=r) for r in ("a", "b", "c", None)}
        say(two, "c")
        say(two, "a")
        say(two, "b")

        assert {reader: image and image.image_id for reader, image in offered.items()} == {
            "a": "1.1", "b": "1.1", "c": "1.2", None: "1.2"
        }  # fmt: skip
        progress = two.assignments.progress("1.1")
        assert (progress.named, progress.answered) == (("a", "b"), ("a", "b"))
        assert progress.labelled

    def test_only_those_named_count(self, two: Store) -> None:
        two.assignments.to_readers(["1.1"], ["a", "b"])
        say(two, "c")
        say(two, "a")

        assert two.images.get("1.1").readers_done == 1

    def test_the_images_of_a_reader_by_name_are_listed(self, two: Store) -> None:
        two.assignments.to_readers(["1.2", "1.1"], ["a"])
        two.assignments.to_any(["1.1"], 1)

        assert two.assignments.of("a") == ["1.2"]

    def test_of_several_images_all_are_assigned_or_none(self, two: Store) -> None:
        with pytest.raises(NotFoundError, match=r"unknown image '9\.9'"):
            two.assignments.to_any(["1.1", "9.9"], 5)

        assert two.images.get("1.1").readers_wanted == 1

    def test_nobody_cannot_be_asked(self, two: Store) -> None:
        with pytest.raises(InvalidRequestError, match="at least 1 reader, got 0"):
            two.assignments.to_any(["1.1"], 0)
        with pytest.raises(InvalidRequestError, match="by their names"):
            two.assignments.to_readers(["1.1"], ["a", ""])


class TestWhatHolds:
    def test_an_adjudication_beats_what_was_accepted_and_that_what_was_submitted(
        self, two: Store
    ) -> None:
        two.assignments.to_any(["1.1"], 3)
        first = say(two, "a")
        by_submission = latest_revision(two)
        say(two, "b")
        by_newer_submission = latest_revision(two)
        two.reviews.accept(first.annotation_id, "chief")
        by_review = latest_revision(two)
        say(two, "chief", adjudicates=True)
        by_adjudication = latest_revision(two)
        say(two, "c")

        assert [by_submission, by_newer_submission, by_review, by_adjudication] == [1, 2, 1, 3]
        assert latest_revision(two) == 3

    def test_an_adjudication_labels_the_image_and_is_no_reading(self, two: Store) -> None:
        two.assignments.to_any(["1.1"], 3)
        reading = say(two, "a")
        say(two, "a", adjudicates=True, pathology=Pathology.BENIGN)

        image = two.images.get("1.1")
        assert (image.readers_done, image.labelled) == (1, True)
        assert two.annotations.newest_by_reader("1.1") == {"a": reading}
        assert two.assignments.progress("1.1").adjudicated

    def test_each_reader_has_his_own_newest_revision(self, two: Store) -> None:
        say(two, "a")
        b = say(two, "b")
        a = say(two, "a")

        assert two.annotations.newest_by_reader("1.1") == {"a": a, "b": b}

    def test_every_image_comes_with_what_holds_for_it(self, two: Store) -> None:
        say(two, "a")
        two.assignments.to_any(["1.2"], 2)
        refused, b = say(two, "a", "1.2"), say(two, "b", "1.2")
        settled = say(two, "chief", "1.2", adjudicates=True)
        two.reviews.reject(refused.annotation_id, "chief")

        answers = two.annotations.answers()

        assert [image.image_id for image, _ in answers] == ["1.1", "1.2"]
        assert [a.annotation_id for a in answers[1][1]] == [
            settled.annotation_id, b.annotation_id
        ]  # fmt: skip
        assert two.annotations.standing()["1.2"]["final"] == settled


class TestReviewing:
    def test_a_rejected_revision_counts_no_more_and_the_image_waits_again(self, two: Store) -> None:
        saved = say(two, "a")

        review = two.reviews.reject(saved.annotation_id, "chief", note="cut through the halo")

        assert (review.verdict, review.image_id) == ("reject", "1.1")
        assert two.annotations.latest("1.1") is None
        assert two.annotations.newest_by_reader("1.1")["a"].state == "rejected"
        assert two.images.labelled_ids() == ()
        again = two.images.next_unlabelled(reader="a")
        assert again is not None
        assert again.image_id == "1.1"

    def test_a_reader_may_answer_anew_after_a_rejection(self, two: Store) -> None:
        saved = say(two, "a")
        two.reviews.reject(saved.annotation_id, "chief")

        again = say(two, "a", base_revision=saved.revision)

        assert two.annotations.latest("1.1") == again
        assert two.images.labelled_ids() == ("1.1",)

    def test_every_verdict_is_kept(self, two: Store) -> None:
        saved = say(two, "a")
        two.reviews.accept(saved.annotation_id, "chief", note="good")
        two.reviews.reopen(saved.annotation_id, "other", note="look at the spicules")
        two.reviews.reject(saved.annotation_id, "other")

        history = two.reviews.history("1.1")

        assert [(r.reviewer, r.verdict, r.note) for r in history] == [
            ("chief", "accept", "good"),
            ("other", "reopen", "look at the spicules"),
            ("other", "reject", ""),
        ]
        assert all(r.created_at.tzinfo is not None for r in history)

    def test_what_was_accepted_holds_until_the_next_is_reviewed_too(self, two: Store) -> None:
        first = say(two, "a")
        two.reviews.accept(first.annotation_id, "chief")
        second = say(two, "a")
        before = latest_revision(two)
        two.reviews.accept(second.annotation_id, "chief")

        assert (before, latest_revision(two)) == (1, 2)

    def test_what_waits_for_a_verdict_is_listed(self, two: Store) -> None:
        accepted, waiting = say(two, "a"), say(two, "b")
        say(two, "c", state="draft")
        two.reviews.accept(accepted.annotation_id, "chief")

        assert two.reviews.waiting() == [waiting]
        assert two.reviews.waiting(limit=0) == []

    @pytest.mark.parametrize(
        ("state", "verdict", "told"),
        [
            ("draft", "accept", r"it is draft \(only submitted ones\)"),
            ("draft", "reject", r"it is draft \(only submitted ones\)"),
            ("submitted", "reopen", r"it is submitted \(only accepted or rejected ones\)"),
            ("accepted", "reject", r"it is accepted \(only submitted ones\)"),
        ],
    )
    def test_a_verdict_out_of_turn_is_refused(
        self, two: Store, state: str, verdict: str, told: str
    ) -> None:
        saved = say(two, "a", state=state)

        with pytest.raises(ConflictError, match=told):
            getattr(two.reviews, verdict)(saved.annotation_id, "chief")

        assert two.reviews.history("1.1") == []

    def test_a_revision_its_reader_has_replaced_is_not_reviewed(self, two: Store) -> None:
        old = say(two, "a")
        say(two, "a")

        with pytest.raises(ConflictError, match="answered anew since"):
            two.reviews.accept(old.annotation_id, "chief")

    def test_a_withdrawn_revision_is_not_reviewed(self, two: Store) -> None:
        saved = say(two, "a")
        two.annotations.withdraw("1.1", "final")

        with pytest.raises(ConflictError, match="it is withdrawn"):
            two.reviews.accept(saved.annotation_id, "chief")

    def test_a_reviewer_has_a_name_and_an_annotation_exists(self, two: Store) -> None:
        with pytest.raises(InvalidRequestError, match="needs the reviewer's name"):
            two.reviews.accept(1, "")
        with pytest.raises(NotFoundError, match="unknown annotation 99"):
            two.reviews.accept(99, "chief")


class TestSkipping:
    def test_a_skipped_image_goes_to_the_others(self, two: Store) -> None:
        skip = two.skips.add("1.1", "a", "skip", "not my field")

        offered = [two.images.next_unlabelled(reader=reader) for reader in ("a", "b")]

        assert [image and image.image_id for image in offered] == ["1.2", "1.1"]
        assert two.skips.history("1.1") == [skip]
        assert two.images.get("1.1").readers_done == 0

    def test_not_assessable_is_an_answer(self, two: Store) -> None:
        two.skips.add("1.1", "a", "not_assessable", "gel bubble")

        assert two.images.labelled_ids() == ("1.1",)
        assert two.annotations.latest("1.1") is None
        assert [s.reason for s in two.skips.standing("not_assessable")] == ["gel bubble"]
        assert two.skips.standing("skip") == []

    def test_it_overrules_what_the_reader_outlined_before(self, two: Store) -> None:
        say(two, "a")

        two.skips.add("1.1", "a", "not_assessable")

        assert two.annotations.latest("1.1") is None
        assert two.annotations.newest_by_reader("1.1") == {}
        assert two.images.get("1.1").readers_done == 1

    @pytest.mark.parametrize("kind", ["skip", "not_assessable"])
    def test_an_outline_that_follows_takes_it_back(self, two: Store, kind: str) -> None:
        two.skips.add("1.1", "a", kind)  # type: ignore[arg-type]

        say(two, "a")

        assert two.skips.standing() == []
        assert two.skips.history("1.1")[0].withdrawn_at is not None
        assert two.images.get("1.1").readers_done == 1

    def test_a_draft_takes_nothing_back(self, two: Store) -> None:
        two.skips.add("1.1", "a")

        say(two, "a", state="draft")

        assert len(two.skips.standing()) == 1

    def test_it_can_be_withdrawn(self, two: Store) -> None:
        two.skips.add("1.1", "a", "not_assessable")

        found = [two.skips.withdraw("1.1", "a") for _ in range(2)]

        assert found == [True, False]
        assert two.images.labelled_ids() == ()

    def test_a_reader_has_a_name(self, two: Store) -> None:
        with pytest.raises(InvalidRequestError, match="name of its reader"):
            two.skips.add("1.1", "")
