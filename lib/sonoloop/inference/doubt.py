"""How far an outline and a diagnosis can be trusted, told from the networks' own answers.

Doubt of a mask is an estimate of 1 - Dice, from what is at hand without another network run:

* the Dice that the probabilities themselves promise: the soft Dice confidence of Borges, Pacheco,
  Silva, "Soft Dice Confidence: A Near-Optimal Confidence Estimator for Selective Prediction in
  Semantic Segmentation", arXiv 2402.10665, 2024;
* with test-time flips, the agreement of the image with its mirror image: structure-wise
  uncertainty as in Roy et al., "Bayesian QuickNAT", NeuroImage 195, 2019, who compare samples of
  the network by their overlap, with flips in the place of dropout (Wang et al., "Aleatoric
  uncertainty estimation with test-time augmentation", Neurocomputing 338, 2019).

Both are in units of Dice, so the rule is their mean, without a fitted parameter. Whole lesions are
judged, not pixels, because pixel-wise uncertainty sums up edges (Jungo, Reyes, "Assessing
Reliability and Challenges of Uncertainty Estimations for Medical Image Segmentation", MICCAI 2019).
"""

import numpy as np
import numpy.typing as npt

from sonoloop.geometry import Mask, ProbabilityMap

Map = npt.NDArray[np.float32]


def mask_doubt(
    probability_map: ProbabilityMap, mask: Mask, *, disagreement: float | None = None
) -> float:
    """Doubt of a mask, in [0, 1]; higher means that it is more likely bad.

    Args:
        probability_map: (H, W) in [0, 1].
        mask: (H, W), what was made of it.
        disagreement: Of the views, from :func:`disagreement`; None when there was one view.
    """
    promised = 1.0 - expected_dice(probability_map, mask)
    return promised if disagreement is None else (promised + disagreement) / 2


def expected_dice(probability_map: ProbabilityMap, mask: Mask) -> float:
    """Dice of ``mask`` that the probabilities promise, in [0, 1].

    2 * sum of p inside / (pixels inside + sum of p anywhere). Of an empty mask, which is right or
    wrong altogether, it is the probability that no pixel was missed, 1 - the largest p.

    Example:
        >>> expected_dice(np.array([[1.0, 0.5]], np.float32), np.array([[True, False]]))
        0.8
    """
    area = int(mask.sum())
    if area == 0:
        return 1.0 - float(probability_map.max(initial=0.0))
    inside = float(probability_map.sum(where=mask, dtype=np.float64))
    return 2 * inside / (area + float(probability_map.sum(dtype=np.float64)))


def disagreement(first: Map, second: Map) -> float:
    """1 - Dice of two probability maps, in [0, 1]; 0 for equal ones.

    The soft Dice has the pixelwise minimum for its overlap, so that a map agrees with itself.

    Example:
        >>> disagreement(np.array([0.5, 0.5], np.float32), np.array([0.5, 0.0], np.float32))
        0.33333333333333337
    """
    total = float(first.sum(dtype=np.float64) + second.sum(dtype=np.float64))
    if total == 0:
        return 0.0
    return 1.0 - 2 * float(np.minimum(first, second).sum(dtype=np.float64)) / total


def normalised_entropy(probabilities: npt.NDArray[np.floating], classes: int) -> float:
    """Entropy of a distribution as a share of the largest one among ``classes``, in [0, 1].

    Shannon, "A Mathematical Theory of Communication", 1948.

    Example:
        >>> normalised_entropy(np.array([0.0, 0.5, 0.5]), classes=2)
        1.0
    """
    p = probabilities[probabilities > 0].astype(np.float64)
    return float(np.clip(-(p * np.log(p)).sum() / np.log(classes), 0.0, 1.0))
