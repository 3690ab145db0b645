"""Scale and region: believed when believable, None otherwise."""

import copy
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset

from sonoloop.geometry import Box
from sonoloop.imaging.read import read_header, read_image

Write = Callable[..., Path]
BOX = Box(top=10, left=20, bottom=90, right=120)


def calibrated(builders: Any, **changes: Any) -> Dataset:
    """A 96 x 128 image of 0.1 mm by 0.2 mm pixels in ``BOX``, its region changed."""
    ds: Dataset = builders.dataset(builders.GREY, spacing_mm=(0.1, 0.2), region=BOX)
    for keyword, value in changes.items():
        setattr(ds.SequenceOfUltrasoundRegions[0], keyword, value)
    return ds


def second_region(ds: Dataset, **changes: Any) -> Dataset:
    """The data set with a changed copy of its region beside it."""
    region = copy.deepcopy(ds.SequenceOfUltrasoundRegions[0])
    for keyword, value in changes.items():
        setattr(region, keyword, value)
    ds.SequenceOfUltrasoundRegions.append(region)
    return ds


def test_the_region_gives_row_and_column_spacing_in_millimetres(
    builders: Any, write: Write
) -> None:
    image = read_image(write(builders.saved(calibrated(builders))))

    assert image.spacing_mm == pytest.approx((0.1, 0.2))
    assert image.region == BOX
    assert image.flags == ()


def test_without_a_region_nothing_is_made_up(builders: Any, write: Write) -> None:
    image = read_image(write(builders.saved(builders.dataset(builders.GREY))))

    assert image.spacing_mm is None
    assert image.region is None
    assert image.flags == ()


@pytest.mark.parametrize(
    ("changes", "region"),
    [
        ({"PhysicalDeltaX": 0.0, "PhysicalDeltaY": 0.0}, BOX),
        ({"PhysicalDeltaX": math.nan}, BOX),
        ({"PhysicalDeltaX": math.inf}, BOX),
        ({"PhysicalDeltaY": 1.0}, BOX),
        ({"PhysicalUnitsXDirection": 4, "PhysicalUnitsYDirection": 7}, BOX),
        ({"RegionLocationMinX0": 110, "RegionLocationMaxX1": 20}, None),
        ({"RegionLocationMaxY1": 12}, None),
        ({"RegionLocationMinX0": 5000}, None),
    ],
    ids=["zero", "nan", "infinite", "too_large", "hertz", "inverted", "flat", "outside"],
)
def test_an_unbelievable_scale_is_unknown_and_said_to_be(
    builders: Any, write: Write, changes: dict[str, Any], region: Box | None
) -> None:
    path = write(builders.saved(calibrated(builders, **changes)))

    assert read_image(path).spacing_mm is None
    assert read_image(path).region == region
    assert read_image(path).flags == read_header(path).flags == ("calibration_ignored",)


def test_a_negative_step_is_a_direction(builders: Any, write: Write) -> None:
    image = read_image(write(builders.saved(calibrated(builders, PhysicalDeltaX=-0.02))))

    assert image.spacing_mm == pytest.approx((0.1, 0.2))


def test_a_region_beyond_the_image_is_cut_at_its_edge(builders: Any, write: Write) -> None:
    changes = {"RegionLocationMaxX1": 5000, "RegionLocationMaxY1": 5000}
    image = read_image(write(builders.saved(calibrated(builders, **changes))))

    assert image.region == Box(10, 20, 96, 128)
    assert image.spacing_mm == pytest.approx((0.1, 0.2))


@pytest.mark.parametrize(
    "changes", [{"RegionSpatialFormat": 3, "RegionDataType": 3}, {"RegionDataType": 10}]
)
def test_a_spectrum_is_no_picture(builders: Any, write: Write, changes: dict[str, int]) -> None:
    image = read_image(write(builders.saved(calibrated(builders, **changes))))

    assert image.region is None
    assert image.spacing_mm is None


def test_the_largest_view_is_taken_and_a_thumbnail_does_not_count(
    builders: Any, write: Write
) -> None:
    ds = calibrated(builders, RegionLocationMaxX1=45, RegionLocationMaxY1=35, PhysicalDeltaX=0.1)
    larger = {"RegionLocationMaxX1": 119, "RegionLocationMaxY1": 89, "PhysicalDeltaX": 0.02}
    image = read_image(write(builders.saved(second_region(ds, **larger))))

    assert image.region == BOX
    assert image.spacing_mm == pytest.approx((0.1, 0.2))
    assert image.flags == ()


def test_two_views_of_one_scale_are_flagged(builders: Any, write: Write) -> None:
    ds = second_region(calibrated(builders), PhysicalDeltaX=0.0201)
    image = read_image(write(builders.saved(ds)))

    assert image.spacing_mm == pytest.approx((0.1, 0.2))
    assert image.flags == ("several_regions",)


def test_two_views_of_different_scales_leave_the_scale_unknown(builders: Any, write: Write) -> None:
    ds = second_region(calibrated(builders), PhysicalDeltaX=0.03)
    image = read_image(write(builders.saved(ds)))

    assert image.spacing_mm is None
    assert image.flags == ("calibration_ignored", "several_regions")


@pytest.mark.parametrize(
    ("stated", "expected"), [([0.2, 0.3], (0.2, 0.3)), ([5, 5], None), ([0.2, 0], None)]
)
def test_pixel_spacing_is_believed_when_no_region_says_more(
    builders: Any, write: Write, stated: list[float], expected: tuple[float, float] | None
) -> None:
    ds = builders.dataset(builders.GREY)
    ds.PixelSpacing = stated
    image = read_image(write(builders.saved(ds)))

    assert image.spacing_mm == expected
    assert ("calibration_ignored" in image.flags) == (expected is None)


@pytest.mark.filterwarnings("ignore:End of file reached")  # pydicom's words on the way
def test_a_broken_sequence_of_regions_leaves_the_scale_unknown(builders: Any, write: Write) -> None:
    content = builders.saved(calibrated(builders))
    start = content.find(b"\x18\x00\x11\x60SQ") + 12
    image = read_image(write(content[:start] + b"\xff" * 100 + content[start + 100 :]))

    assert image.spacing_mm is None
    assert image.region is None
