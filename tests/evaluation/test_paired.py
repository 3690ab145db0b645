"""Differences of two models, and how sure they are."""

import numpy as np
import pytest

from sonoloop.evaluation import weighted
from sonoloop.evaluation.bootstrap import Bootstrap
from sonoloop.evaluation.paired import compare, expanded_interval


def patients(count: int) -> list[str]:
    return [f"p{number}" for number in range(count)]


def test_the_interval_of_few_patients_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    trials, units = 600, 8
    plain = expanded = 0

    for trial in range(trials):
        values = rng.normal(0.0, 1.0, units)
        draw = Bootstrap(patients(units), seed=trial, resamples=1000)
        repeats = draw.repeats(weighted.mean(values))
        low, high = np.percentile(repeats, [2.5, 97.5])
        plain += low <= 0 <= high
        low, high = expanded_interval(repeats, units) or (np.nan, np.nan)
        expanded += low <= 0 <= high

    assert plain / trials < 0.91
    assert expanded / trials == pytest.approx(0.95, abs=0.025)


def test_for_many_patients_it_is_the_usual_interval() -> None:
    repeats = np.random.default_rng(0).normal(size=20_000)

    interval = expanded_interval(repeats, units=5000)

    assert interval == pytest.approx(np.percentile(repeats, [2.5, 97.5]), abs=0.02)


@pytest.mark.parametrize(("repeats", "units"), [([0.1, 0.2], 1), ([], 9), ([np.nan], 9)])
def test_without_units_or_values_there_is_no_interval(repeats: list[float], units: int) -> None:
    assert expanded_interval(np.array(repeats, dtype=np.float64), units) is None


def test_cases_are_paired() -> None:
    rng = np.random.default_rng(1)
    hard = rng.uniform(0.2, 0.9, 30)

    found = compare(
        "dice",
        weighted.mean(hard + 0.03),
        weighted.mean(hard),
        patients(30),
        margin=0.02,
    )

    assert found.difference == pytest.approx(0.03)
    assert found.ci95 == pytest.approx((0.03, 0.03))
    assert found.patients == 30
    assert found.is_within_margin
    assert not found.is_proven_worse


def test_of_a_score_that_is_better_when_small_the_sign_is_turned() -> None:
    found = compare(
        "brier",
        weighted.mean([0.4, 0.5, 0.4]),
        weighted.mean([0.1, 0.1, 0.1]),
        patients(3),
        margin=0.02,
        smaller_is_better=True,
    )

    assert found.difference == pytest.approx(-1 / 3)
    assert found.is_proven_worse


def test_images_of_one_patient_are_drawn_together() -> None:
    values = [1.0, 1.0, 1.0, 0.0]

    found = compare(
        "dice", weighted.mean(values), weighted.mean([0.5] * 4), ["a", "a", "a", "b"], margin=0
    )

    assert found.patients == 2
    assert found.ci95 == pytest.approx((-0.5, 0.5))


def test_what_neither_can_tell_has_no_difference() -> None:
    nothing = compare("dice", weighted.mean([]), weighted.mean([]), [], margin=0.02)
    alone = compare("dice", weighted.mean([0.5]), None, ["a"], margin=0.02)

    assert (nothing.difference, nothing.ci95, nothing.patients) == (None, None, 0)
    assert (alone.candidate, alone.serving, alone.difference) == (0.5, None, None)
    assert not nothing.is_within_margin
