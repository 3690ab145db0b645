"""Whether doubt ranks errors: the doubtful masks and calls should be the wrong ones."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from sonoloop.evaluation import weighted
from sonoloop.evaluation.bootstrap import RESAMPLES, Bootstrap
from sonoloop.evaluation.cases import Case
from sonoloop.evaluation.weighted import Flags
from sonoloop.labels import Pathology

BAD_DICE = 0.7
"""A mask below this Dice needs a reader's correction."""

COVERAGES = (1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5)
"""Shares of the masks that are kept when the most doubtful are set aside."""


def doubted_masks(cases: Sequence[Case]) -> list[Case]:
    """Images with a true lesion for which the pipeline told its doubt in the mask."""
    return [case for case in cases if case.dice is not None and case.uncertainty is not None]


def doubted_calls(cases: Sequence[Case]) -> list[Case]:
    """Images of known pathology for which the pipeline told its doubt in the class."""
    return [c for c in cases if c.pathology is not None and c.pathology_uncertainty is not None]


def wrongly_called(cases: Sequence[Case], threshold: float) -> Flags:
    """(N,) whether an image is called malignant and is not, or the reverse."""
    wrong = [(c.malignant >= threshold) != (c.pathology is Pathology.MALIGNANT) for c in cases]
    return np.array(wrong, dtype=bool)


def doubt_figures(
    cases: Sequence[Case], *, threshold: float, seed: int = 0, resamples: int = RESAMPLES
) -> dict[str, Any]:
    """AUROC of doubt against error, and what is gained by setting doubtful masks aside.

    Args:
        cases: Evaluated images; those for which the pipeline told no doubt take no part.
        threshold: Probability of malignancy at and above which an image is called malignant.
        seed: Of the bootstrap.
        resamples: Of the bootstrap.

    Returns:
        ``segmentation_auroc`` for "this mask has Dice below 0.7" and ``classification_auroc`` for
        "this image is called wrongly", with counts, and ``risk_coverage``: for each share kept the
        mean Dice of the least doubtful masks.
    """
    masks, calls = doubted_masks(cases), doubted_calls(cases)
    draw_masks, draw_calls = (
        Bootstrap([case.patient for case in chosen], seed=seed, resamples=resamples)
        for chosen in (masks, calls)
    )
    agreement = np.array([case.dice for case in masks], dtype=np.float64)
    doubt = np.array([case.uncertainty for case in masks], dtype=np.float64)
    wrong = wrongly_called(calls, threshold)
    unsure = np.array([case.pathology_uncertainty for case in calls], dtype=np.float64)
    return {
        "segmentation_auroc": draw_masks.figure(weighted.auc(agreement < BAD_DICE, doubt)),
        "n_masks": len(masks),
        "n_bad_masks": int((agreement < BAD_DICE).sum()),
        "classification_auroc": draw_calls.figure(weighted.auc(wrong, unsure)),
        "n_calls": len(calls),
        "n_wrong_calls": int(wrong.sum()),
        "risk_coverage": [
            {
                "coverage": coverage,
                "dice": draw_masks.figure(weighted.kept_mean(doubt, agreement, coverage=coverage)),
            }
            for coverage in COVERAGES
        ],
    }
