"""How much there is to learn from an image, told from what a model makes of it.

Several maps of the same image, from flips, dropout or an ensemble, are its *members*. What differs
between them is what the model does not know yet; what every member is undecided about may lie in
the image (Gal, Islam, Ghahramani, "Deep Bayesian Active Learning with Image Data", ICML 2017).

Pixel-wise doubt is averaged over the lesion and its border only: summed over the whole image it
follows the background and can fall below random choice (Ma et al., "Breaking the Barrier: Selective
Uncertainty-based Active Learning for Medical Image Segmentation", arXiv 2401.16298, 2024).
"""

import math
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import entr

from sonoloop.active_learning.candidates import (
    BALD,
    ENTROPY,
    LESION_SHARE,
    MARGIN,
    PREDICTED_CLASS,
)
from sonoloop.errors import ScoreError
from sonoloop.geometry import Mask

Maps = npt.NDArray[np.float32]
"""(M, H, W), the lesion probability of every pixel as M members see it."""

REGION_FLOOR: Final = 0.1
"""Pixels with at least this mean lesion probability are the lesion and its border; our choice."""


def image_scores(
    members: Maps, class_probabilities: npt.NDArray[np.floating], *, threshold: float = 0.5
) -> dict[str, float]:
    """Every score of one image, by the names of ``candidates.SCORE_NAMES``.

    Args:
        members: (M, H, W) lesion probabilities.
        class_probabilities: (C,), of the pathologies; sums to 1.
        threshold: Lesion probability from which on a pixel counts as lesion.

    Raises:
        ScoreError: If the members are no maps of probabilities.
    """
    return {
        ENTROPY: entropy_score(members),
        BALD: bald_score(members),
        MARGIN: margin_score(class_probabilities),
        LESION_SHARE: lesion_share(members, threshold=threshold),
        PREDICTED_CLASS: float(np.argmax(class_probabilities)),
    }


def entropy_score(members: Maps) -> float:
    """Mean entropy of the members' mean over lesion and border, in bits a pixel, in [0, 1].

    Example:
        >>> entropy_score(np.array([[[0.0, 0.5], [0.0, 0.5]]], np.float32))
        1.0
    """
    mean = _mean(members)
    return float(binary_entropy(mean)[lesion_region(mean)].mean())


def bald_score(members: Maps) -> float:
    """Mutual information of member and answer over lesion and border, in bits, in [0, 1].

    The entropy of the mean less the mean entropy (Houlsby et al., "Bayesian Active Learning for
    Classification and Preference Learning", arXiv 1112.5745, 2011): 0 where members agree, however
    undecided each of them is.

    Example:
        >>> bald_score(np.array([[[1.0]], [[0.0]]], np.float32))
        1.0
        >>> bald_score(np.array([[[0.5]], [[0.5]]], np.float32))
        0.0
    """
    mean = _mean(members)
    region = lesion_region(mean)
    each = binary_entropy(members.astype(np.float64)).mean(axis=0)
    return max(0.0, float((binary_entropy(mean) - each)[region].mean()))


def margin_score(class_probabilities: npt.NDArray[np.floating]) -> float:
    """1 less the lead of the first class over the second, in [0, 1]; 1 is undecided.

    Scheffer, Decomain, Wrobel, "Active Hidden Markov Models for Information Extraction", IDA 2001.

    Raises:
        ScoreError: If there are fewer than two classes.

    Example:
        >>> round(margin_score(np.array([0.1, 0.6, 0.3])), 6)
        0.7
    """
    if class_probabilities.ndim != 1 or class_probabilities.size < 2:
        raise ScoreError(
            f"a margin needs a row of two classes or more, got shape {class_probabilities.shape}"
        )
    second, first = np.sort(class_probabilities.astype(np.float64))[-2:]
    return float(1.0 - (first - second))


def lesion_share(members: Maps, *, threshold: float) -> float:
    """Share of the image that the members' mean calls lesion, in [0, 1]."""
    return float((_mean(members) >= threshold).mean())


def lesion_region(mean: npt.NDArray[np.float64]) -> Mask:
    """(H, W), True on the lesion and its border; on the likeliest pixel where nothing is marked.

    Args:
        mean: (H, W) lesion probability.
    """
    region: Mask = mean >= min(REGION_FLOOR, float(mean.max()))
    return region


def binary_entropy(probabilities: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Entropy of a yes-or-no answer in bits, for each probability; 0 at 0 and at 1."""
    entropy: npt.NDArray[np.float64] = entr(probabilities) + entr(1.0 - probabilities)
    return entropy / math.log(2)


def _mean(members: Maps) -> npt.NDArray[np.float64]:
    if members.ndim != 3 or members.size == 0:
        raise ScoreError(f"members must be (M, H, W) and not empty, got shape {members.shape}")
    if not (members.min() >= 0 and members.max() <= 1):
        raise ScoreError(
            f"members hold values in [{members.min():g}, {members.max():g}], no probabilities "
            "(logits? apply the sigmoid first)"
        )
    mean: npt.NDArray[np.float64] = members.mean(axis=0, dtype=np.float64)
    return mean
