"""Near-duplicates, and whether they were answered alike."""

from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from sonoloop.evaluation.overlap import dice
from sonoloop.geometry import Mask
from sonoloop.quality.checks import Answer
from sonoloop.quality.doubt import Doubt
from sonoloop.quality.limits import Limits

SIDE_PX: Final = 64
BLOCK: Final = 1024
"""Images compared with all others at once: a block of 100,000 correlations each."""

Thumbnail: TypeAlias = npt.NDArray[np.float32]
"""(4096,), mean 0 and length 1; all 0 for an image of one grey value."""


def thumbnail(pixels: npt.NDArray[np.uint8]) -> Thumbnail:
    """A picture at 64 x 64 pixels, ready for correlation: the dot product of two is their NCC.

    Args:
        pixels: (H, W), grey values.
    """
    small = Image.fromarray(pixels).resize((SIDE_PX, SIDE_PX), Image.Resampling.BILINEAR)
    values = np.asarray(small, dtype=np.float32).ravel()
    values = values - values.mean()
    length = float(np.linalg.norm(values))
    unit: Thumbnail = values / length if length > 0 else np.zeros_like(values)
    return unit


def near_duplicates(
    thumbnails: Sequence[Thumbnail], *, above: float
) -> Iterator[tuple[int, int, float]]:
    """Pairs (i, j, NCC) with i < j whose normalised cross-correlation is greater than ``above``.

    Every pair is looked at, so the time grows with the square of the number of images.
    """
    if not thumbnails:
        return
    stacked = np.stack(thumbnails)
    for start in range(0, len(stacked), BLOCK):
        correlations = stacked[start : start + BLOCK] @ stacked[start:].T
        for row, column in np.argwhere(np.triu(correlations > above, k=1)):
            yield start + int(row), start + int(column), float(correlations[row, column])


def doubt_beside_duplicate(
    answer: Answer,
    other: Answer,
    limits: Limits,
    *,
    image_id: str,
    correlation: float | None = None,
) -> Doubt | None:
    """An answer that differs from that on a near-duplicate is doubtful: in class or in outline.

    Args:
        answer: In question.
        other: That on the near-duplicate.
        limits: From where on outlines differ.
        image_id: The near-duplicate.
        correlation: NCC of the pictures; None where a data set says that they are
            near-duplicates, perhaps cut differently, and only the classes can be compared.
    """
    figures: dict[str, object] = {} if correlation is None else {"ncc": round(correlation, 4)}
    if answer.pathology and other.pathology and answer.pathology is not other.pathology:
        told = f"is called {answer.pathology}, that one {other.pathology}"
    elif correlation is not None and answer.mask is not None and other.mask is not None:
        overlap = dice(_on_square(answer.mask), _on_square(other.mask))
        if overlap >= limits.reader_dice:
            return None
        told = f"is outlined differently (Dice {overlap:.2f}, at least {limits.reader_dice})"
        figures["dice"] = round(overlap, 4)
    else:
        return None
    return Doubt(
        kind="duplicates_disagree",
        subject=f"image:{image_id}",
        sentence=f"the image is a near-duplicate of {image_id}, and {told}",
        figures=figures,
    )


def _on_square(mask: Mask) -> Mask:
    small = Image.fromarray(mask).resize((SIDE_PX, SIDE_PX), Image.Resampling.NEAREST)
    return np.asarray(small, dtype=np.bool_)
