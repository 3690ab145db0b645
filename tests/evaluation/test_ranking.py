import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonoloop.errors import ScoreError
from sonoloop.evaluation.ranking import choose_operating_point

few = st.lists(st.tuples(st.booleans(), st.integers(0, 20)), min_size=1, max_size=40).filter(
    lambda cases: any(malignant for malignant, _ in cases)
)


def called(truth: np.ndarray, score: np.ndarray, threshold: float) -> float:
    return float((score[truth] >= threshold).mean())


@given(few, st.sampled_from([0.07, 0.5, 0.9, 0.95, 1.0]))
def test_the_operating_point_is_the_highest_that_finds_enough(
    cases: list[tuple[bool, int]], wanted: float
) -> None:
    truth = np.array([malignant for malignant, _ in cases])
    score = np.array([value for _, value in cases]) / 20

    threshold = choose_operating_point(truth, score, min_sensitivity=wanted)

    assert 0 <= threshold <= 1
    assert called(truth, score, threshold) >= wanted - 1e-9
    higher = score[score >= threshold]
    assert called(truth, score, float(higher.min()) + 1e-6) < wanted


def test_the_operating_point_lies_midway_to_the_next_lower_case() -> None:
    truth = np.array([True, True, False, False])

    assert choose_operating_point(truth, np.array([0.9, 0.6, 0.4, 0.1])) == pytest.approx(0.5)
    assert choose_operating_point(truth, np.array([0.9, 0.6, 0.7, 0.8])) == pytest.approx(0.3)


def test_a_tie_at_the_operating_point_is_called_whole() -> None:
    truth = np.array([True, True, True, False, False])
    score = np.array([0.9, 0.5, 0.5, 0.5, 0.2])

    threshold = choose_operating_point(truth, score, min_sensitivity=0.6)

    assert threshold == pytest.approx(0.35)


def test_scores_of_one_digit_apart_keep_their_sides() -> None:
    low = 0.5
    high = float(np.nextafter(low, 1))

    threshold = choose_operating_point(np.array([True, False]), np.array([high, low]))

    assert low < threshold <= high


@pytest.mark.parametrize(
    ("truth", "score", "wanted", "told"),
    [
        ([False, False], [0.1, 0.2], 0.95, "0 malignant of 2 cases"),
        ([True, False], [0.1], 0.95, "with 1 scores"),
        ([True, False], [0.1, np.nan], 0.95, "no probabilities"),
        ([True, False], [3.1, -2.0], 0.95, "apply softmax first"),
        ([True, False], [0.1, 0.2], 0.0, r"must be in \(0, 1\]"),
    ],
)
def test_an_operating_point_is_not_made_up(
    truth: list[bool], score: list[float], wanted: float, told: str
) -> None:
    with pytest.raises(ScoreError, match=told):
        choose_operating_point(np.array(truth), np.array(score), min_sensitivity=wanted)
