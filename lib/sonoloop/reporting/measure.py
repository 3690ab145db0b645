"""Sizes of a lesion as callipers would measure them, in millimetres; pixels may be oblong."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist, squareform
from skimage import measure as untyped

from sonoloop.geometry import Mask, SpacingMm

_shapes: Any = untyped  # the package has types for half of its functions only
_HALF = 0.5
_STRAY_PX = 1.0  # within 1 % of the truth on discs of 10 to 200 pixels and on oblong pixels
_SMALL = 8  # an outline strays by an eighth of its extent at most, so that specks keep one


@dataclass(frozen=True, slots=True, kw_only=True)
class LesionSize:
    """Sizes of one lesion.

    Attributes:
        long_axis_mm: Largest distance between two points of the outline.
        short_axis_mm: Extent at right angles to the long axis.
        area_mm2: Pixels times their size.
        perimeter_mm: Length of the outline, of holes too.
        height_mm: Extent along the columns of pixels: depth, where the probe is at the top.
        width_mm: Extent along the rows of pixels.
    """

    long_axis_mm: float
    short_axis_mm: float
    area_mm2: float
    perimeter_mm: float
    height_mm: float
    width_mm: float

    @property
    def depth_to_width(self) -> float:
        """Above 1 is taller than wide, which is a sign of malignancy."""
        return self.height_mm / self.width_mm


def measure(mask: Mask, spacing_mm: SpacingMm) -> LesionSize:
    """Sizes of the one lesion in ``mask`` (H, W), which is not empty.

    Example:
        >>> mask = np.zeros((20, 20), dtype=bool)
        >>> mask[5:15, 8:12] = True
        >>> size = measure(mask, (0.1, 0.2))
        >>> round(size.height_mm, 3), round(size.width_mm, 3), round(size.area_mm2, 3)
        (1.0, 0.8, 0.8)
    """
    region = _shapes.regionprops(mask.astype(np.uint8), spacing=spacing_mm)[0]
    top, left, bottom, right = region.bbox
    long_axis, short_axis = _axes(region.coords, spacing_mm)
    return LesionSize(
        long_axis_mm=long_axis,
        short_axis_mm=short_axis,
        area_mm2=float(region.area),
        perimeter_mm=_perimeter(region.image, spacing_mm),
        height_mm=(bottom - top) * spacing_mm[0],
        width_mm=(right - left) * spacing_mm[1],
    )


def _axes(pixels: npt.NDArray[np.int64], spacing_mm: SpacingMm) -> tuple[float, float]:
    """Long and short axis of the corners of ``pixels`` (N, 2)."""
    corners = [pixels + offset for offset in ((0, 0), (0, 1), (1, 0), (1, 1))]
    points = np.unique(np.concatenate(corners), axis=0) * np.asarray(spacing_mm)
    outline = points[ConvexHull(points).vertices]
    distances = squareform(pdist(outline))
    first, last = np.unravel_index(int(distances.argmax()), distances.shape)
    along = (outline[last] - outline[first]) / distances[first, last]
    across = outline @ np.array([-along[1], along[0]])
    return float(distances[first, last]), float(np.ptp(across))


def _perimeter(mask: Mask, spacing_mm: SpacingMm) -> float:
    """Length of the outline without its stairs: drawn with lines that stray by one pixel at most.

    Counting the edges of pixels would be 5 % too long, and Crofton's formula needs square pixels.
    """
    contours = _shapes.find_contours(np.pad(mask, 1).astype(np.float32), _HALF)
    strays = [min(_STRAY_PX, float(np.ptp(one)) / _SMALL) for one in contours]
    lines = [
        _shapes.approximate_polygon(contour, stray) * np.asarray(spacing_mm)
        for contour, stray in zip(contours, strays, strict=True)
    ]
    return sum(float(np.hypot(*np.diff(line, axis=0).T).sum()) for line in lines)
