"""The one lesion mask of an image from all files that hold a part of it."""

from sonoloop.errors import LabelReadError
from sonoloop.geometry import Mask
from sonoloop.imaging.labelled import read_mask_files
from sonoloop.labels import Pathology
from sonoloop.records import LabelledImage


def merged_mask(image: LabelledImage, shape: tuple[int, int]) -> Mask:
    """Union of an image's mask files; empty when it has none.

    Args:
        image: With its mask files.
        shape: (H, W) of its pixels.

    Raises:
        LabelReadError: If a file is unreadable or of another size, or the union contradicts the
            pathology: a lesion in a normal image, none in another.
    """
    mask = read_mask_files(image.mask_paths, shape=shape)
    if image.pathology is Pathology.NORMAL and mask.any():
        raise LabelReadError("the image is called normal, but its mask holds a lesion")
    if image.mask_paths and image.pathology not in (None, Pathology.NORMAL) and not mask.any():
        raise LabelReadError(f"the image is called {image.pathology}, but its mask is empty")
    return mask
