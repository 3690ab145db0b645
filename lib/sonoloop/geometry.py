"""Masks and boxes on an image's own grid: rows first, half-open, in pixels."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from sonoloop.errors import GeometryError

Mask: TypeAlias = npt.NDArray[np.bool_]
"""(H, W), True on the lesion."""

LabelMap: TypeAlias = npt.NDArray[np.uint8]
"""(H, W), 0 is background."""

ProbabilityMap: TypeAlias = npt.NDArray[np.float32]
"""(H, W), lesion probability in [0, 1]."""

SpacingMm: TypeAlias = tuple[float, float]
"""Distance between pixel centres in millimetres, (row, column)."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of pixels: rows ``top`` to ``bottom - 1``, columns ``left`` to ``right - 1``."""

    top: int
    left: int
    bottom: int
    right: int

    def __post_init__(self) -> None:
        if self.top >= self.bottom or self.left >= self.right:
            raise GeometryError(f"box {self!r} holds no pixel (bottom > top and right > left)")

    @property
    def height(self) -> int:
        """Rows in the box."""
        return self.bottom - self.top

    @property
    def width(self) -> int:
        """Columns in the box."""
        return self.right - self.left

    def padded(self, margin_px: int, *, within: tuple[int, int]) -> "Box":
        """The box grown by ``margin_px`` on every side, cut at an image of ``within`` = (H, W)."""
        return Box(
            max(0, self.top - margin_px),
            max(0, self.left - margin_px),
            min(within[0], self.bottom + margin_px),
            min(within[1], self.right + margin_px),
        )

    def as_list(self) -> list[int]:
        """``[top, left, bottom, right]``, as JSON carries it."""
        return [self.top, self.left, self.bottom, self.right]


def bounding_box(mask: Mask) -> Box | None:
    """Smallest box that holds every lesion pixel.

    Args:
        mask: (H, W), True on the lesion.

    Returns:
        The box, or None when the mask is empty: an image without a lesion is an answer, not an
        error.

    Raises:
        GeometryError: If ``mask`` is not two-dimensional.

    Example:
        >>> mask = np.zeros((6, 8), dtype=bool)
        >>> mask[2:4, 3:7] = True
        >>> bounding_box(mask)
        Box(top=2, left=3, bottom=4, right=7)
    """
    if mask.ndim != 2:
        raise GeometryError(f"a mask has two axes (H, W), got shape {mask.shape}")
    rows = np.flatnonzero(mask.any(axis=1))
    if rows.size == 0:
        return None
    columns = np.flatnonzero(mask[rows[0] : rows[-1] + 1].any(axis=0))
    return Box(int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1)


def lesion_area_mm2(mask: Mask, spacing_mm: SpacingMm | None) -> float | None:
    """Area of the lesion, or None when the image carries no physical scale.

    Args:
        mask: (H, W), True on the lesion.
        spacing_mm: Distance between pixel centres, (row, column), in millimetres. None for
            images that state no calibration: a made-up 1.0 would turn pixels into a measurement.
    """
    if spacing_mm is None:
        return None
    return float(mask.sum()) * spacing_mm[0] * spacing_mm[1]
