from collections.abc import Callable

import numpy as np
import pytest
from scipy.special import softmax

from sonoloop.errors import ScoreError
from sonoloop.evaluation.birads import suspicion
from sonoloop.evaluation.cases import Case
from sonoloop.evaluation.diagnosis import (
    by_image,
    by_patient,
    classification_figures,
    reader_figures,
    unscaled,
)
from sonoloop.labels import Pathology

MakeCase = Callable[..., Case]


def test_categories_are_ordered_by_suspicion() -> None:
    ordered = ["1", "2", "3", "4A", "4B", "4C", "5"]

    ranks = [suspicion(category) for category in ordered]

    assert ranks == sorted(set(ranks), key=lambda rank: rank or 0)
    assert suspicion("4") == suspicion("4B")
    assert suspicion("0") is suspicion("6") is suspicion(None) is None


def test_a_patient_takes_the_mean_score_and_the_most_suspicious_category(
    make_case: MakeCase,
) -> None:
    cases = [
        make_case(malignant=0.2, birads="4A"),
        make_case(malignant=0.6, birads="3", pathology=Pathology.MALIGNANT),
        make_case(malignant=0.9, birads=None, patient="b"),
    ]

    patients = by_patient(by_image(cases))

    assert patients.patients == ("a", "b")
    assert patients.truth.tolist() == [True, False]
    assert patients.model == pytest.approx([0.4, 0.9])
    assert patients.reader == pytest.approx([4.0, np.nan], nan_ok=True)


def test_a_probability_that_is_not_finite_is_refused(make_case: MakeCase) -> None:
    with pytest.raises(ScoreError, match=r"1 of 2 probabilities .* not finite"):
        classification_figures([make_case(malignant=np.nan), make_case()], threshold=0.5)


def test_a_patient_is_called_by_the_mean_of_their_images(make_case: MakeCase) -> None:
    malignant = {"pathology": Pathology.MALIGNANT}
    cases = [
        make_case(patient="a", malignant=0.9, **malignant),
        make_case(patient="a", malignant=0.3, **malignant),
        make_case(patient="b", malignant=0.45),
        make_case(patient="b", malignant=0.65),
    ]

    figures = classification_figures(cases, threshold=0.58, resamples=20)

    assert figures["sensitivity"]["value"] == pytest.approx(0.5)
    assert figures["specificity"]["value"] == pytest.approx(0.5)
    assert figures["sensitivity_patient"]["value"] == 1.0
    assert figures["specificity_patient"]["value"] == 1.0


def test_the_reader_calls_at_4a_and_above(make_case: MakeCase) -> None:
    malignant = {"pathology": Pathology.MALIGNANT}
    cases = [
        make_case(patient="a", birads="5", **malignant),
        make_case(patient="b", birads="3", **malignant),
        make_case(patient="c", birads="4A"),
        make_case(patient="d", birads="4"),
        make_case(patient="e", birads="3"),
        make_case(patient="f", birads="2"),
    ]

    reader = reader_figures(cases, threshold=0.5, resamples=20)["patient"]["reader"]

    assert reader["sensitivity"]["value"] == pytest.approx(1 / 2)
    assert reader["specificity"]["value"] == pytest.approx(2 / 4)
    assert reader["auc"]["value"] == pytest.approx((4 + 1.5) / 8)


def test_readers_and_model_are_compared_on_the_same_cases(many_cases: list[Case]) -> None:
    unread = [case for case in many_cases if case.birads is None]

    figures = reader_figures(many_cases, threshold=0.5, resamples=200)

    assert figures["n_without_assessment"] == len(unread) == 1
    assert figures["n_images"] + 1 == len(many_cases)
    for unit in (figures["image"], figures["patient"]):
        auc = unit["model"]["auc"]["value"] - unit["reader"]["auc"]["value"]
        assert unit["difference"]["auc"]["value"] == pytest.approx(auc)


def test_a_paired_difference_is_surer_than_two_intervals(make_case: MakeCase) -> None:
    rng = np.random.default_rng(4)
    cases = []
    for index in range(80):
        hard = float(rng.random())
        cases.append(
            make_case(
                patient=str(index),
                malignant=hard,
                birads="5" if hard > 0.6 else "4" if hard > 0.3 else "2",
                pathology=Pathology.MALIGNANT if rng.random() < hard else Pathology.BENIGN,
            )
        )

    figures = reader_figures(cases, threshold=0.5, resamples=300)["patient"]

    def width(side: str) -> float:
        low, high = figures[side]["auc"]["ci95"]
        return float(high - low)

    assert width("difference") < 0.7 * max(width("reader"), width("model"))


def test_without_readers_there_are_no_figures_of_readers(make_case: MakeCase) -> None:
    figures = reader_figures([make_case(), make_case(birads="6")], threshold=0.5)

    assert figures["n_images"] == 0
    assert figures["n_without_assessment"] == 2
    assert figures["patient"]["reader"]["auc"] == {"value": None, "ci95": None}


def test_scaling_is_undone(make_case: MakeCase) -> None:
    logits = np.array([0.3, -1.2, 2.5])
    normal, benign, malignant = softmax(logits / 1.8)

    before = unscaled([make_case(normal=normal, benign=benign, malignant=malignant)], 1.8)[0]

    assert [before.normal, before.benign, before.malignant] == pytest.approx(softmax(logits))


def test_an_absent_class_stays_absent_without_scaling(make_case: MakeCase) -> None:
    before = unscaled([make_case(normal=0.0, benign=0.1, malignant=0.9)], 2.0)[0]

    assert before.normal == 0
    assert before.malignant == pytest.approx(0.81 / 0.82)
