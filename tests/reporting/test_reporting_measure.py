"""Sizes of lesions: against shapes whose sizes are known, and against scikit-image."""

import math
from typing import Any

import numpy as np
import pytest
from skimage import measure as untyped

from sonoloop.geometry import Mask, SpacingMm
from sonoloop.reporting.measure import measure

skimage_measure: Any = untyped
SPACINGS: list[SpacingMm] = [(0.1, 0.1), (0.05, 0.1), (0.1, 0.05), (0.07, 0.1)]


def ellipse(height_mm: float, width_mm: float, spacing_mm: SpacingMm, turned: float = 0.0) -> Mask:
    """An ellipse of these axes in the middle of 400x400 pixels."""
    rows, columns = np.mgrid[0:400, 0:400]
    y, x = (rows - 200) * spacing_mm[0], (columns - 200) * spacing_mm[1]
    along = y * math.cos(turned) + x * math.sin(turned)
    across = x * math.cos(turned) - y * math.sin(turned)
    mask: Mask = (2 * along / height_mm) ** 2 + (2 * across / width_mm) ** 2 < 1
    return mask


@pytest.mark.parametrize("spacing_mm", SPACINGS)
def test_an_ellipse_has_its_axes_whatever_the_pixels(spacing_mm: SpacingMm) -> None:
    size = measure(ellipse(12, 6, spacing_mm), spacing_mm)

    assert size.long_axis_mm == pytest.approx(12, rel=0.01)
    assert size.short_axis_mm == pytest.approx(6, rel=0.03)
    assert size.height_mm == pytest.approx(12, rel=0.01)
    assert size.width_mm == pytest.approx(6, rel=0.02)
    assert size.area_mm2 == pytest.approx(math.pi * 18, rel=0.005)
    assert size.perimeter_mm == pytest.approx(29.07, rel=0.01)  # Ramanujan
    assert size.depth_to_width == pytest.approx(2, rel=0.02)


@pytest.mark.parametrize("spacing_mm", SPACINGS)
def test_the_long_axis_of_a_slanting_lesion_is_no_side_of_its_box(spacing_mm: SpacingMm) -> None:
    size = measure(ellipse(12, 4, spacing_mm, turned=0.7), spacing_mm)

    assert size.long_axis_mm == pytest.approx(12, rel=0.02)
    assert size.short_axis_mm == pytest.approx(4, rel=0.05)
    assert size.height_mm < 11


@pytest.mark.parametrize("radius", [10, 20, 60, 150])
def test_a_disc_is_as_long_round_as_geometry_says(radius: int) -> None:
    rows, columns = np.mgrid[0:400, 0:400]
    size = measure((rows - 200) ** 2 + (columns - 200) ** 2 < radius**2, (1, 1))

    assert size.perimeter_mm == pytest.approx(2 * math.pi * radius, rel=0.01)


def test_scikit_image_agrees() -> None:
    mask = ellipse(9, 5, (0.1, 0.1), turned=0.4)
    region = skimage_measure.regionprops(mask.astype(np.uint8), spacing=(0.1, 0.1))[0]
    size = measure(mask, (0.1, 0.1))

    assert size.long_axis_mm == pytest.approx(region.feret_diameter_max, abs=0.1)
    assert size.area_mm2 == pytest.approx(region.area)
    assert size.perimeter_mm == pytest.approx(region.perimeter, rel=0.05)


def test_twice_the_spacing_is_twice_the_size() -> None:
    mask = ellipse(12, 6, (0.1, 0.1))
    once, twice = measure(mask, (0.1, 0.1)), measure(mask, (0.2, 0.2))

    assert twice.long_axis_mm == pytest.approx(2 * once.long_axis_mm)
    assert twice.perimeter_mm == pytest.approx(2 * once.perimeter_mm)
    assert twice.area_mm2 == pytest.approx(4 * once.area_mm2)
    assert twice.depth_to_width == pytest.approx(once.depth_to_width)


def test_a_single_pixel_has_a_size() -> None:
    mask = np.zeros((40, 50), dtype=bool)
    mask[3, 4] = True
    size = measure(mask, (0.3, 0.4))

    assert size.long_axis_mm == pytest.approx(0.5)
    assert (size.height_mm, size.width_mm) == (0.3, 0.4)
    assert size.perimeter_mm > 0


def test_a_hole_adds_to_the_outline() -> None:
    mask = np.zeros((60, 60), dtype=bool)
    mask[10:50, 10:50] = True
    whole = measure(mask, (1, 1))
    mask[20:40, 20:40] = False

    assert measure(mask, (1, 1)).perimeter_mm == pytest.approx(whole.perimeter_mm + 80, rel=0.03)
