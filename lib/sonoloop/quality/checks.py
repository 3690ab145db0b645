"""Doubts about one label: by itself, beside another's, and on its picture."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from sonoloop.evaluation.overlap import dice, hd95_px
from sonoloop.geometry import Mask
from sonoloop.labels import Pathology
from sonoloop.quality.doubt import Doubt, FlagKind
from sonoloop.quality.limits import Limits

LESIONS: Final = (Pathology.BENIGN, Pathology.MALIGNANT)
TOUCHING: Final = np.ones((3, 3), dtype=bool)
"""Pixels that touch at a corner belong together."""
BLACK_GREY: Final = 6
"""Grey level up to which a pixel of a frame is black; JPEG leaves some grey around text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one reader (or model) says of an image.

    Attributes:
        mask: (H, W), True on the lesion; None when no outline was given.
    """

    mask: Mask | None = None
    pathology: Pathology | None = None


def doubts_alone(answer: Answer, limits: Limits) -> list[Doubt]:
    """What is doubtful about an answer by itself."""
    checks: tuple[Callable[[Answer, Limits], Doubt | None], ...] = (
        _incomplete,
        _fragmented,
        _covering,
    )
    return [doubt for check in checks if (doubt := check(answer, limits)) is not None]


def _incomplete(answer: Answer, _limits: Limits) -> Doubt | None:
    pathology, area = answer.pathology, 0 if answer.mask is None else int(answer.mask.sum())
    kind: FlagKind
    if pathology is Pathology.NORMAL and area:
        kind, sentence = (
            "mask_on_normal",
            f"the image is called normal, and {area} pixels of it are outlined",
        )
    elif pathology in LESIONS and not area:
        kind, sentence = "class_without_mask", f"the image is called {pathology} without an outline"
    elif pathology is None and answer.mask is not None:
        kind, sentence = "mask_without_class", f"a mask of {area} pixels has no class"
    else:
        return None
    return Doubt(kind=kind, sentence=sentence, figures={"area_px": area})


def _fragmented(answer: Answer, limits: Limits) -> Doubt | None:
    if answer.mask is None:
        return None
    labels, _ = ndimage.label(answer.mask, structure=TOUCHING)
    sizes = np.bincount(labels.ravel())[1:]
    smallest = limits.fragment_share * answer.mask.size
    fragments = sorted(int(size) for size in sizes if size < smallest)
    if not fragments:
        return None
    return Doubt(
        kind="fragments",
        sentence=f"{len(fragments)} of {len(sizes)} outlined parts are smaller than "
        f"{limits.fragment_share:.2%} of the image (the smallest has {fragments[0]} pixels)",
        figures={"areas_px": fragments[:20], "parts": len(sizes), "limit": limits.fragment_share},
    )


def _covering(answer: Answer, limits: Limits) -> Doubt | None:
    share = 0.0 if answer.mask is None else float(answer.mask.mean())
    if share <= limits.whole_share:
        return None
    return Doubt(
        kind="whole_image",
        sentence=f"the mask covers {share:.0%} of the image (a lesion was to be outlined)",
        figures={"share": round(share, 4), "limit": limits.whole_share},
    )


def doubt_on_picture(mask: Mask, pixels: npt.NDArray[np.uint8], limits: Limits) -> Doubt | None:
    """A mask that lies on the black frame of its picture, not on tissue, is doubtful.

    The frame is what is black and connected with the picture's edge: a cyst is black as well, and
    has tissue around it.

    Args:
        mask: (H, W), True on the lesion.
        pixels: (H, W), grey values.
        limits: From where on.

    Raises:
        ValueError: If the shapes differ.
    """
    area = int(mask.sum())
    if not area:
        return None
    black = np.pad(pixels <= BLACK_GREY, 1, constant_values=True)
    labels, _ = ndimage.label(black)
    frame = (labels == labels[0, 0])[1:-1, 1:-1]
    share = int((mask & frame).sum()) / area
    if share <= limits.frame_share:
        return None
    return Doubt(
        kind="outside_picture",
        sentence=f"{share:.0%} of the mask lies on the black frame of the picture, not on tissue",
        figures={"share": round(share, 4), "limit": limits.frame_share},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """A mask that others are measured against.

    Attributes:
        mask: (H, W), True on the lesion.
        model_id: Whose it is, when a model's.
        reader: Whose it is, when a reader's.
    """

    mask: Mask
    model_id: str | None = None
    reader: str = ""

    @property
    def by_model(self) -> bool:
        """Whether a model made it."""
        return self.model_id is not None


def doubt_beside(mask: Mask, other: Outline, limits: Limits) -> Doubt | None:
    """A mask far from that of a model or of another reader is doubtful.

    Raises:
        GeometryError: If the masks differ in shape.
    """
    least = limits.model_dice if other.by_model else limits.reader_dice
    overlap, distance = dice(mask, other.mask), hd95_px(mask, other.mask)
    share = distance / float(np.hypot(*mask.shape))
    if overlap >= least and share <= limits.distance_share:
        return None
    figures = {
        "dice": round(overlap, 4),
        "dice_limit": least,
        "hd95_px": round(distance, 2),
        "hd95_limit_share": limits.distance_share,
    }
    whose = f"model {other.model_id}" if other.by_model else f"reader {other.reader!r}"
    return Doubt(
        kind="far_from_model" if other.by_model else "far_from_reader",
        subject="model" if other.by_model else f"reader:{other.reader}",
        sentence=f"the mask is far from that of {whose}: Dice {overlap:.2f} (at least {least}), "
        f"HD95 {distance:.0f} px ({share:.0%} of the diagonal, at most "
        f"{limits.distance_share:.0%})",
        figures=figures | ({"model_id": other.model_id} if other.by_model else {}),
    )
