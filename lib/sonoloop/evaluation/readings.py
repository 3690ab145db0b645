"""What one reader says of one image, as agreement and consensus need it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from sonoloop.errors import GeometryError
from sonoloop.geometry import Mask
from sonoloop.labels import Pathology


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One reader's answer; what is None was not answered and is never guessed.

    Attributes:
        mask: (H, W), True on the lesion, empty for "no lesion"; None without an outline.
        birads: Assessment category of the ACR BI-RADS Atlas, or None.
    """

    reader: str
    mask: Mask | None = None
    pathology: Pathology | None = None
    birads: str | None = None


Readings: TypeAlias = Sequence[Reading]


def raise_if_incomparable(readings: Readings) -> None:
    """Take only readings of one image, one of each reader.

    Raises:
        GeometryError: If masks differ in shape or one reader is there twice.
    """
    names = [reading.reader for reading in readings]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise GeometryError(f"readers {twice} have several readings of one image (take the newest)")
    shapes = {reading.mask.shape for reading in readings if reading.mask is not None}
    if len(shapes) > 1:
        raise GeometryError(f"masks of one image have the shapes {sorted(shapes)}")
