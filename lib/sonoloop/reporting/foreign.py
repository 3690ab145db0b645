"""Segmentations of other programs, read tolerantly: what can be understood is, the rest refused."""

from dataclasses import dataclass

from sonoloop.errors import DocumentError
from sonoloop.geometry import Mask


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ForeignSegment:
    """One segment on one image.

    Attributes:
        image_sop_uid: The image it lies on.
        frame: Frame of that image, from 0.
        segment: Number of the segment.
        label: As its author called it; may be empty.
        mask: (H, W), True on the segment.
    """

    image_sop_uid: str
    frame: int
    segment: int
    label: str
    mask: Mask


def read_segmentation(data: bytes) -> tuple[ForeignSegment, ...]:
    """Every segment of a DICOM SEG on every image it refers to, in the order of the file.

    Raises:
        DocumentError: If the file is no segmentation that can be understood.
    """
    raise DocumentError(f"segmentations of {len(data)} bytes are not read yet")
