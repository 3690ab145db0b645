"""One answer of several readers: the truth a training learns from until somebody adjudicates.

Where votes tie, the worse wins (a lesion over none, malignant over benign, the more suspicious
category): a cancer taught as harmless costs more than a harmless lesion taught as cancer. One
reading is its own consensus. Outlines that do not meet have none: that image needs somebody to
adjudicate.
"""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from sonoloop.errors import GeometryError
from sonoloop.evaluation.birads import suspicion
from sonoloop.evaluation.readings import Readings, raise_if_incomparable
from sonoloop.geometry import Mask, bounding_box
from sonoloop.labels import BIRADS_CATEGORIES, Pathology
from sonoloop.settings import ConsensusMethod

logger = logging.getLogger(__name__)

STAPLE_READERS: Final = 3
"""With two, nothing tells which of them to trust: the answer would be that of the first."""
STAPLE_ITERATIONS: Final = 100
WORST_FIRST: Final = (Pathology.MALIGNANT, Pathology.BENIGN, Pathology.NORMAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Consensus:
    """What several readers say together.

    Attributes:
        mask: (H, W); None where no outline was given or the outlines have nothing in common.
        pathology, birads: None where nobody answered.
        readers: How many took part.
        unanimous: Nobody who answered said another pathology, nor contradicted that there is a
            lesion.
    """

    mask: Mask | None
    pathology: Pathology | None
    birads: str | None
    readers: int
    unanimous: bool


def consensus(readings: Readings, *, method: ConsensusMethod = "majority") -> Consensus:
    """The readings of one image as one.

    The readers first vote on whether there is a lesion; only those who outlined one take part in
    its outline.

    Args:
        readings: At least one, one of each reader.
        method: How outlines become one; ``staple`` needs three, fewer go by majority. Of drawn
            readers with independent errors the majority is nearer the truth (a test shows it), so
            STAPLE is for sites that expect readers of different skill.

    Raises:
        GeometryError: If there is no reading, masks differ in shape or a reader is there twice.
    """
    if not readings:
        raise GeometryError("a consensus needs at least one reading")
    raise_if_incomparable(readings)
    pathology = worst_most_frequent([r.pathology for r in readings])
    masks = [reading.mask for reading in readings if reading.mask is not None]
    said = {reading.pathology for reading in readings if reading.pathology is not None}
    return Consensus(
        mask=readings[0].mask if len(readings) == 1 else _outline(masks, pathology, method),
        pathology=pathology,
        birads=most_suspicious_frequent([r.birads for r in readings]),
        readers=len(readings),
        unanimous=len(said) <= 1 and len({bool(mask.any()) for mask in masks}) <= 1,
    )


def worst_most_frequent(answers: Sequence[Pathology | None]) -> Pathology | None:
    """The pathology most readers said, the worse one of a tie; None when nobody said any.

    Example:
        >>> worst_most_frequent([Pathology.BENIGN, Pathology.MALIGNANT, None])
        <Pathology.MALIGNANT: 'malignant'>
    """
    votes = Counter(answer for answer in answers if answer is not None)
    if not votes:
        return None
    return next(p for p in WORST_FIRST if votes[p] == max(votes.values()))


def most_suspicious_frequent(categories: Sequence[str | None]) -> str | None:
    """The BI-RADS category most readers said, the more suspicious of a tie; None for none.

    A final assessment (1-5) wins over 0 and 6, which are none.

    Example:
        >>> most_suspicious_frequent(["3", "4A", "4A", "5"]), most_suspicious_frequent(["3", "4"])
        ('4A', '4')
    """
    said = [category for category in categories if category is not None]
    votes = Counter([category for category in said if suspicion(category)] or said)
    if not votes:
        return None
    order = {category: place for place, category in enumerate(BIRADS_CATEGORIES)}
    return max(votes, key=lambda c: (votes[c], suspicion(c) or 0.0, order[c]))


def majority(masks: Sequence[Mask]) -> Mask:
    """Pixels that more than half of the masks hold; a tie goes by the mean signed distance.

    So two outlines give the contour halfway between them (shape-based averaging, Rohlfing &
    Maurer, IEEE Trans. Inf. Technol. Biomed. 11:1, 2007), not their intersection.

    Args:
        masks: At least one, all (H, W).
    """
    result = np.zeros_like(masks[0])
    window = _window(masks)
    if window is None:
        return result
    inside = [mask[window] for mask in masks]
    votes = np.sum(inside, axis=0)
    tied = 2 * votes == len(masks)
    result[window] = 2 * votes > len(masks)
    if tied.any():
        result[window] |= tied & (np.sum([_signed_distance(m) for m in inside], axis=0) < 0)
    return result


def staple(masks: Sequence[Mask]) -> Mask:
    """Simultaneous truth and performance level estimation of outlines of one lesion.

    Warfield, Zou & Wells, IEEE Trans. Med. Imaging 23:903, 2004, as SimpleITK has it. It looks at
    the box around all outlines alone: with a wide background every outside pixel raises the
    specificities, until the estimate tends to the union (Van Leemput & Sabuncu, "A Cautionary
    Analysis of STAPLE", MICCAI 2014). Where it contradicts pixels on which all readers agree, or
    ends in no numbers, the majority stands.

    Args:
        masks: At least one that is not empty, all (H, W).

    Raises:
        GeometryError: If every mask is empty.
    """
    window = _window(masks)
    if window is None:
        raise GeometryError("STAPLE needs an outline, every mask is empty")
    inside = [mask[window] for mask in masks]
    everybody, nobody = np.all(inside, axis=0), ~np.any(inside, axis=0)
    probability = _staple_probability(inside)
    inner = probability >= 0.5
    sound = np.isfinite(probability).all() and inner[everybody].all() and not inner[nobody].any()
    agreed = majority(masks)
    if not sound or not (inner & agreed[window]).any():
        logger.info("STAPLE of %s outlines is degenerate, the majority stands", len(masks))
        return agreed
    result = np.zeros_like(masks[0])
    result[window] = inner
    return result


def _staple_probability(masks: Sequence[Mask]) -> npt.NDArray[np.float64]:
    if all((mask == masks[0]).all() for mask in masks):
        return masks[0].astype(np.float64)
    import SimpleITK as sitk  # noqa: N813 - its usual name

    estimate: Any = sitk.STAPLEImageFilter()  # type: ignore[no-untyped-call]
    estimate.SetForegroundValue(1.0)
    estimate.SetMaximumIterations(STAPLE_ITERATIONS)
    estimate.SetNumberOfThreads(1)  # the same sums in the same order, and beside a training
    images = [sitk.GetImageFromArray(mask.astype(np.uint8)) for mask in masks]
    return np.asarray(sitk.GetArrayFromImage(estimate.Execute(images)))


def _outline(
    masks: Sequence[Mask], pathology: Pathology | None, method: ConsensusMethod
) -> Mask | None:
    if not masks:
        return None
    if not _holds_lesion(masks, pathology):
        return np.zeros_like(masks[0])
    outlines = [mask for mask in masks if mask.any()]
    agreed = majority(outlines) if outlines else None
    if agreed is None or not agreed.any():
        return None
    return staple(outlines) if method == "staple" and len(outlines) >= STAPLE_READERS else agreed


def _holds_lesion(masks: Sequence[Mask], pathology: Pathology | None) -> bool:
    if pathology is not None:
        return pathology is not Pathology.NORMAL
    outlined = sum(bool(mask.any()) for mask in masks)
    return 2 * outlined >= len(masks)


def _window(masks: Sequence[Mask]) -> tuple[slice, slice] | None:
    """The part of the image that any of the masks holds; None when all are empty."""
    box = bounding_box(np.logical_or.reduce(masks))
    return None if box is None else np.s_[box.top : box.bottom, box.left : box.right]


def _signed_distance(mask: Mask) -> npt.NDArray[np.float64]:
    """Distance of every pixel from the mask's border in pixels, negative inside.

    What lies beyond the picture is no lesion.
    """
    wide = np.pad(mask, 1)
    outside = ndimage.distance_transform_edt(~wide)
    inside = ndimage.distance_transform_edt(wide)
    distance: npt.NDArray[np.float64] = (outside - inside)[1:-1, 1:-1]
    return distance
