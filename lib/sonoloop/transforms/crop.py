"""The part of an image that the classifier looks at."""

import numpy as np
import numpy.typing as npt

from sonoloop.geometry import Box


def crop_box(pixels: npt.NDArray[np.uint8], box: Box) -> npt.NDArray[np.uint8]:
    """The pixels inside ``box``, (height, width); a copy."""
    return np.ascontiguousarray(pixels[box.top : box.bottom, box.left : box.right])


def lesion_crop_box(tight: Box, *, margin: float, within: tuple[int, int]) -> Box:
    """The box a classifier sees for a lesion.

    Args:
        tight: Tight box around the lesion.
        margin: Added on every side, as a share of the lesion's longer side.
        within: (H, W) of the image.
    """
    return tight.padded(round(margin * max(tight.height, tight.width)), within=within)
