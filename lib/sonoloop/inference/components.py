"""From a probability map to separate lesions."""

import numpy as np
from scipy import ndimage

from sonoloop.geometry import Mask, ProbabilityMap, bounding_box

CONNECTIVITY = np.ones((3, 3), dtype=bool)
"""Pixels that touch at a corner belong together."""


def lesion_masks(
    probability_map: ProbabilityMap,
    *,
    threshold: float,
    min_fraction: float,
    max_lesions: int,
    min_relative: float = 0.0,
) -> list[Mask]:
    """Connected components above ``threshold``, holes filled, largest first.

    Args:
        probability_map: (H, W) lesion probability in [0, 1].
        threshold: At and above it a pixel is lesion.
        min_fraction: Components smaller than this share of the image are dropped.
        max_lesions: Only so many are kept.
        min_relative: Components smaller than this share of the largest are dropped.

    Returns:
        Masks (H, W); none when nothing was marked.

    Example:
        >>> lesion_masks(np.zeros((8, 8), np.float32), threshold=0.5, min_fraction=0, max_lesions=3)
        []
    """
    above = probability_map >= threshold
    marked = bounding_box(above)
    if marked is None:
        return []
    labels, _ = ndimage.label(
        above[marked.top : marked.bottom, marked.left : marked.right], structure=CONNECTIVITY
    )
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    smallest = max(1.0, min_fraction * above.size, min_relative * int(sizes.max()))
    order = np.argsort(-sizes, kind="stable")[:max_lesions]
    boxes = ndimage.find_objects(labels)
    masks = []
    for label in order:
        if sizes[label] < smallest:
            break
        mask = np.zeros(above.shape, dtype=bool)
        box = boxes[label - 1]
        inside = mask[marked.top : marked.bottom, marked.left : marked.right]
        inside[box] = ndimage.binary_fill_holes(labels[box] == label)
        masks.append(mask)
    return masks
