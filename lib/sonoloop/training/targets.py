"""What a classifier is taught of each example: its pathology, softened by what a reader thought."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

PRIOR_IMAGES = 5.0
"""So many images of the usual mixture are added to each BI-RADS category before its shares are
taken, so that a rare category is not taken at its word."""


def soft_targets(
    classes: npt.NDArray[np.int64],
    birads: Sequence[str | None],
    *,
    count: int,
    reader_weight: float,
) -> npt.NDArray[np.float32]:
    """Probability of each class that a network is taught, (N, ``count``), rows sum to 1.

    A hard target treats a cyst that every reader would wave through like a benign lesion that
    looked suspicious to all. The reader's category tells them apart: its part of the target is
    how often that category turned out to be each class among these examples (a soft target as in
    Hinton et al., "Distilling the Knowledge in a Neural Network", 2015, with a reader as teacher).

    Args:
        classes: (N,) index of the pathology.
        birads: N categories, None where no reader gave one: that target stays hard.
        count: How many classes there are.
        reader_weight: Share of the reader's part, in [0, 1].
    """
    hard = np.eye(count, dtype=np.float32)[classes]
    usual = hard.mean(0)
    targets = hard.copy()
    for category in {name for name in birads if name}:
        rows = np.array([name == category for name in birads])
        shares = (hard[rows].sum(0) + PRIOR_IMAGES * usual) / (rows.sum() + PRIOR_IMAGES)
        targets[rows] = (1 - reader_weight) * hard[rows] + reader_weight * shares
    return targets
