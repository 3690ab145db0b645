"""Which lesion is which: components of a mask, and the same lesion over revisions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import ndimage
from scipy.optimize import linear_sum_assignment

from sonoloop.errors import DocumentError
from sonoloop.geometry import LabelMap, Mask, bounding_box
from sonoloop.imaging.write_dicom import stable_uid

MAX_LESIONS: Final = 255
"""Of one image; a mask that falls into more is no outline of lesions."""

_TOUCHING: Final = np.ones((3, 3), dtype=bool)  # pixels that touch at a corner belong together


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrackedLesion:
    """One lesion of a reading, as it is known over its revisions.

    Attributes:
        segment: Its number in the segmentation, from 1.
        tracking_uid: The same in SEG and SR, and over revisions.
        tracking_id: The same for people, such as ``Lesion 1``.
        mask: (H, W), True on the lesion.
    """

    segment: int
    tracking_uid: str
    tracking_id: str
    mask: Mask


def lesion_masks(marked: LabelMap | Mask) -> list[Mask]:
    """Each lesion of a mask, largest first where they are components, else by value.

    Args:
        marked: (H, W). When its only value is 1 (or True), every connected component is a lesion;
            otherwise every value is.

    Raises:
        DocumentError: If there are more than :data:`MAX_LESIONS`.
    """
    values = np.unique(marked[marked > 0])
    if values.size > 1 or (values.size and int(values[0]) != 1):
        return [np.asarray(marked == value) for value in values]
    labels, count = ndimage.label(marked, structure=_TOUCHING)
    if count > MAX_LESIONS:
        raise DocumentError(
            f"the mask falls into {count} pieces (at most {MAX_LESIONS}; erase the specks)"
        )
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    return [np.asarray(labels == label) for label in np.argsort(-sizes, kind="stable") + 1]


def track(
    masks: Sequence[Mask], previous: Sequence[TrackedLesion], *, seed: str
) -> tuple[TrackedLesion, ...]:
    """The lesions with their tracking ids: those of the lesions they overlap, else new ones.

    Of several that overlap, each old lesion goes on in one, so that the overlap is largest in all.

    Args:
        masks: (H, W) each, in the order of the segments.
        previous: Lesions of the revision before.
        seed: New tracking UIDs depend on it and on the segment number alone.
    """
    known = _matches(masks, previous)
    names = {previous[index].tracking_id for index in known.values()}
    free = (name for n in range(1, 2 * MAX_LESIONS + 1) if (name := f"Lesion {n}") not in names)
    taken = iter(free)
    return tuple(
        TrackedLesion(
            segment=number + 1,
            tracking_uid=(
                previous[known[number]].tracking_uid
                if number in known
                else stable_uid("sonoloop lesion", seed, str(number + 1))
            ),
            tracking_id=previous[known[number]].tracking_id if number in known else next(taken),
            mask=mask,
        )
        for number, mask in enumerate(masks)
    )


def _matches(masks: Sequence[Mask], previous: Sequence[TrackedLesion]) -> dict[int, int]:
    """Index of the old lesion by index of the new one."""
    overlap = np.array([[_overlap(mask, old.mask) for old in previous] for mask in masks])
    if overlap.size == 0:
        return {}
    rows, columns = linear_sum_assignment(overlap, maximize=True)
    return {int(r): int(c) for r, c in zip(rows, columns, strict=True) if overlap[r, c] > 0}


def _overlap(one: Mask, other: Mask) -> int:
    box = bounding_box(one)
    if box is None or one.shape != other.shape:
        return 0
    inside = np.s_[box.top : box.bottom, box.left : box.right]
    return int(np.count_nonzero(one[inside] & other[inside]))
