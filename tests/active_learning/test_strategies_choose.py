"""What is particular to each strategy, on images made so that the right answer is known."""

from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from sonoloop.active_learning.auto import Auto
from sonoloop.active_learning.candidates import NOTHING, Candidates, Proposal
from sonoloop.active_learning.k_centre import KCentre
from sonoloop.active_learning.power_noise import PowerNoise, beta, interleaved
from sonoloop.active_learning.random_choice import Random
from sonoloop.active_learning.registry import STRATEGIES
from sonoloop.active_learning.stochastic_batches import StochasticBatches
from sonoloop.active_learning.strata import size_limits, stratum_name
from sonoloop.active_learning.stratified import Stratified
from sonoloop.active_learning.typiclust import TypiClust, typicality
from sonoloop.active_learning.uncertainty import (
    BALD_FIRST,
    ENTROPY_FIRST,
    MARGIN_FIRST,
    MostUncertain,
)
from sonoloop.errors import ScoreError


def images(
    count: int, *, prefix: str = "i", rows: npt.ArrayLike | None = None, **scores: npt.ArrayLike
) -> Candidates:
    return Candidates(
        image_ids=tuple(f"{prefix}{n}" for n in range(count)),
        families=tuple(f"{prefix}f{n}" for n in range(count)),
        embeddings=None if rows is None else np.asarray(rows, dtype=np.float32),
        scores={name: np.asarray(values, dtype=np.float64) for name, values in scores.items()},
    )


def ids(chosen: list[Proposal]) -> list[str]:
    return [proposal.image_id for proposal in chosen]


@pytest.mark.parametrize("strategy", [ENTROPY_FIRST, BALD_FIRST, MARGIN_FIRST])
def test_the_most_uncertain_image_is_first_and_says_how_it_compares(
    strategy: MostUncertain,
) -> None:
    scores: dict[str, Any] = {strategy.score: [0.1, 0.4, 0.2, 0.3]}
    pool = images(4, **scores)

    chosen = strategy.propose(pool, NOTHING, count=2, seed=0)

    assert ids(chosen) == ["i1", "i3"]
    assert "0.40" in chosen[0].reason
    assert "more than in 75% of the images" in chosen[0].reason


def test_random_choice_reaches_every_image_alike() -> None:
    pool = images(10)

    firsts = Counter(
        Random().propose(pool, NOTHING, count=1, seed=seed)[0].image_id for seed in range(1000)
    )

    assert len(firsts) == 10
    assert all(60 < times < 140 for times in firsts.values())  # 100 expected, 4 deviations


class TestStratified:
    def test_a_rare_class_gets_as_many_as_a_common_one(self) -> None:
        classes = [2] * 4 + [1] * 96
        pool = images(100, lesion_share=np.full(100, 0.1), predicted_class=classes)

        chosen = Stratified().propose(pool, NOTHING, count=8, seed=0)

        assert Counter(classes[int(name[1:])] for name in ids(chosen)) == {1: 4, 2: 4}

    def test_what_is_labelled_counts(self) -> None:
        pool = images(20, lesion_share=np.full(20, 0.1), predicted_class=[1, 2] * 10)
        labelled = images(
            3, prefix="l", lesion_share=[0.1, 0.1, 0.1], predicted_class=[1.0, 1.0, 1.0]
        )

        chosen = Stratified().propose(pool, labelled, count=3, seed=0)

        assert all(int(name[1:]) % 2 == 1 for name in ids(chosen))
        assert "called malignant, of which 0 were chosen so far" in chosen[0].reason

    def test_sizes_are_thirds_of_the_images_with_a_lesion(self) -> None:
        limits = size_limits(np.array([0.0, 0.0, 0.1, 0.2, 0.3, 0.4]))

        assert limits.tolist() == pytest.approx([0.2, 0.3])

    def test_small_and_large_lesions_come_alike(self) -> None:
        shares = np.concatenate([np.zeros(10), np.linspace(0.01, 0.3, 90)])
        pool = images(100, lesion_share=shares, predicted_class=np.ones(100))

        chosen = Stratified().propose(pool, NOTHING, count=40, seed=0)

        kinds = Counter(proposal.reason.partition(" of which")[0] for proposal in chosen)
        assert sorted(kinds.values()) == [10, 10, 10, 10]

    def test_a_class_without_a_name_keeps_its_number(self) -> None:
        assert stratum_name(4 * 7) == "images with no lesion called class 7"


