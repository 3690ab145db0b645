"""Overlays of masks on ultrasound images."""

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from scipy import ndimage

from sonoloop.geometry import Mask

Colour = tuple[int, int, int]

PREDICTED: Colour = (255, 196, 0)
"""Amber: what the model marked."""
TRUE: Colour = (0, 220, 120)
"""Green: what a reader marked."""
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


def gallery(
    tiles: list[tuple[str, npt.NDArray[np.uint8]]], *, columns: int = 4, side_px: int = 280
) -> Image.Image:
    """Pictures in rows, each with its caption below.

    Args:
        tiles: Captions and (H, W, 3) RGB pictures.
        columns: Pictures a row.
        side_px: Room for each picture.
    """
    caption_px = 18
    rows = -(-len(tiles) // columns)
    sheet = Image.new("RGB", (columns * side_px, max(1, rows) * (side_px + caption_px)), "black")
    draw = ImageDraw.Draw(sheet)
    for index, (caption, pixels) in enumerate(tiles):
        left, top = index % columns * side_px, index // columns * (side_px + caption_px)
        picture = Image.fromarray(pixels)
        picture.thumbnail((side_px - 4, side_px - 4))
        sheet.paste(picture, (left + (side_px - picture.width) // 2, top))
        draw.text((left + 6, top + side_px), caption, fill="white")
    return sheet
