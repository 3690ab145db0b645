"""The one way an image becomes what a network sees, for training, validation and inference.

Taller-than-wide is a sign of malignancy (ACR BI-RADS Atlas, 5th edition, ultrasound: orientation
"not parallel"), so a plain resize to a square would erase what the classifier must see. The image
is scaled to fit the square and padded with black, as the surroundings of a sector are.
"""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from sonoloop.errors import GeometryError
from sonoloop.geometry import Mask, ProbabilityMap

GreyPixels = npt.NDArray[np.uint8]
"""(H, W) in [0, 255]."""

NetworkInput = npt.NDArray[np.float32]
"""(S, S) in [0, 1]."""


Number = TypeVar("Number", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Placement:
    """Where :func:`letterbox` put an image inside the square; enough to undo it.

    Attributes:
        source_shape: (H, W) of the image.
        top: First row of the image inside the square.
        left: First column of the image inside the square.
        shape: (height, width) of the image inside the square.
    """

    source_shape: tuple[int, int]
    top: int
    left: int
    shape: tuple[int, int]

    def restore(self, output: npt.NDArray[np.float32]) -> ProbabilityMap:
        """Map an (S, S) network output back onto the source image, as (H, W) float32."""
        inside = _inside(output, self)
        if self.shape == self.source_shape:
            return np.array(inside, dtype=np.float32)
        picture = Image.fromarray(np.ascontiguousarray(inside, dtype=np.float32))
        size = (self.source_shape[1], self.source_shape[0])
        return np.asarray(picture.resize(size, Image.Resampling.BILINEAR), dtype=np.float32)


def placement_in(shape: tuple[int, int], size_px: int) -> Placement:
    """How an image of ``shape`` = (H, W) is centred in a square of ``size_px``.

    Raises:
        GeometryError: If the image is empty.

    Example:
        >>> placement_in((100, 200), 64)
        Placement(source_shape=(100, 200), top=16, left=0, shape=(32, 64))
    """
    height, width = shape
    if height < 1 or width < 1:
        raise GeometryError(f"image of shape {shape} holds no pixel")
    scale = size_px / max(height, width)
    inner = (max(1, round(height * scale)), max(1, round(width * scale)))
    return Placement(shape, (size_px - inner[0]) // 2, (size_px - inner[1]) // 2, inner)


def letterbox(pixels: GreyPixels, size_px: int) -> tuple[NetworkInput, Placement]:
    """Scale an image to fit a black square, aspect ratio kept.

    Args:
        pixels: (H, W) uint8; left as it was.
        size_px: Side of the square.

    Returns:
        The square, (S, S) float32 in [0, 1], and where the image lies in it.

    Raises:
        GeometryError: If the image is empty.
    """
    placement = placement_in((pixels.shape[0], pixels.shape[1]), size_px)
    square = np.zeros((size_px, size_px), dtype=np.float32)
    np.divide(_scaled(pixels, placement), np.float32(255), out=_inside(square, placement))
    return square, placement


def letterbox_pixels(pixels: GreyPixels, size_px: int) -> tuple[GreyPixels, Placement]:
    """Like :func:`letterbox`, but (S, S) uint8: what a training keeps in memory."""
    placement = placement_in((pixels.shape[0], pixels.shape[1]), size_px)
    return _paste(pixels, placement, size_px), placement


def letterbox_mask(mask: Mask, size_px: int) -> GreyPixels:
    """A lesion mask on the square of :func:`letterbox`, (S, S) uint8 of 0 and 1."""
    placement = placement_in((mask.shape[0], mask.shape[1]), size_px)
    soft = _paste(mask.astype(np.uint8) * 255, placement, size_px)
    return (soft >= 128).astype(np.uint8)


def _scaled(pixels: GreyPixels, placement: Placement) -> GreyPixels:
    height, width = placement.shape
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR))


def _inside(square: npt.NDArray[Number], placement: Placement) -> npt.NDArray[Number]:
    height, width = placement.shape
    return square[placement.top : placement.top + height, placement.left : placement.left + width]


def _paste(pixels: GreyPixels, placement: Placement, size_px: int) -> GreyPixels:
    square = np.zeros((size_px, size_px), dtype=np.uint8)
    _inside(square, placement)[:] = _scaled(pixels, placement)
    return square
