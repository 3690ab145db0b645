"""How far readers agree: per image, per pair of readers, and all of them together.

Rules for what is missing. An answer nobody gave is never counted as agreement or disagreement:
Dice needs two outlines, a kappa two categories. Two empty outlines agree that there is no lesion,
and are counted apart (``no_lesion``): they would lift every mean. A distance needs a lesion in
both outlines; where only one reader outlined one (``one_sided``), Dice is 0 and there is none.
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sonoloop.evaluation.kappa import Kappa, birads_rank, cohen, fleiss
from sonoloop.evaluation.overlap import dice, hd95_px
from sonoloop.evaluation.readings import Readings, raise_if_incomparable
from sonoloop.geometry import Mask, bounding_box
from sonoloop.labels import Pathology


@dataclass(frozen=True, slots=True)
class OutlinePair:
    """Two outlines of one image beside one another.

    Attributes:
        dice: In [0, 1]; 1 for two empty outlines.
        hd95_px: 95th percentile Hausdorff distance in pixels; None unless both hold a lesion.
        lesions: How many of the two hold a lesion: 0, 1 or 2.
    """

    dice: float
    hd95_px: float | None
    lesions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePair:
    """Two readers on one image.

    Attributes:
        readers: Their names, in alphabetical order.
        outlines: None unless both gave an outline.
        pathologies, birads: Answers in the order of the readers; None is no answer.
    """

    readers: tuple[str, str]
    outlines: OutlinePair | None
    pathologies: tuple[Pathology | None, Pathology | None]
    birads: tuple[str | None, str | None]

    def as_json(self) -> dict[str, Any]:
        """Names and values."""
        return {
            "readers": list(self.readers),
            "dice": None if self.outlines is None else round(self.outlines.dice, 4),
            "hd95_px": None if self.outlines is None else _rounded(self.outlines.hd95_px),
            "pathology": list(self.pathologies),
            "birads": list(self.birads),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderPair:
    """Two readers on all images both have read.

    Attributes:
        images: Images both have read.
        outlined: Images on which at least one of two outlines holds a lesion; the mean and the
            median of ``dice`` and ``hd95_px`` are over these.
        no_lesion: Images on which both outlines are empty.
        one_sided: Images on which one outline is empty and the other is not.
        hd95_px: Mean over images with a lesion in both outlines, in pixels.
        pathology: Cohen's kappa.
        birads: Cohen's kappa with quadratic weights over the order of suspicion.
    """

    readers: tuple[str, str]
    images: int
    outlined: int
    no_lesion: int
    one_sided: int
    dice: float | None
    dice_median: float | None
    hd95_px: float | None
    pathology: Kappa
    birads: Kappa

    def as_json(self) -> dict[str, Any]:
        """Names and values."""
        return {
            "readers": list(self.readers),
            "images": self.images,
            "outlined": self.outlined,
            "no_lesion": self.no_lesion,
            "one_sided": self.one_sided,
            "dice": _rounded(self.dice),
            "dice_median": _rounded(self.dice_median),
            "hd95_px": _rounded(self.hd95_px),
            "pathology_kappa": self.pathology.as_json(),
            "birads_kappa": self.birads.as_json(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """All readers on all images that at least two have read.

    Attributes:
        pathology, birads: Fleiss' kappa; of BI-RADS over its categories without their order.
    """

    images: int
    readers: int
    pathology: Kappa
    birads: Kappa

    def as_json(self) -> dict[str, Any]:
        """Names and values."""
        return {
            "images": self.images,
            "readers": self.readers,
            "pathology_kappa": self.pathology.as_json(),
            "birads_kappa": self.birads.as_json(),
        }


def outline_pair(first: Mask, second: Mask) -> OutlinePair:
    """Dice and distance of two outlines on one grid.

    Raises:
        GeometryError: If the masks differ in shape.
    """
    overlap = dice(first, second)
    lesions = int(first.any()) + int(second.any())
    box = bounding_box(first | second)
    if box is None or not (first.any() and second.any()):
        return OutlinePair(overlap, None, lesions)
    # Nothing outside the lesions counts; distances in a crop cost a fraction.
    box = box.padded(1, within=(first.shape[0], first.shape[1]))
    window = np.s_[box.top : box.bottom, box.left : box.right]
    return OutlinePair(overlap, hd95_px(first[window], second[window]), lesions)


def image_pairs(readings: Readings) -> list[ImagePair]:
    """Every two readers of one image, by name; none with fewer than two readers.

    Raises:
        GeometryError: If masks differ in shape or one reader is there twice.
    """
    raise_if_incomparable(readings)
    by_name = sorted(readings, key=lambda reading: reading.reader)
    return [
        ImagePair(
            readers=(first.reader, second.reader),
            outlines=None
            if first.mask is None or second.mask is None
            else outline_pair(first.mask, second.mask),
            pathologies=(first.pathology, second.pathology),
            birads=(first.birads, second.birads),
        )
        for first, second in itertools.combinations(by_name, 2)
    ]


def reader_pairs(pairs: Iterable[ImagePair]) -> list[ReaderPair]:
    """The pairs of all images, summed up by readers, by name."""
    of: dict[tuple[str, str], list[ImagePair]] = {}
    for pair in pairs:
        of.setdefault(pair.readers, []).append(pair)
    return [_summed(readers, of[readers]) for readers in sorted(of)]


def together(images: Sequence[Readings]) -> Together:
    """All readers together; images with one reading tell nothing and are passed over."""
    shared = [readings for readings in images if len(readings) > 1]
    return Together(
        images=len(shared),
        readers=len({reading.reader for readings in shared for reading in readings}),
        pathology=fleiss([[r.pathology for r in readings] for readings in shared]),
        birads=fleiss([[birads_rank(r.birads) for r in readings] for readings in shared]),
    )


def _summed(readers: tuple[str, str], pairs: Sequence[ImagePair]) -> ReaderPair:
    outlines = [pair.outlines for pair in pairs if pair.outlines is not None]
    overlaps = [pair.dice for pair in outlines if pair.lesions]
    distances = [pair.hd95_px for pair in outlines if pair.hd95_px is not None]
    ranks = [tuple(birads_rank(category) for category in pair.birads) for pair in pairs]
    return ReaderPair(
        readers=readers,
        images=len(pairs),
        outlined=len(overlaps),
        no_lesion=sum(pair.lesions == 0 for pair in outlines),
        one_sided=sum(pair.lesions == 1 for pair in outlines),
        dice=float(np.mean(overlaps)) if overlaps else None,
        dice_median=float(np.median(overlaps)) if overlaps else None,
        hd95_px=float(np.mean(distances)) if distances else None,
        pathology=cohen([p.pathologies[0] for p in pairs], [p.pathologies[1] for p in pairs]),
        birads=cohen([r[0] for r in ranks], [r[1] for r in ranks], weights="quadratic"),
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
