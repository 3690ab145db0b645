"""Scores against sums done by hand."""

import numpy as np
import numpy.typing as npt
import pytest

from sonoloop.active_learning.candidates import SCORE_NAMES
from sonoloop.active_learning.scores import (
    bald_score,
    binary_entropy,
    entropy_score,
    image_scores,
    lesion_region,
    lesion_share,
    margin_score,
)
from sonoloop.errors import ScoreError


def maps(*members: list[list[float]]) -> npt.NDArray[np.float32]:
    return np.array(members, dtype=np.float32)


class TestEntropy:
    def test_of_a_coin_is_one_bit_and_of_certainty_none(self) -> None:
        assert binary_entropy(np.array([0.5, 0.0, 1.0])).tolist() == [1.0, 0.0, 0.0]

    def test_of_a_quarter_is_as_computed_by_hand(self) -> None:
        by_hand = 0.25 * 2 + 0.75 * 0.4150374992788438  # bits: log2(4), log2(4 / 3)

        assert binary_entropy(np.array([0.25])) == pytest.approx(by_hand)

    def test_counts_the_lesion_and_its_border_only(self) -> None:
        score = entropy_score(maps([[0.5, 1.0], [0.05, 0.0]]))

        assert score == pytest.approx((1.0 + 0.0) / 2)  # 0.05 lies outside

    def test_is_that_of_the_members_mean(self) -> None:
        assert entropy_score(maps([[1.0]], [[0.0]])) == 1.0

    def test_of_an_image_without_a_mark_is_that_of_its_likeliest_pixel(self) -> None:
        score = entropy_score(maps([[0.02, 0.04], [0.0, 0.0]]))

        assert score == pytest.approx(float(binary_entropy(np.array([0.04]))[0]), rel=1e-5)

    def test_of_a_black_map_is_none(self) -> None:
        assert entropy_score(np.zeros((2, 4, 4), np.float32)) == 0.0


class TestBald:
    def test_is_one_bit_when_two_members_contradict_each_other(self) -> None:
        assert bald_score(maps([[1.0]], [[0.0]])) == 1.0

    def test_is_none_when_members_agree_to_be_undecided(self) -> None:
        assert bald_score(maps([[0.5]], [[0.5]])) == 0.0

    def test_is_the_entropy_of_the_mean_less_the_mean_entropy(self) -> None:
        by_hand = 1.0 - 0.8112781244591328  # h(1/2) - (h(1/4) + h(3/4)) / 2

        assert bald_score(maps([[0.25]], [[0.75]])) == pytest.approx(by_hand)

    def test_of_one_member_is_none(self) -> None:
        assert bald_score(maps([[0.3, 0.6]])) == 0.0


class TestMargin:
    def test_is_one_less_the_lead(self) -> None:
        assert margin_score(np.array([0.2, 0.5, 0.3])) == pytest.approx(0.8)

    def test_needs_two_classes(self) -> None:
        with pytest.raises(ScoreError, match=r"two classes or more, got shape \(1,\)"):
            margin_score(np.array([1.0]))


def test_the_region_is_what_is_likely_enough() -> None:
    region = lesion_region(np.array([[0.05, 0.1], [0.9, 0.0]]))

    assert region.tolist() == [[False, True], [True, False]]


def test_the_lesion_share_is_that_of_the_mean_map() -> None:
    assert lesion_share(maps([[1.0, 0.6]], [[0.0, 0.6]]), threshold=0.6) == 0.5


def test_every_score_has_its_name() -> None:
    scores = image_scores(maps([[0.9, 0.1]]), np.array([0.1, 0.2, 0.7]))

    assert tuple(scores) == SCORE_NAMES
    assert scores["predicted_class"] == 2.0


def test_members_without_pixels_are_refused() -> None:
    with pytest.raises(ScoreError, match=r"members must be \(M, H, W\) and not empty"):
        entropy_score(np.zeros((2, 2), np.float32))


def test_logits_are_told_from_probabilities() -> None:
    with pytest.raises(ScoreError, match=r"values in \[-3, 2\], no probabilities"):
        bald_score(maps([[-3.0, 2.0]]))
