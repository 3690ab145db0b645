"""Labelled images as arrays: the picture and the union of its mask files."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sonoloop.errors import LabelReadError
from sonoloop.geometry import Mask
from sonoloop.imaging.image import UltrasoundImage
from sonoloop.imaging.masks import decode_label_map
from sonoloop.imaging.read import read_image
from sonoloop.records import LabelledImage


def read_mask_files(paths: Sequence[Path], *, shape: tuple[int, int]) -> Mask:
    """Union of mask files, (H, W); empty where there is no file.

    Raises:
        LabelReadError: If a file cannot be read or is not of ``shape`` = (H, W).
    """
    union = np.zeros(shape, dtype=bool)
    for path in paths:
        try:
            data = path.read_bytes()
        except OSError as error:
            raise LabelReadError(f"mask {path.name} cannot be read: {error.strerror}") from None
        union |= decode_label_map(data, path.name, shape=shape) > 0
    return union


def read_labelled(item: LabelledImage) -> tuple[UltrasoundImage, Mask]:
    """The image and its lesion mask, both on the image's own grid.

    Raises:
        ImageReadError: If the image cannot be read.
        LabelReadError: If a mask cannot be read or does not fit.
    """
    image = read_image(item.image_path, frame=item.frame)
    shape = (image.pixels.shape[0], image.pixels.shape[1])
    return image, read_mask_files(item.mask_paths, shape=shape)
