"""Heat maps of explanations, drawn over ultrasound images."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from sonoloop.geometry import Box

WARM: Final = (213, 94, 0)
HOT: Final = (240, 228, 66)
"""Vermillion to yellow: told from grey, and from one another, by colour-blind readers too (Okabe,
Ito, "Color Universal Design", 2002)."""
OPACITY: Final = 0.65
"""Of the hottest place; the texture below must stay readable."""
FRAME: Final = (120, 120, 120)


def heat_overlay(
    pixels: npt.NDArray[np.uint8], heat: npt.NDArray[np.float32], boxes: Sequence[Box] = ()
) -> npt.NDArray[np.uint8]:
    """The image with a heat map over it and what was looked at framed.

    Args:
        pixels: (H, W) grey.
        heat: (H, W) in [0, 1]; 0 leaves the image as it is.
        boxes: Framed by a line of one pixel.

    Returns:
        (H, W, 3) RGB.
    """
    share = np.clip(heat, 0, 1)[..., None]
    warm, hot = np.array(WARM, dtype=np.float32), np.array(HOT, dtype=np.float32)
    colour = warm + (hot - warm) * share
    grey = pixels[..., None].astype(np.float32)
    picture = grey + (colour - grey) * share * OPACITY
    for box in boxes:
        rows, columns = slice(box.top, box.bottom), slice(box.left, box.right)
        picture[[box.top, box.bottom - 1], columns] = FRAME
        picture[rows, [box.left, box.right - 1]] = FRAME
    return picture.astype(np.uint8)
