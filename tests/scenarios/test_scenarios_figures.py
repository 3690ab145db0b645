from pathlib import Path

import numpy as np
import pytest

from sonoloop.errors import ScoreError
from sonoloop.evaluation.cases import Case, evaluate_case
from sonoloop.evaluation.summary import summarise
from sonoloop.labels import Pathology
from sonoloop.records import Findings, LabelledImage
from sonoloop.scenarios.figures import MEASURES, TITLES, Run, figures


def case_of(index: int, rng: np.random.Generator) -> Case:
    pathology = tuple(Pathology)[index % 3]
    truth = np.zeros((20, 20), bool)
    if pathology is not Pathology.NORMAL:
        truth[4:12, 4:12] = True
    malignant = float(rng.uniform(0.4, 1) if pathology == "malignant" else rng.uniform(0, 0.6))
    findings = Findings(
        mask=np.roll(truth, int(rng.integers(0, 5)), axis=0),
        probability_map=truth.astype(np.float32),
        lesions=(),
        probabilities={
            Pathology.NORMAL: 0.0,
            Pathology.BENIGN: 1 - malignant,
            Pathology.MALIGNANT: malignant,
        },
        pathology=Pathology.BENIGN,
        spacing_mm=None,
        models={},
        seconds=0.0,
    )
    item = LabelledImage(
        image_id=str(index),
        image_path=Path(f"{index}.png"),
        has_mask=True,
        pathology=pathology,
        patient=f"p{index // 2}",
    )
    return evaluate_case(item, truth, findings)


def run_of(seed: int, count: int = 60) -> Run:
    rng = np.random.default_rng(seed)
    return Run(tuple(case_of(index, rng) for index in range(count)), 0.45)


def test_every_figure_of_one_seed_is_that_of_the_report() -> None:
    run = run_of(0)

    found = figures([run], list(MEASURES), resamples=200)
    report = summarise(run.cases, threshold=0.45, resamples=200)

    same = {
        "dice": report["segmentation"]["dice"],
        "hd95_px": report["segmentation"]["hd95_px"],
        "found": report["detection"]["sensitivity"],
        "unmarked": report["detection"]["specificity"],
        **{
            name: report["classification"][name]
            for name in ("auc_patient", "auc_image", "sensitivity", "specificity", "ece")
        },
    }
    assert {n: (f["value"], f["ci95"]) for n, f in found.items()} == {
        n: (f["value"], f["ci95"]) for n, f in same.items()
    }


def test_several_seeds_are_averaged_and_told_one_by_one() -> None:
    runs = [run_of(0), run_of(1), run_of(2)]

    found = figures(runs, ["auc_patient"], resamples=200)["auc_patient"]

    single = [figures([run], ["auc_patient"], resamples=1)["auc_patient"]["value"] for run in runs]
    assert found["by_seed"] == single
    assert found["value"] == pytest.approx(np.mean(single))
    assert found["ci95"][0] <= found["value"] <= found["ci95"][1]


def test_averaging_three_seeds_does_not_pretend_to_more_patients() -> None:
    run = run_of(0)

    once = figures([run], ["dice"], resamples=200)["dice"]
    thrice = figures([run, run, run], ["dice"], resamples=200)["dice"]

    assert thrice["ci95"] == pytest.approx(once["ci95"])


def test_a_figure_that_no_image_can_give_is_none() -> None:
    lesions = Run(tuple(c for c in run_of(0).cases if c.has_lesion), 0.5)

    found = figures([lesions], ["unmarked"], resamples=10)

    assert found == {"unmarked": {"value": None, "ci95": None, "by_seed": []}}


def test_seeds_must_be_evaluated_on_the_same_images() -> None:
    with pytest.raises(ScoreError, match="2 seeds were evaluated on different images"):
        figures([run_of(0, 30), run_of(0, 31)], ["dice"], resamples=10)


def test_every_figure_has_a_title() -> None:
    assert list(TITLES) == list(MEASURES)
