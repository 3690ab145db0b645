from collections.abc import Callable

import pytest

from sonoloop.evaluation.cases import Case
from sonoloop.evaluation.doubt import doubt_figures
from sonoloop.labels import Pathology

MakeCase = Callable[..., Case]


def test_doubt_that_ranks_every_bad_mask_last_has_an_auroc_of_one(make_case: MakeCase) -> None:
    cases = [
        make_case(patient=str(index), dice=dice, uncertainty=1 - dice)
        for index, dice in enumerate((0.95, 0.9, 0.72, 0.69, 0.1))
    ]

    figures = doubt_figures(cases, threshold=0.5, resamples=50)

    assert figures["segmentation_auroc"]["value"] == 1.0
    assert (figures["n_masks"], figures["n_bad_masks"]) == (5, 2)


def test_setting_doubtful_masks_aside_raises_the_dice(make_case: MakeCase) -> None:
    cases = [
        make_case(patient=str(index), dice=dice, uncertainty=1 - dice)
        for index, dice in enumerate((0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0))
    ]

    curve = doubt_figures(cases, threshold=0.5, resamples=50)["risk_coverage"]

    kept = {point["coverage"]: point["dice"]["value"] for point in curve}
    assert kept[1.0] == pytest.approx(0.45)
    assert kept[0.9] == pytest.approx(0.5)
    assert kept[0.5] == pytest.approx(0.7)


def test_wrong_calls_are_those_at_the_operating_point(make_case: MakeCase) -> None:
    malignant = Pathology.MALIGNANT
    cases = [
        make_case(patient="a", pathology=malignant, malignant=0.3, pathology_uncertainty=0.2),
        make_case(patient="b", malignant=0.3, pathology_uncertainty=0.9),
        make_case(patient="c", malignant=0.1, pathology_uncertainty=0.1),
    ]

    strict, lax = (
        doubt_figures(cases, threshold=threshold, resamples=50) for threshold in (0.5, 0.2)
    )

    assert (strict["n_wrong_calls"], lax["n_wrong_calls"]) == (1, 1)
    assert strict["classification_auroc"]["value"] == pytest.approx(0.5)
    assert lax["classification_auroc"]["value"] == 1.0


def test_images_without_lesion_or_doubt_take_no_part(make_case: MakeCase) -> None:
    cases = [
        make_case(uncertainty=None),
        make_case(dice=None, has_lesion=False, uncertainty=0.4, pathology=None),
    ]

    figures = doubt_figures(cases, threshold=0.5)

    assert (figures["n_masks"], figures["n_calls"]) == (0, 0)
    assert figures["segmentation_auroc"] == {"value": None, "ci95": None}
    assert figures["risk_coverage"][0]["dice"]["value"] is None
