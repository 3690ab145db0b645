"""Groups of images by what a model sees in them: how large the lesion is, and of what class."""

from typing import Final

import numpy as np
import numpy.typing as npt

from sonoloop.active_learning.candidates import (
    LESION_SHARE,
    PREDICTED_CLASS,
    Candidates,
    Places,
    Scores,
)
from sonoloop.labels import PATHOLOGIES

SIZES: Final = ("no", "a small", "a medium", "a large")
"""No lesion, then thirds of the images with one."""


def size_limits(shares: Scores) -> npt.NDArray[np.float64]:
    """Where small ends and large begins: thirds of the images with a lesion."""
    marked = shares[shares > 0]
    return np.quantile(marked, (1 / 3, 2 / 3)) if marked.size else np.ones(2)


def strata_of(images: Candidates, limits: npt.NDArray[np.float64]) -> Places:
    """(N,) number of the group of each image: its class times its lesion's size.

    Raises:
        ScoreError: If the images carry neither lesion share nor predicted class.
    """
    shares = images.score(LESION_SHARE)
    size = np.where(shares > 0, 1 + np.searchsorted(limits, shares, side="left"), 0)
    return (images.score(PREDICTED_CLASS).astype(np.int64) * len(SIZES) + size).astype(np.int64)


def stratum_name(stratum: int) -> str:
    """A group in words.

    Example:
        >>> stratum_name(9)
        'images with a small lesion called malignant'
    """
    number, size = divmod(stratum, len(SIZES))
    return f"images with {SIZES[size]} lesion called {class_name(number)}"


def class_name(number: int) -> str:
    """A predicted class in words."""
    return str(PATHOLOGIES[number]) if 0 <= number < len(PATHOLOGIES) else f"class {number}"
