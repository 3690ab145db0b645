"""How well probabilities rank and how far they can be believed."""

import numpy as np
import numpy.typing as npt

from sonoloop.errors import ScoreError
from sonoloop.evaluation.weighted import ECE_BINS, calibration_error

Probabilities = npt.NDArray[np.float32] | npt.NDArray[np.float64]


def auc(positive: npt.NDArray[np.bool_], score: Probabilities) -> float | None:
    """Area under the ROC curve, in [0, 1]; None when only one class is present.

    Args:
        positive: (N,) truth.
        score: (N,) higher means more likely positive.

    Raises:
        ScoreError: If a score is not finite.
    """
    if not np.isfinite(score).all():
        raise ScoreError(
            f"{int((~np.isfinite(score)).sum())} of {score.size} scores are not finite"
        )
    if positive.all() or not positive.any():
        return None
    # Imported here: it brings pandas along, and every command of sonoloop imports this module.
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(positive, score))


def macro_auc(classes: npt.NDArray[np.int64], probabilities: Probabilities) -> float | None:
    """Mean one-against-rest AUC over the classes that can be ranked; None when none can.

    Args:
        classes: (N,) index of the true class.
        probabilities: (N, C).
    """
    values = [auc(classes == c, probabilities[:, c]) for c in range(probabilities.shape[1])]
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def expected_calibration_error(
    positive: npt.NDArray[np.bool_], probability: Probabilities, *, bins: int = ECE_BINS
) -> float:
    """Mean gap between stated probability and observed frequency over equal-width bins, in [0, 1].

    Naeini et al., "Obtaining Well Calibrated Probabilities Using Bayesian Binning", AAAI 2015.
    """
    everyone = np.ones((1, positive.size))
    return float(calibration_error(positive, probability, bins=bins)(everyone)[0])


def choose_operating_point(
    truth: npt.NDArray[np.bool_], malignant: Probabilities, *, min_sensitivity: float = 0.95
) -> float:
    """The highest threshold that still finds ``min_sensitivity`` of the malignant cases, in [0, 1].

    A case is called malignant at and above the threshold. Let k be the smallest number of
    malignant cases that reaches the sensitivity: the k-th largest score of a malignant case is the
    least score that must be called, and every case that ties with it is called too. The threshold
    lies midway between it and the next lower score of any case (0 when there is none): it calls
    the same cases, and does not hang on the last digit of one of them.

    Choose it on validation cases: on the cases a figure is measured on it would flatter.

    Args:
        truth: (N,) whether the case is malignant.
        malignant: (N,) probability of malignancy, in [0, 1].
        min_sensitivity: Share of the malignant cases that must be called, in (0, 1].

    Raises:
        ScoreError: If no case is malignant, the arrays differ in length, a score is no
            probability, or ``min_sensitivity`` is out of range.

    Example:
        >>> truth = np.array([False, True, False, True])
        >>> choose_operating_point(truth, np.array([0.1, 0.4, 0.5, 0.9]), min_sensitivity=0.5)
        0.7
    """
    scores = np.asarray(malignant, dtype=np.float64)
    positives = np.sort(scores[truth])[::-1] if truth.shape == scores.shape else scores[:0]
    if not positives.size:
        raise ScoreError(
            f"no operating point from {int(truth.sum())} malignant of {truth.size} cases with "
            f"{scores.size} scores (it needs a malignant case and one score a case)"
        )
    if not (np.isfinite(scores).all() and scores.min() >= 0 and scores.max() <= 1):
        raise ScoreError("scores are no probabilities in [0, 1] (logits? apply softmax first)")
    if not 0 < min_sensitivity <= 1:
        raise ScoreError(f"min_sensitivity must be in (0, 1], got {min_sensitivity}")
    needed = int(np.ceil(min_sensitivity * positives.size - 1e-9))  # 0.07 * 100 is above 7
    least = positives[needed - 1]
    below = scores[scores < least]
    midway = (least + (below.max() if below.size else 0.0)) / 2
    return float(midway if not below.size or midway > below.max() else least)


def fit_temperature(logits: Probabilities, classes: npt.NDArray[np.int64]) -> float:
    """Temperature that minimises the negative log-likelihood, in [0.2, 10].

    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.

    Args:
        logits: (N, C) of validation images.
        classes: (N,) index of the true class.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    def loss(log_temperature: float) -> float:
        scaled = log_softmax(logits / np.exp(log_temperature), axis=1)
        return float(-scaled[np.arange(len(classes)), classes].mean())

    found = minimize_scalar(loss, bounds=(np.log(0.2), np.log(10.0)), method="bounded")
    return float(np.exp(found.x))
