"""What a finished classifier gets right on the images it was validated on."""

import numpy as np
import numpy.typing as npt

from sonoloop.evaluation.ranking import Probabilities, auc
from sonoloop.labels import Pathology

HALF = 0.5
"""Malignancy at and above which a case is called malignant where no other point was chosen."""


def selection_figure(
    truth: npt.NDArray[np.int64], probabilities: Probabilities, names: tuple[Pathology, ...]
) -> float:
    """What the best epoch is chosen by, in [0, 1].

    AUC of malignant against the rest; where there are normal images, its mean with the AUC of
    normal against the rest. Accuracy where only one class is present.

    Args:
        truth: (N,) index of the true class.
        probabilities: (N, C).
        names: Meaning of the C classes.
    """
    ranked = [
        auc(truth == index, probabilities[:, index])
        for index, name in enumerate(names)
        if name is not Pathology.BENIGN
    ]
    known = [value for value in ranked if value is not None]
    if known:
        return float(np.mean(known))
    return float((probabilities.argmax(axis=1) == truth).mean())


def verdict(
    truth: npt.NDArray[np.bool_], malignant: Probabilities, threshold: float
) -> dict[str, float]:
    """Accuracy, sensitivity and specificity of calling malignancy, each with its counts.

    Args:
        truth: (N,) whether the image is malignant.
        malignant: (N,) probability of malignancy.
        threshold: Called malignant at and above it.

    Returns:
        ``accuracy``, ``sensitivity``, ``specificity`` (left out where nothing could be found),
        ``right_malignant`` of ``malignant`` and ``right_others`` of ``others`` images.
    """
    called = malignant >= threshold
    hits, rejections = int((called & truth).sum()), int((~called & ~truth).sum())
    positives, negatives = int(truth.sum()), int((~truth).sum())
    figures: dict[str, float] = {
        "threshold": threshold,
        "right_malignant": hits,
        "malignant": positives,
        "right_others": rejections,
        "others": negatives,
        "accuracy": (hits + rejections) / max(1, len(truth)),
    }
    if positives:
        figures["sensitivity"] = hits / positives
    if negatives:
        figures["specificity"] = rejections / negatives
    return figures
