"""Where the ultrasound is on the screen and how large its pixels are.

Ultrasound states its scale in Sequence of Ultrasound Regions (PS3.3 C.8.5.5), in centimetres a
pixel; most readers ignore it and report 1.0 mm. What is not believable counts as unknown: a wrong
millimetre is worse than none.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sonoloop.geometry import Box, SpacingMm
from sonoloop.imaging.dicom_header import PARSE_ERRORS, Attributes
from sonoloop.imaging.vocabulary import Flag

MIN_SPACING_MM: Final = 0.005
MAX_SPACING_MM: Final = 2.0

_TWO_DIMENSIONAL: Final = 1
_TISSUE_OR_COLOUR_FLOW: Final = (1, 2)
_CENTIMETRE: Final = 3
_MIN_REGION_SIDE_PX: Final = 16
_RIVAL_AREA: Final = 0.5
"""A second view at least this large, relative to the largest, may hold the lesion as well."""

_SAME_SCALE: Final = 0.02


@dataclass(frozen=True, slots=True)
class Calibration:
    """Region of the ultrasound and its scale; None for what is unknown."""

    region: Box | None = None
    spacing_mm: SpacingMm | None = None
    flags: tuple[Flag, ...] = ()


@dataclass(frozen=True, slots=True)
class _Region:
    box: Box
    spacing_mm: SpacingMm | None

    @property
    def area(self) -> int:
        return self.box.height * self.box.width


def calibration_of(elements: Attributes, shape: tuple[int, int]) -> Calibration:
    """The calibration of an image of ``shape`` = (H, W).

    The largest two-dimensional tissue or colour region decides. Views of comparable size that have
    another scale make the scale unknown, since a mask does not say in which view it lies. Without
    a region, PixelSpacing is believed if it is between 0.005 and 2 mm.
    """
    try:
        items = list(elements.items("SequenceOfUltrasoundRegions"))
    except PARSE_ERRORS:
        return Calibration(flags=(Flag.CALIBRATION_IGNORED,))
    items = [item for item in items if _is_two_dimensional(item)]
    regions = [region for item in items if (region := _region(item, shape))]
    regions.sort(key=lambda region: -region.area)
    rivals = [region for region in regions if region.area >= _RIVAL_AREA * regions[0].area]
    spacing_mm = _common_spacing(rivals) or _pixel_spacing(elements)
    flags = []
    if spacing_mm is None and (_states_scale(items) or elements.raw("PixelSpacing")):
        flags.append(Flag.CALIBRATION_IGNORED)
    if len(rivals) > 1:
        flags.append(Flag.SEVERAL_REGIONS)
    return Calibration(regions[0].box if regions else None, spacing_mm, tuple(flags))


def _is_two_dimensional(item: Attributes) -> bool:
    return (
        item.short("RegionSpatialFormat") == _TWO_DIMENSIONAL
        and item.short("RegionDataType") in _TISSUE_OR_COLOUR_FLOW
    )


def _region(item: Attributes, shape: tuple[int, int]) -> _Region | None:
    """The part of the region inside the image, or None when hardly anything is."""
    keywords = ("MinY0", "MinX0", "MaxY1", "MaxX1")
    stated = [item.number(f"RegionLocation{keyword}", "I") for keyword in keywords]
    top, left, last_row, last_column = (-1 if value is None else int(value) for value in stated)
    bottom, right = min(last_row + 1, shape[0]), min(last_column + 1, shape[1])
    if min(top, left) < 0 or min(bottom - top, right - left) < _MIN_REGION_SIDE_PX:
        return None
    return _Region(Box(top, left, bottom, right), _region_spacing(item))


def _region_spacing(item: Attributes) -> SpacingMm | None:
    units = (item.short("PhysicalUnitsYDirection"), item.short("PhysicalUnitsXDirection"))
    if units != (_CENTIMETRE, _CENTIMETRE):
        return None
    row_cm, column_cm = item.number("PhysicalDeltaY", "d"), item.number("PhysicalDeltaX", "d")
    if row_cm is None or column_cm is None:
        return None
    return _believable(abs(row_cm) * 10, abs(column_cm) * 10)  # the sign is a direction


def _pixel_spacing(elements: Attributes) -> SpacingMm | None:
    try:
        row_mm, column_mm = map(float, (elements.text("PixelSpacing") or "").split("\\"))
    except ValueError:
        return None
    return _believable(row_mm, column_mm)


def _believable(row_mm: float, column_mm: float) -> SpacingMm | None:
    inside = all(MIN_SPACING_MM < value < MAX_SPACING_MM for value in (row_mm, column_mm))
    return (row_mm, column_mm) if inside else None  # NaN is never inside


def _common_spacing(regions: Sequence[_Region]) -> SpacingMm | None:
    """Spacing of the first region, or None if another calibrated one contradicts it."""
    spacings = [region.spacing_mm for region in regions]
    if not spacings or spacings[0] is None:
        return None
    first = spacings[0]
    agree = all(
        math.isclose(own, other, rel_tol=_SAME_SCALE)
        for spacing in spacings
        if spacing
        for own, other in zip(first, spacing, strict=True)
    )
    return first if agree else None


def _states_scale(items: Sequence[Attributes]) -> bool:
    return any(item.raw("PhysicalDeltaX") or item.raw("PhysicalDeltaY") for item in items)
