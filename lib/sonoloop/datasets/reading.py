"""What reading a data set gives: the images that can be used, and the rest with the reason."""

from dataclasses import dataclass
from typing import Literal

from sonoloop.records import LabelledImage

Layout = Literal["busi", "busbra", "manifest", "folder", "studies"]

IMAGE_SUFFIXES = frozenset({".dcm", ".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"})
"""Files taken for images, by lower-case suffix."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file or row that was left out.

    Attributes:
        image: Path relative to the data set, or the row it stands in.
        reason: Why, as a phrase for the user.
    """

    image: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetReading:
    """A data set as found on disk.

    Attributes:
        name: Short safe name, such as ``busbra``; part of what identifies an imported image.
        layout: How the data set is laid out.
        images: What can be used, in a stable order.
        skipped: What cannot, with the reason.
    """

    name: str
    layout: Layout
    images: tuple[LabelledImage, ...]
    skipped: tuple[Skipped, ...] = ()
