"""What strategies choose among."""

import numpy as np
import pytest

from sonoloop.active_learning.candidates import NOTHING, Candidates
from sonoloop.active_learning.families import Turns, in_turn, shuffled
from sonoloop.active_learning.registry import STRATEGIES, strategy
from sonoloop.errors import NotFoundError, ScoreError

FOUR = Candidates(
    image_ids=("a1", "a2", "b1", "c1"),
    families=("a", "a", "b", "c"),
    embeddings=np.eye(4, dtype=np.float32),
    scores={"entropy": np.array([0.4, 0.3, 0.2, 0.1])},
)


class TestCandidates:
    def test_one_image_cannot_come_twice(self) -> None:
        with pytest.raises(ScoreError, match="2 candidates, but 1 image ids"):
            Candidates(image_ids=("a", "a"), families=("f", "f"))

    def test_every_image_has_a_family(self) -> None:
        with pytest.raises(ScoreError, match="2 candidates, but 1 families"):
            Candidates(image_ids=("a", "b"), families=("f",))

    def test_scores_fit_the_images(self) -> None:
        with pytest.raises(ScoreError, match="1 candidates, but 2 values of 'entropy'"):
            Candidates(image_ids=("a",), families=("f",), scores={"entropy": np.zeros(2)})

    def test_a_score_that_is_no_number_is_refused_with_its_place(self) -> None:
        with pytest.raises(ScoreError, match="'entropy' of candidate 1 is not finite"):
            Candidates(
                image_ids=("a", "b"),
                families=("f", "g"),
                scores={"entropy": np.array([0.0, np.nan])},
            )

    def test_an_embedding_that_is_no_number_is_refused_with_its_place(self) -> None:
        with pytest.raises(ScoreError, match="'embeddings' of candidate 0 is not finite"):
            Candidates(
                image_ids=("a",), families=("f",), embeddings=np.full((1, 3), np.inf, np.float32)
            )

    def test_embeddings_are_rows(self) -> None:
        with pytest.raises(ScoreError, match=r"embeddings must be \(N, D\), got \(1,\)"):
            Candidates(image_ids=("a",), families=("f",), embeddings=np.zeros(1, np.float32))

    def test_a_missing_score_is_told_with_those_there_are(self) -> None:
        with pytest.raises(ScoreError, match="carry no score 'bald' but entropy"):
            FOUR.score("bald")

    def test_missing_embeddings_are_told(self) -> None:
        with pytest.raises(ScoreError, match="carry no embeddings"):
            NOTHING.features()

    def test_a_part_keeps_what_belongs_together(self) -> None:
        part = FOUR.take([3, 0])

        assert part.image_ids == ("c1", "a1")
        assert part.families == ("c", "a")
        assert part.score("entropy").tolist() == [0.1, 0.4]
        assert part.features().tolist() == [[0, 0, 0, 1], [1, 0, 0, 0]]

    def test_images_can_be_joined(self) -> None:
        more = Candidates(
            image_ids=("d1",),
            families=("d",),
            embeddings=np.zeros((1, 4), np.float32),
            scores={"entropy": np.array([0.5]), "bald": np.array([0.5])},
        )

        joined = FOUR.joined(more)

        assert joined.image_ids == (*FOUR.image_ids, "d1")
        assert joined.families[-1] == "d"
        assert joined.features().shape == (5, 4)
        assert {n: v.tolist() for n, v in joined.scores.items()} == {
            "entropy": [0.4, 0.3, 0.2, 0.1, 0.5]
        }
        assert FOUR.joined(NOTHING) is NOTHING.joined(FOUR) is FOUR

    def test_embeddings_of_two_models_are_not_joined(self) -> None:
        other = Candidates(
            image_ids=("d1",), families=("d",), embeddings=np.zeros((1, 3), np.float32)
        )

        with pytest.raises(ScoreError, match="of 4 and of 3 values cannot be joined"):
            FOUR.joined(other)


class TestFamilies:
    def test_a_second_image_of_a_family_waits_for_the_first_of_every_other(self) -> None:
        order = in_turn(np.arange(4), FOUR, NOTHING, count=4)

        assert order.tolist() == [0, 2, 3, 1]

    def test_a_labelled_family_waits_for_those_without_a_label(self) -> None:
        labelled = Candidates(image_ids=("b0",), families=("b",))

        order = in_turn(np.arange(4), FOUR, labelled, count=4)

        assert order.tolist() == [0, 3, 2, 1]

    @pytest.mark.parametrize("seed", range(5))
    def test_taking_turns_one_by_one_is_the_same_as_at_once(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        families = tuple(f"f{n}" for n in rng.integers(0, 8, 30))
        pool = Candidates(image_ids=tuple(f"i{n}" for n in range(30)), families=families)
        labelled = Candidates(image_ids=("x", "y"), families=("f1", "f5"))
        order = rng.permutation(30)
        turns, rank = Turns(pool, labelled), np.argsort(order)

        one_by_one = []
        while (allowed := turns.open()).size:
            one_by_one.append(int(allowed[np.argmin(rank[allowed])]))
            turns.take(one_by_one[-1])

        assert one_by_one == in_turn(order, pool, labelled, count=30).tolist()

    def test_equal_values_come_in_an_order_of_the_seed(self) -> None:
        values = np.array([1.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0])

        first, again, other = (shuffled(values, seed=seed).tolist() for seed in (0, 0, 1))

        assert first[0] == other[0] == 1
        assert first == again
        assert first != other


def test_every_strategy_is_known_by_its_own_name() -> None:
    assert all(strategy(name).name == name for name in STRATEGIES)


def test_a_misspelt_strategy_is_told_with_the_one_that_was_meant() -> None:
    with pytest.raises(NotFoundError, match=r"unknown strategy 'randon'.*did you mean 'random'"):
        strategy("randon")


def test_an_unknown_strategy_is_told_with_those_there_are() -> None:
    with pytest.raises(NotFoundError, match=r"unknown strategy 'xyz' \(one of random"):
        strategy("xyz")
