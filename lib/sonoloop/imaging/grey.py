"""From decoded samples to luminance, and whether there is colour on the picture."""

from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

Grey = npt.NDArray[np.uint8]
ColourSpace = Literal["grey", "rgb", "ybr"]

_COLOURED_SPREAD: Final = 40
"""Least difference between the largest and the smallest of R, G and B that counts as colour."""

_COLOURED_SHARE: Final = 0.002
_STEP: Final = 2
"""Every second row and column is looked at for colour: an overlay is larger than a pixel."""


def luminance(samples: npt.NDArray[np.uint8], space: ColourSpace) -> Grey:
    """Brightness as a reader sees it (ITU-R BT.601, as JPEG and DICOM's YBR_FULL use it).

    Args:
        samples: (H, W) grey, or (H, W, 3).
        space: What the samples are.

    Example:
        >>> luminance(np.array([[[255, 0, 0], [9, 9, 9]]], dtype=np.uint8), "rgb").tolist()
        [[76, 9]]
    """
    if space == "rgb":
        return np.asarray(Image.fromarray(np.ascontiguousarray(samples)).convert("L"))
    return np.ascontiguousarray(samples if space == "grey" else samples[..., 0])


def has_colour(samples: npt.NDArray[np.uint8], space: ColourSpace) -> bool:
    """Whether more than 0.2 % of the pixels are clearly coloured."""
    if space == "grey":
        return False
    first, second, third = np.moveaxis(samples[::_STEP, ::_STEP].astype(np.int16), 2, 0)
    if space == "ybr":
        blue, red = second - 128, third - 128
        first, second, third = red * 1.402, -0.344 * blue - 0.714 * red, blue * 1.772
    spread = np.maximum(np.maximum(first, second), third) - np.minimum(
        np.minimum(first, second), third
    )
    return bool((spread > _COLOURED_SPREAD).mean() > _COLOURED_SHARE)


def looks_like_ybr(samples: npt.NDArray[np.uint8]) -> bool:
    """Whether three unlabelled components are luminance and chroma rather than R, G and B.

    Ultrasound is nearly all grey: in RGB its three components are equal, in YCbCr the last two are
    128. Black pixels, of which a screen is full, tell the two apart.

    Args:
        samples: (H, W, 3).
    """
    first, second, third = np.moveaxis(samples[::_STEP, ::_STEP].astype(np.int16), 2, 0)
    near = _COLOURED_SPREAD // 2
    neutral_chroma = (np.abs(second - 128) < near) & (np.abs(third - 128) < near)
    equal = (np.abs(first - second) < near) & (np.abs(first - third) < near)
    return bool(neutral_chroma.mean() > equal.mean())


def to_8_bit(values: npt.NDArray[Any], bits_stored: int) -> Grey:
    """Unsigned samples of ``bits_stored`` bits, scaled linearly to 0-255 and rounded.

    Bits above the stored ones are dropped: DICOM allows anything there.

    Example:
        >>> to_8_bit(np.array([0, 2048, 4095], dtype=np.uint16), 12).tolist()
        [0, 128, 255]
    """
    highest = (1 << bits_stored) - 1
    wide = (values & highest).astype(np.uint32)
    return ((wide * 255 + highest // 2) // highest).astype(np.uint8)
