"""From evaluated images to the figures of ``metrics.json``, each with its interval by patient."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from sonoloop.evaluation import weighted
from sonoloop.evaluation.bootstrap import RESAMPLES, Bootstrap, Figure
from sonoloop.evaluation.cases import Case
from sonoloop.evaluation.diagnosis import (
    OPERATING_POINT,
    calibration_figure,
    classification_figures,
    reader_figures,
    unscaled,
)
from sonoloop.evaluation.doubt import doubt_figures
from sonoloop.evaluation.weighted import Statistic
from sonoloop.labels import Pathology

OVERLAPS: Final = ("dice", "iou", "hd95_px", "nsd_2px", "accuracy")

GROUP_FIGURES: Final = ("auc_image", "auc_patient", "sensitivity", "specificity")
"""Figures of the classification that are told for each group too."""

SIZES: Final = ("small", "medium", "large")
SIZE_BOUNDS: Final = (0.04, 0.09)
"""Share of the image below which a lesion is small, and from which it is large. Fixed, so that
data sets can be compared: the thirds of the 1,127 lesions of BUS-BRA folds 1-3 end at 3.9 % and
9.3 %."""

NO_DEVICE: Final = "not stated"


def used_cases(cases: Iterable[Case]) -> list[Case]:
    """Without images whose near-duplicates carry another class: their truth is unknown."""
    return [case for case in cases if not case.label_conflict]


def size_of(case: Case) -> str | None:
    """``small``, ``medium`` or ``large``; None without a lesion."""
    if case.lesion_share is None:
        return None
    small, large = SIZE_BOUNDS
    if case.lesion_share < small:
        return "small"
    return "medium" if case.lesion_share < large else "large"


def scanner_of(case: Case) -> str:
    """Name of the scanner."""
    return case.device or NO_DEVICE


def summarise(
    cases: Sequence[Case],
    *,
    threshold: float = OPERATING_POINT,
    temperature: float = 1.0,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> dict[str, Any]:
    """The figures of ``metrics.json``.

    Rules: images whose near-duplicates carry another class are left out of every figure and
    counted; images without outline take no part in segmentation and detection, images without
    pathology none in classification; an image without patient is its own patient.

    Args:
        cases: Every evaluated image.
        threshold: Probability of malignancy at and above which an image is called malignant.
        temperature: Of the classifier, to tell the calibration error before scaling too.
        seed: Of the bootstrap.
        resamples: Of the bootstrap.
    """
    used = used_cases(cases)
    draws = {"seed": seed, "resamples": resamples}
    sizes = {name: [case for case in used if size_of(case) == name] for name in SIZES}
    scanners = {
        name: [case for case in used if scanner_of(case) == name]
        for name in sorted({scanner_of(case) for case in used})
    }
    return {
        **_masks(used, **draws),
        "classification": {
            "operating_point": threshold,
            **classification_figures(used, threshold=threshold, **draws),
            "ece_before_scaling": calibration_figure(unscaled(used, temperature), **draws),
        },
        "birads": reader_figures(used, threshold=threshold, **draws),
        "uncertainty": doubt_figures(used, threshold=threshold, **draws),
        "by_scanner": {n: _group(group, threshold, **draws) for n, group in scanners.items()},
        "by_lesion_size": {
            "bounds": list(SIZE_BOUNDS),
            **{n: _group(group, threshold, **draws) for n, group in sizes.items()},
        },
        "bootstrap": {"resamples": resamples, "seed": seed, "unit": "patient"},
        **_counts(cases, used),
    }


def _masks(used: Sequence[Case], *, seed: int, resamples: int) -> dict[str, dict[str, Figure]]:
    lesions = [case for case in used if case.has_lesion]
    normals = [case for case in used if case.has_lesion is False]
    draw, draw_normals = (
        Bootstrap([case.patient for case in chosen], seed=seed, resamples=resamples)
        for chosen in (lesions, normals)
    )
    return {
        "segmentation": {name: draw.figure(_mean(lesions, name)) for name in OVERLAPS},
        "detection": {
            "sensitivity": draw.figure(_mean(lesions, "detected")),
            "specificity": draw_normals.figure(weighted.mean([not c.marked for c in normals])),
        },
    }


def _mean(cases: Sequence[Case], name: str) -> Statistic:
    return weighted.mean([getattr(case, name) for case in cases])


def _group(cases: Sequence[Case], threshold: float, *, seed: int, resamples: int) -> dict[str, Any]:
    diagnosis = classification_figures(cases, threshold=threshold, seed=seed, resamples=resamples)
    return {
        "n_images": len(cases),
        "n_patients": len({case.patient for case in cases}),
        "n_malignant": sum(case.pathology is Pathology.MALIGNANT for case in cases),
        **_masks(cases, seed=seed, resamples=resamples),
        "classification": {name: diagnosis[name] for name in GROUP_FIGURES},
    }


def _counts(cases: Sequence[Case], used: Sequence[Case]) -> dict[str, int]:
    return {
        "n_images": len(used),
        "n_patients": len({case.patient for case in used}),
        "n_lesions": sum(case.has_lesion is True for case in used),
        "n_normals": sum(case.has_lesion is False for case in used),
        "n_missed_lesions": sum(case.has_lesion is True and not case.marked for case in used),
        "n_without_mask": sum(case.has_lesion is None for case in used),
        "n_without_pathology": sum(case.pathology is None for case in used),
        "n_without_patient": sum(not case.patient_named for case in used),
        "n_label_conflicts": len(cases) - len(used),
    }
