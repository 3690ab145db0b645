import numpy as np
import pytest

from sonoloop.evaluation import bootstrap, weighted
from sonoloop.evaluation.bootstrap import Bootstrap

PATIENTS = ["a", "b", "a", "c", "b", "a"]


def test_every_resample_draws_as_many_patients_whole() -> None:
    weights = Bootstrap(PATIENTS, resamples=200).weights()

    assert weights.shape == (200, 6)
    assert (weights[:, 0] == weights[:, 2]).all()
    assert (weights[:, 1] == weights[:, 4]).all()
    assert (weights[:, 0] + weights[:, 1] + weights[:, 3] == 3).all()


def test_the_interval_of_a_mean_is_that_of_the_normal_approximation() -> None:
    values = np.random.default_rng(5).normal(10, 2, 400)

    figure = Bootstrap([str(i) for i in range(400)]).figure(weighted.mean(values))

    half = 1.96 * values.std() / np.sqrt(400)
    assert figure["value"] == pytest.approx(values.mean())
    assert figure["ci95"] == pytest.approx([values.mean() - half, values.mean() + half], abs=0.03)


def test_intervals_repeat_with_the_seed_and_differ_between_seeds() -> None:
    values = np.random.default_rng(2).random(40)
    patients = [str(index) for index in range(40)]

    first, again, other = (
        Bootstrap(patients, seed=seed).figure(weighted.mean(values))["ci95"] for seed in (0, 0, 7)
    )

    assert first == again
    assert first != other


def test_blocks_do_not_change_the_values(monkeypatch: pytest.MonkeyPatch) -> None:
    statistic = weighted.mean([0.1, 0.9, 0.4, 0.3, 0.8, 0.2])
    whole = Bootstrap(PATIENTS, resamples=50).repeats(statistic)

    monkeypatch.setattr(bootstrap, "BLOCK", 20)

    assert Bootstrap(PATIENTS, resamples=50).repeats(statistic) == pytest.approx(whole)


def test_one_patient_has_a_value_and_no_interval() -> None:
    figure = Bootstrap(["a", "a"]).figure(weighted.mean([0.5, 0.7]))

    assert figure == {"value": pytest.approx(0.6), "ci95": None}


def test_no_cases_give_no_figure() -> None:
    assert Bootstrap([]).figure(weighted.mean([])) == {"value": None, "ci95": None}


def test_resamples_that_give_nothing_are_left_out_of_the_interval() -> None:
    truth = np.array([True, False, False])

    figure = Bootstrap(["a", "b", "c"]).figure(weighted.auc(truth, np.array([0.9, 0.1, 0.2])))

    assert figure == {"value": 1.0, "ci95": [1.0, 1.0]}
