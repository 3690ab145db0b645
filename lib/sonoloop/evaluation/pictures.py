"""Overlays of masks on ultrasound images."""

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from sonoloop.geometry import Mask

Colour = tuple[int, int, int]

PREDICTED: Colour = (255, 196, 0)
"""Amber: what the model marked."""
TRUE: Colour = (86, 180, 233)
"""Sky blue: what a reader marked; colour-blind readers tell it from amber."""
FILL = 0.18
"""Opacity of the marked area; the texture below must stay readable."""


def overlay(
    pixels: npt.NDArray[np.uint8], pred: Mask, truth: Mask | None = None
) -> npt.NDArray[np.uint8]:
    """The image with the predicted area tinted and both outlines drawn.

    Args:
        pixels: (H, W) grey.
        pred: (H, W) predicted mask.
        truth: (H, W) reader's mask, or None.

    Returns:
        (H, W, 3) RGB.
    """
    picture = np.repeat(pixels[:, :, None], 3, axis=2).astype(np.float32)
    tint = np.array(PREDICTED, dtype=np.float32)
    picture[pred] = picture[pred] * (1 - FILL) + tint * FILL
    width = max(1, round(max(pixels.shape) / 400))
    for mask, colour in ((truth, TRUE), (pred, PREDICTED)):
        if mask is not None and mask.any():
            picture[mask & ~ndimage.binary_erosion(mask, iterations=width)] = colour
    return picture.astype(np.uint8)
