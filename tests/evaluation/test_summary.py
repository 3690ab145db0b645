import dataclasses
from pathlib import Path

import numpy as np
import pytest

from sonoloop.errors import ScoreError
from sonoloop.evaluation.cases import Case, evaluate_case
from sonoloop.evaluation.pictures import gallery, overlay
from sonoloop.evaluation.ranking import auc, expected_calibration_error, fit_temperature, macro_auc
from sonoloop.evaluation.summary import summarise
from sonoloop.geometry import Mask
from sonoloop.labels import Pathology
from sonoloop.records import Findings, LabelledImage


def case(
    patient: str,
    pathology: Pathology | None,
    *,
    malignant: float = 0.5,
    pred: Mask | None = None,
    truth: Mask | None = None,
) -> Case:
    empty = np.zeros((10, 10), dtype=bool)
    item = LabelledImage(
        image_id=f"{patient}-{malignant}",
        image_path=Path("x.png"),
        patient=patient,
        pathology=pathology,
    )
    probabilities = {
        Pathology.MALIGNANT: malignant,
        Pathology.BENIGN: 1 - malignant,
        Pathology.NORMAL: 0.0,
    }
    mask = empty if pred is None else pred
    findings = Findings(
        mask=mask,
        probability_map=mask.astype(np.float32),
        lesions=(),
        probabilities=probabilities,
        pathology=max(probabilities, key=lambda p: probabilities[p]),
        spacing_mm=None,
        models={},
        seconds=0.1,
    )
    return evaluate_case(item, truth, findings)


def square(top: int, side: int = 4) -> Mask:
    mask = np.zeros((10, 10), dtype=bool)
    mask[top : top + side, 2 : 2 + side] = True
    return mask


def few(cases: list[Case]) -> dict[str, dict[str, dict[str, float]]]:
    return summarise(cases, resamples=50)


def test_a_normal_image_is_a_detection_case_and_never_a_perfect_dice() -> None:
    nothing = np.zeros((10, 10), dtype=bool)

    figures = few(
        [
            case("a", Pathology.BENIGN, pred=square(2), truth=square(2)),
            case("b", Pathology.BENIGN, pred=square(6), truth=square(2)),
            case("c", Pathology.NORMAL, truth=nothing),
            case("d", Pathology.NORMAL, pred=square(1), truth=nothing),
        ]
    )

    assert figures["segmentation"]["dice"]["value"] == pytest.approx(0.5)
    assert figures["detection"]["sensitivity"]["value"] == pytest.approx(0.5)
    assert figures["detection"]["specificity"]["value"] == pytest.approx(0.5)


def test_the_operating_figures_are_those_of_the_confusion_table() -> None:
    malignant, benign = Pathology.MALIGNANT, Pathology.BENIGN
    scores = [(malignant, 0.9), (malignant, 0.8), (malignant, 0.3), (benign, 0.6), (benign, 0.1)]

    figures = few([case(str(i), p, malignant=s) for i, (p, s) in enumerate(scores)])

    told = {k: v["value"] for k, v in figures["classification"].items() if isinstance(v, dict)}
    assert told["sensitivity"] == pytest.approx(2 / 3)
    assert told["specificity"] == pytest.approx(1 / 2)
    assert told["precision"] == pytest.approx(2 / 3)
    assert told["accuracy"] == pytest.approx(3 / 5)
    assert told["auc_image"] == pytest.approx(5 / 6)


def test_a_patient_is_ranked_by_the_mean_of_their_images() -> None:
    cases = [
        case("a", Pathology.MALIGNANT, malignant=0.9),
        case("a", Pathology.MALIGNANT, malignant=0.2),
        case("b", Pathology.BENIGN, malignant=0.5),
    ]

    figures = few(cases)

    assert figures["classification"]["auc_patient"]["value"] == 1.0
    assert figures["classification"]["auc_image"]["value"] == 0.5


def test_intervals_are_wider_when_images_share_patients() -> None:
    rng = np.random.default_rng(0)
    apart, shared, value = [], [], 0.0
    for index in range(60):
        own = case(str(index), Pathology.BENIGN, pred=square(2), truth=square(2))
        value = float(rng.integers(0, 2)) if index % 6 == 0 else value
        apart.append(dataclasses.replace(own, dice=value, patient=str(index)))
        shared.append(dataclasses.replace(own, dice=value, patient=str(index // 6)))

    def width(cases: list[Case]) -> float:
        low, high = summarise(cases, resamples=300)["segmentation"]["dice"]["ci95"]
        return float(high - low)

    assert width(shared) > 1.5 * width(apart)


def test_images_with_contradicting_twins_are_counted_and_left_out() -> None:
    good = case("a", Pathology.BENIGN, pred=square(2), truth=square(2))
    torn = dataclasses.replace(good, label_conflict=True, dice=0.0, patient="b")

    figures = summarise([good, torn], resamples=20)

    assert figures["n_images"] == 1
    assert figures["n_label_conflicts"] == 1
    assert figures["segmentation"]["dice"]["value"] == 1.0


def test_what_the_data_cannot_give_is_none() -> None:
    figures = few([case("a", None)])

    assert figures["classification"]["auc_image"] == {"value": None, "ci95": None}
    assert figures["segmentation"]["dice"] == {"value": None, "ci95": None}


def test_scores_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ScoreError, match="1 of 2 scores are not finite"):
        auc(np.array([True, False]), np.array([0.5, np.nan]))


def test_macro_auc_skips_classes_that_are_absent() -> None:
    probabilities = np.array([[0.0, 0.9, 0.1], [0.0, 0.2, 0.8]])

    assert macro_auc(np.array([1, 2]), probabilities) == 1.0
    assert macro_auc(np.array([1, 1]), probabilities) is None


def test_calibration_error_of_a_known_gap() -> None:
    truth = np.array([True, False, False, False])

    assert expected_calibration_error(truth, np.full(4, 0.75)) == pytest.approx(0.5)
    assert expected_calibration_error(truth, np.full(4, 0.25)) == pytest.approx(0.0)


def test_temperature_softens_an_overconfident_classifier() -> None:
    rng = np.random.default_rng(1)
    classes = rng.integers(0, 3, 400)
    logits = np.eye(3)[np.where(rng.random(400) < 0.7, classes, rng.integers(0, 3, 400))] * 12

    assert fit_temperature(logits, classes) > 3


def test_an_overlay_draws_both_outlines_and_leaves_the_rest() -> None:
    pixels = np.full((10, 10), 100, np.uint8)

    picture = overlay(pixels, square(1), square(5))

    assert tuple(picture[0, 0]) == (100, 100, 100)
    assert tuple(picture[1, 2]) == (255, 196, 0)
    assert tuple(picture[8, 5]) == (0, 220, 120)
    assert gallery([("a", picture)], side_px=40).size == (160, 58)
