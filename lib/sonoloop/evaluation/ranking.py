"""How well probabilities rank and how far they can be believed."""

import numpy as np
import numpy.typing as npt

from sonoloop.errors import ScoreError

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
    positive: npt.NDArray[np.bool_], probability: Probabilities, *, bins: int = 10
) -> float:
    """Mean gap between stated probability and observed frequency over equal-width bins, in [0, 1].

    Naeini et al., "Obtaining Well Calibrated Probabilities Using Bayesian Binning", AAAI 2015.
    """
    index = np.minimum((probability * bins).astype(int), bins - 1)
    gap = 0.0
    for b in range(bins):
        inside = index == b
        if inside.any():
            gap += abs(positive[inside].mean() - probability[inside].mean()) * inside.mean()
    return float(gap)


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
