"""What may be done to an image before a network sees it: border, speckle, contrast.

The steps are named by a setting of the training, kept in the model card, and done again to every
image the model is asked about. Without steps an image stays as it is.
"""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from sonoloop.errors import ConfigError
from sonoloop.geometry import Box, bounding_box
from sonoloop.settings import unknown_steps
from sonoloop.transforms.crop import crop_box
from sonoloop.transforms.letterbox import GreyPixels

Line = npt.NDArray[np.float64]

TEXTURE_PX: Final = 5
"""Side of the neighbourhood in which echoes vary and a frame does not."""
TEXTURE_GREY: Final = 6
"""Grey levels by which they vary at least; JPEG around black text stays mostly below."""
SOLID_SHARE: Final = 0.5
"""Share of textured pixels around a pixel from which on it belongs to the sector."""
SMALLEST_SECTOR: Final = 0.05
"""Share of the image below which what was found is no sector, and nothing is cut."""

LIT_SHARE: Final = 0.2
"""Share of lit pixels in a row or column from which on the sector goes on there."""

BILATERAL_SIDE_PX: Final = 5
BILATERAL_GREY: Final = 0.1
BILATERAL_DISTANCE_PX: Final = 1.5

CLIP_LIMIT: Final = 0.01


def preprocess(pixels: GreyPixels, steps: Sequence[str]) -> tuple[GreyPixels, Box]:
    """The image as a network wants it, and where it lies in the image it was.

    Args:
        pixels: (H, W) uint8; left as it was.
        steps: Names of :data:`sonoloop.settings.PREPROCESSING_STEPS`, done in this order.

    Returns:
        (h, w) uint8 and its box on the grid of ``pixels``: (0, 0, H, W) unless a step crops.

    Raises:
        ConfigError: If there is no such step.

    Example:
        >>> preprocess(np.zeros((4, 6), np.uint8), ["strip_border"])[1]
        Box(top=0, left=0, bottom=4, right=6)
    """
    problems = unknown_steps(steps)
    if problems:
        raise ConfigError(problems)
    box = Box(0, 0, pixels.shape[0], pixels.shape[1])
    for step in steps:
        if step == "strip_border":
            inner = sector_box(pixels)
            pixels, box = crop_box(pixels, inner), placed(inner, box)
        else:
            pixels = _GREY_STEPS[step](pixels)
    return pixels, box


def on_grid_of(part: Box, box: Box) -> Box | None:
    """A box of an image on the grid of the ``part`` of it that :func:`preprocess` kept.

    Returns:
        What of ``box`` lies inside; None when nothing does.

    Example:
        >>> on_grid_of(Box(10, 10, 50, 90), Box(0, 20, 30, 40))
        Box(top=0, left=10, bottom=20, right=30)
    """
    top, left = max(box.top, part.top), max(box.left, part.left)
    bottom, right = min(box.bottom, part.bottom), min(box.right, part.right)
    if top >= bottom or left >= right:
        return None
    return Box(top - part.top, left - part.left, bottom - part.top, right - part.left)


def placed(inner: Box, outer: Box) -> Box:
    """A box on the grid of ``outer``'s pixels, on the grid that ``outer`` itself lies on.

    Example:
        >>> placed(Box(0, 10, 20, 30), Box(10, 10, 50, 90))
        Box(top=10, left=20, bottom=30, right=40)
    """
    top, left = outer.top, outer.left
    return Box(top + inner.top, left + inner.left, top + inner.bottom, left + inner.right)


def sector_box(pixels: GreyPixels) -> Box:
    """Where the ultrasound lies in a screen copy: without black frame, texts and rulers.

    The sector is the largest patch of texture: echoes vary from pixel to pixel, a frame of one
    grey value does not, and texts and rulers are small. A picture whose texture reaches its top,
    left and right has no frame, and nothing is cut, however dark it is below: there the sound was
    spent, not the tissue.

    Args:
        pixels: (H, W) uint8.

    Returns:
        The whole image where there is no frame or no sector.
    """
    height, width = pixels.shape
    whole = Box(0, 0, height, width)
    window = max(7, min(height, width) // 40 * 2 + 1)
    patch = _largest_patch(pixels, window)
    if patch is None:
        return whole
    box = _grown(patch, pixels, window)
    framed = box.top > height // 100 or box.left > width // 100 or box.right < width - width // 100
    return box if framed else whole


def _largest_patch(pixels: GreyPixels, window: int) -> Box | None:
    contrast = ndimage.maximum_filter(pixels, TEXTURE_PX) - ndimage.minimum_filter(
        pixels, TEXTURE_PX
    )
    share = ndimage.uniform_filter((contrast > TEXTURE_GREY).astype(np.float32), window)
    labels, count = ndimage.label(share > SOLID_SHARE)
    if count == 0:
        return None
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    largest = int(sizes.argmax())
    if sizes[largest] < SMALLEST_SECTOR * pixels.size:
        return None
    return bounding_box(labels == largest)


def _grown(box: Box, pixels: GreyPixels, window: int) -> Box:
    """The box, moved out on every side for as long as what comes next is lit, not black."""
    lit = pixels > TEXTURE_GREY
    top, bottom = _reach(lit[:, box.left : box.right].mean(axis=1), box.top, box.bottom, window)
    left, right = _reach(lit[top:bottom].mean(axis=0), box.left, box.right, window)
    return Box(top, left, bottom, right)


def _reach(lit: Line, begin: int, end: int, window: int) -> tuple[int, int]:
    """Ends of the run of lit lines that holds ``begin`` to ``end - 1``."""
    dark = ndimage.uniform_filter1d(lit, window, mode="nearest") < LIT_SHARE
    before = np.flatnonzero(dark[:begin])
    after = np.flatnonzero(dark[end:])
    return (
        min(begin, int(before[-1]) + 1) if before.size else 0,
        end + int(after[0]) if after.size else len(lit),
    )


def despeckle(pixels: GreyPixels) -> GreyPixels:
    """Speckle smoothed, edges kept.

    Tomasi, Manduchi, "Bilateral Filtering for Gray and Color Images", ICCV 1998. Display has
    compressed the echoes by a logarithm, which turns multiplicative speckle into noise of one
    width at every grey value (Kaplan, Ma, "On the statistical characteristics of log-compressed
    Rayleigh signals", J. Acoust. Soc. Am. 95, 1994): the case the filter is made for.
    """
    from skimage.restoration import denoise_bilateral

    smooth = denoise_bilateral(
        pixels.astype(np.float32) / 255,
        win_size=BILATERAL_SIDE_PX,
        sigma_color=BILATERAL_GREY,
        sigma_spatial=BILATERAL_DISTANCE_PX,
    )
    grey: GreyPixels = np.rint(smooth * 255).astype(np.uint8)
    return grey


def equalise(pixels: GreyPixels) -> GreyPixels:
    """Contrast evened out locally; a picture of one grey value stays as it is.

    Zuiderveld, "Contrast Limited Adaptive Histogram Equalization", Graphics Gems IV, 1994, over
    tiles of an eighth of either side.
    """
    if pixels.min() == pixels.max():
        return pixels.copy()
    from skimage.exposure import equalize_adapthist

    even = equalize_adapthist(pixels, clip_limit=CLIP_LIMIT)
    grey: GreyPixels = np.rint(even * 255).astype(np.uint8)
    return grey


_GREY_STEPS: Final[dict[str, Callable[[GreyPixels], GreyPixels]]] = {
    "despeckle": despeckle,
    "equalise": equalise,
}
