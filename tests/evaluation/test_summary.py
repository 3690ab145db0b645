import dataclasses
from pathlib import Path

import numpy as np
import pytest

from sonoloop.errors import ScoreError
from sonoloop.evaluation.cases import Case, evaluate_case
from sonoloop.evaluation.pictures import overlay
from sonoloop.evaluation.ranking import auc, expected_calibration_error, fit_temperature, macro_auc
from sonoloop.evaluation.summary import SIZES, summarise
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
    return evaluate_case(item, truth, findings_of(empty if pred is None else pred, probabilities))


def findings_of(mask: Mask, probabilities: dict[Pathology, float]) -> Findings:
    return Findings(
        mask=mask,
        probability_map=mask.astype(np.float32),
        lesions=(),
        probabilities=probabilities,
        pathology=max(probabilities, key=lambda p: probabilities[p]),
        spacing_mm=None,
        models={},
        seconds=0.1,
    )


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


def test_every_part_of_the_rules_is_counted() -> None:
    nothing = np.zeros((10, 10), dtype=bool)
    found = case("a", Pathology.BENIGN, pred=square(2), truth=square(2))
    cases = [
        found,
        dataclasses.replace(found, patient_named=False, patient="image-7"),
        case("b", Pathology.MALIGNANT, truth=square(2)),
        case("c", Pathology.NORMAL, truth=nothing),
        case("d", None, truth=square(2), pred=square(2)),
        case("e", Pathology.BENIGN),
        dataclasses.replace(found, label_conflict=True),
    ]

    counted = {k: v for k, v in summarise(cases, resamples=20).items() if k.startswith("n_")}

    assert counted == {
        "n_images": 6,
        "n_patients": 6,
        "n_lesions": 4,
        "n_normals": 1,
        "n_missed_lesions": 1,
        "n_without_mask": 1,
        "n_without_pathology": 1,
        "n_without_patient": 1,
        "n_label_conflicts": 1,
    }


def test_a_missed_lesion_has_dice_0_and_is_as_far_as_the_image_is_large() -> None:
    missed = case("a", Pathology.BENIGN, truth=square(2))

    assert (missed.dice, missed.iou, missed.nsd_2px, missed.detected) == (0, 0, 0, False)
    assert missed.hd95_px == pytest.approx(np.hypot(10, 10))


def test_an_image_without_patient_is_drawn_with_its_near_duplicates() -> None:
    item = LabelledImage(image_id="i", image_path=Path("x.png"), group="g")
    empty = np.zeros((10, 10), dtype=bool)

    found = evaluate_case(item, None, findings_of(empty, dict.fromkeys(Pathology, 1 / 3)))

    assert (found.patient, found.patient_named) == ("g", False)


@pytest.mark.parametrize(
    ("share", "size"), [(0.039, "small"), (0.04, "medium"), (0.0899, "medium"), (0.09, "large")]
)
def test_lesions_are_grouped_by_their_share_of_the_image(share: float, size: str) -> None:
    lesion = case("a", Pathology.BENIGN, pred=square(2), truth=square(2))

    figures = summarise([dataclasses.replace(lesion, lesion_share=share)], resamples=20)

    groups = {name: figures["by_lesion_size"][name]["n_images"] for name in SIZES}
    assert groups == {name: int(name == size) for name in SIZES}


def test_scanners_have_figures_of_their_own() -> None:
    good = case("a", Pathology.BENIGN, pred=square(2), truth=square(2))
    cases = [
        dataclasses.replace(good, device="Alpha"),
        dataclasses.replace(good, device="Beta", dice=0.4),
        dataclasses.replace(good, dice=0.2),
    ]

    scanners = summarise(cases, resamples=20)["by_scanner"]

    told = {name: group["segmentation"]["dice"]["value"] for name, group in scanners.items()}
    assert told == {"Alpha": 1.0, "Beta": 0.4, "not stated": 0.2}


def test_calibration_is_told_before_and_after_scaling() -> None:
    benign = Pathology.BENIGN
    cases = [case(str(i), benign, malignant=0.1) for i in range(10)]

    figures = summarise(cases, resamples=20, temperature=0.5)["classification"]

    before = 0.1**0.5 / (0.1**0.5 + 0.9**0.5)
    assert figures["ece"]["value"] == pytest.approx(0.1)
    assert figures["ece_before_scaling"]["value"] == pytest.approx(before)


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
    assert tuple(picture[8, 5]) == (86, 180, 233)