class TestPowerNoise:
    def test_noise_fades_with_labels(self) -> None:
        pool = images(50, entropy=np.linspace(0.01, 0.9, 50), predicted_class=np.zeros(50))
        few, many = images(0, prefix="l"), images(400, prefix="l")

        early = [PowerNoise().propose(pool, few, count=5, seed=seed) for seed in range(20)]
        late = [PowerNoise().propose(pool, many, count=5, seed=seed) for seed in range(20)]

        def best_met(batches: list[list[Proposal]]) -> int:
            top = {f"i{n}" for n in range(45, 50)}
            return sum(len(top & set(ids(batch))) for batch in batches)

        assert beta(0) == 1
        assert beta(400) == 64
        assert best_met(early) < 50 < best_met(late)

    def test_two_thirds_are_shared_by_the_classes(self) -> None:
        entropy = np.concatenate([np.full(90, 0.9), np.full(10, 0.01)])
        classes = [1] * 90 + [2] * 10
        pool = images(100, entropy=entropy, predicted_class=classes)

        chosen = PowerNoise().propose(pool, images(400, prefix="l"), count=12, seed=0)

        assert Counter(classes[int(name[1:])] for name in ids(chosen)) == {1: 8, 2: 4}

    def test_a_class_that_has_run_out_is_passed_over(self) -> None:
        order = interleaved(
            np.array([0.0, 1.0, 2.0, 3.0]), np.array([0, 1, 1, 1]), np.random.default_rng(0)
        )

        assert sorted(order.tolist()) == [0, 1, 2, 3]
        assert order.tolist().index(0) <= 1  # its class took the first or the second turn

    def test_an_image_without_doubt_is_no_obstacle(self) -> None:
        chosen = PowerNoise().propose(
            images(3, entropy=np.zeros(3), predicted_class=np.zeros(3)), NOTHING, count=3, seed=0
        )

        assert len(chosen) == 3


def test_the_best_of_random_batches_is_better_than_a_random_one() -> None:
    entropy = np.random.default_rng(0).random(200)
    pool = images(200, entropy=entropy)

    means = [
        np.mean([p.score for p in StochasticBatches().propose(pool, NOTHING, count=5, seed=seed)])
        for seed in range(10)
    ]

    # The best of 100 means of five lies 2.5 deviations of such a mean above the expected 0.5.
    assert 0.7 < np.mean(means) < 0.95


class TestTypiClust:
    def test_one_typical_image_of_each_group(self) -> None:
        rng = np.random.default_rng(0)
        centres = np.eye(3, 8) * 10
        rows = np.concatenate(
            [
                centre + rng.normal(size=(n, 8))
                for centre, n in zip(centres, (30, 20, 10), strict=True)
            ]
        )

        chosen = TypiClust().propose(images(60, rows=rows), NOTHING, count=3, seed=0)

        groups = [
            int(np.searchsorted((30, 50, 60), int(name[1:]), side="right")) for name in ids(chosen)
        ]
        assert groups == [0, 1, 2]  # the largest first
        assert "group of 30 similar images, none of them labelled" in chosen[0].reason

    def test_a_group_with_a_label_waits(self) -> None:
        rng = np.random.default_rng(0)
        rows = np.repeat(np.eye(2, 4) * 10, (30, 10), axis=0) + rng.normal(size=(40, 4)) * 0.1
        labelled = images(1, prefix="l", rows=[[10.0, 0, 0, 0]])

        chosen = TypiClust().propose(images(40, rows=rows), labelled, count=1, seed=0)

        assert int(chosen[0].image_id[1:]) >= 30

    def test_the_centre_of_a_group_is_more_typical_than_its_edge(self) -> None:
        rows = np.array([[0.0], [0.1], [0.2], [5.0]], np.float32)

        typical = typicality(rows, np.zeros(4, np.int64))

        assert int(np.argmax(typical)) == 1
        assert typical[1] == pytest.approx(3 / (0.1 + 0.1 + 4.9), rel=1e-4)

    def test_an_image_alone_is_not_typical(self) -> None:
        assert typicality(np.zeros((1, 2), np.float32), np.zeros(1, np.int64)).tolist() == [0.0]


class TestKCentre:
    def test_the_farthest_image_is_next(self) -> None:
        rows = [[1, 0.1], [1, 0.0], [-1, 0.0], [0, 1.0]]
        labelled = images(1, prefix="l", rows=[[1.0, 0.0]])

        chosen = KCentre().propose(images(4, rows=rows), labelled, count=4, seed=0)

        assert ids(chosen)[0] == "i2"
        assert set(ids(chosen)[:2]) == {"i2", "i3"}
        assert [p.score for p in chosen] == sorted((p.score for p in chosen), reverse=True)

    def test_embeddings_of_two_models_do_not_mix(self) -> None:
        with pytest.raises(ScoreError, match="have 2 values, those of labelled images 3"):
            KCentre().propose(
                images(1, rows=[[1, 0]]),
                images(1, prefix="l", rows=[[1, 0, 0]]),
                count=1,
                seed=0,
            )


class TestAuto:
    def auto(self) -> Auto:
        return Auto(cold=Random(), later=ENTROPY_FIRST, cold_labels=3)

    def test_begins_with_the_cold_start(self) -> None:
        chosen = self.auto().propose(images(5), images(2, prefix="l"), count=1, seed=0)

        assert chosen[0].reason.endswith("(cold start: the first 3 labels).")

    def test_goes_on_with_the_other(self) -> None:
        pool = images(3, entropy=[0.1, 0.3, 0.2])

        chosen = self.auto().propose(pool, images(3, prefix="l"), count=3, seed=0)

        assert ids(chosen) == ["i1", "i2", "i0"]

    def test_needs_what_both_need(self) -> None:
        assert Auto(cold=KCentre(), later=ENTROPY_FIRST).needs == ("embeddings", "entropy")


def test_the_example_of_the_documentation_answers_as_it_says() -> None:
    pool = Candidates(
        image_ids=("a", "b", "c"),
        families=("p1", "p1", "p2"),
        scores={"entropy": np.array([0.6, 0.5, 0.1])},
    )

    assert ids(STRATEGIES["entropy"].propose(pool, NOTHING, count=2, seed=0)) == ["a", "c"]
