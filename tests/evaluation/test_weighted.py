from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from sonoloop.evaluation import weighted
from sonoloop.evaluation.weighted import Statistic

rng = np.random.default_rng(11)
TRUTH = rng.random(80) < 0.4
SCORE = np.round(np.clip(rng.normal(0.4 + 0.2 * TRUTH, 0.25), 0, 1), 1)  # with many ties
CALLED = SCORE >= 0.5
TIMES = rng.integers(0, 4, (3, 80))
"""Three resamples: how often each case was drawn."""

Theirs = Callable[[np.ndarray, np.ndarray, np.ndarray], float]

AGAINST_SKLEARN: dict[str, tuple[Statistic, Theirs]] = {
    "auc": (
        weighted.auc(TRUTH, SCORE),
        lambda t, s, w: metrics.roc_auc_score(t, s, sample_weight=w),
    ),
    "brier": (
        weighted.mean((SCORE - TRUTH) ** 2),
        lambda t, s, w: metrics.brier_score_loss(t, s, sample_weight=w),
    ),
    "accuracy": (
        weighted.share(CALLED == TRUTH, np.ones(80, bool)),
        lambda t, s, w: metrics.accuracy_score(t, s >= 0.5, sample_weight=w),
    ),
    "sensitivity": (
        weighted.share(CALLED, TRUTH),
        lambda t, s, w: metrics.recall_score(t, s >= 0.5, sample_weight=w),
    ),
    "specificity": (
        weighted.share(~CALLED, ~TRUTH),
        lambda t, s, w: metrics.recall_score(~t, s < 0.5, sample_weight=w),
    ),
    "precision": (
        weighted.share(TRUTH, CALLED),
        lambda t, s, w: metrics.precision_score(t, s >= 0.5, sample_weight=w),
    ),
    "f1": (
        weighted.f1(CALLED, TRUTH),
        lambda t, s, w: metrics.f1_score(t, s >= 0.5, sample_weight=w),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", AGAINST_SKLEARN)
def test_a_weighted_statistic_is_that_of_scikit_learn(name: str) -> None:
    ours, theirs = AGAINST_SKLEARN[name]

    values = ours(TIMES.astype(float))

    assert values == pytest.approx([theirs(TRUTH, SCORE, weights) for weights in TIMES])


@pytest.mark.parametrize(
    "make",
    [
        lambda truth, score: weighted.auc(truth, score),
        lambda truth, score: weighted.calibration_error(truth, score),
        lambda truth, score: weighted.kept_mean(score, truth, coverage=0.7),
    ],
    ids=["auc", "calibration error", "kept mean"],
)
@given(times=st.lists(st.integers(0, 3), min_size=80, max_size=80).filter(any))
def test_a_weight_of_two_is_a_case_that_stands_there_twice(make: object, times: list[int]) -> None:
    assert callable(make)
    repeated = np.repeat(np.arange(80), times)
    statistic: Statistic = make(TRUTH, SCORE)
    of_repeated: Statistic = make(TRUTH[repeated], SCORE[repeated])

    value = statistic(np.array([times], dtype=float))[0]

    assert value == pytest.approx(of_repeated(np.ones((1, len(repeated))))[0], nan_ok=True)


def test_an_auc_of_one_class_is_none() -> None:
    values = weighted.auc(TRUTH, SCORE)(np.array([TRUTH, ~TRUTH], dtype=float))

    assert np.isnan(values).all()


def test_precision_without_calls_is_none_and_f1_is_zero() -> None:
    nobody = np.zeros(80, dtype=bool)
    everyone = np.ones((1, 80))

    assert np.isnan(weighted.share(TRUTH, nobody)(everyone)).all()
    assert weighted.f1(nobody, TRUTH)(everyone)[0] == 0


def test_roc_curves_pass_through_the_points_of_scikit_learn() -> None:
    false, found, _ = metrics.roc_curve(TRUTH, SCORE, drop_intermediate=False)
    inner = np.flatnonzero(np.diff(false, append=2) > 0)  # the upper end of vertical steps

    curve = weighted.roc_curves(TRUTH, SCORE, np.ones((1, 80)), at=false[inner])

    assert curve[0] == pytest.approx(found[inner])


def test_roc_curves_of_one_class_are_none() -> None:
    curve = weighted.roc_curves(TRUTH, SCORE, TRUTH[None].astype(float), at=np.array([0.0, 1.0]))

    assert np.isnan(curve).all()


def test_calibration_error_by_hand() -> None:
    truth = np.array([True, False, True, True])
    stated = np.array([0.02, 0.04, 0.95, 1.0])  # two bins of fifteen: gaps 0.94 and 0.05 summed

    error = weighted.calibration_error(truth, stated)(np.ones((1, 4)))[0]

    assert error == pytest.approx((abs(1 - 0.06) + abs(2 - 1.95)) / 4)


def test_the_most_doubtful_are_set_aside_first() -> None:
    doubt = np.array([0.9, 0.1, 0.5, 0.3])
    values = np.array([0.0, 1.0, 0.5, 0.9])
    everyone = np.ones((1, 4))

    kept = {c: weighted.kept_mean(doubt, values, coverage=c)(everyone)[0] for c in (1, 0.75, 0.5)}

    assert kept == pytest.approx({1: 0.6, 0.75: 0.8, 0.5: 0.95})


def test_cases_of_equal_doubt_are_kept_in_part_whatever_their_order() -> None:
    values = np.array([1.0, 0.0, 1.0, 0.0])

    for order in ([0, 1, 2, 3], [1, 3, 0, 2]):
        kept = weighted.kept_mean(np.full(4, 0.5), values[order], coverage=0.5)(np.ones((1, 4)))
        assert kept[0] == pytest.approx(0.5)


def test_a_difference_is_taken_resample_by_resample() -> None:
    first, second = weighted.mean(SCORE), weighted.mean(TRUTH)
    weights = TIMES.astype(float)

    paired = weighted.difference(first, second)(weights)

    assert paired == pytest.approx(first(weights) - second(weights))
