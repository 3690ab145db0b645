"""Random fields and curves from which tissue is made; all seeded, all on a pixel grid."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

Field: TypeAlias = npt.NDArray[np.float64]
"""(rows, columns) or (columns,) of a quantity named by its variable."""


def smooth_field(
    shape: tuple[int, int], *, scale_px: tuple[float, float], rng: np.random.Generator
) -> Field:
    """Gaussian field of mean 0 and standard deviation 1 with the given correlation lengths.

    Args:
        shape: (rows, columns).
        scale_px: Standard deviation of the smoothing, (row, column), in pixels.
        rng: Source of randomness.
    """
    field = gaussian_filter(rng.standard_normal(shape), scale_px, mode="reflect")
    return np.asarray((field - field.mean()) / field.std(), dtype=np.float64)


def wavy_line(x_mm: Field, *, amplitude_mm: float, rng: np.random.Generator) -> Field:
    """A gentle curve around 0 over lateral positions: three long waves with random phases."""
    span_mm = float(x_mm[-1] - x_mm[0])
    waves: list[Field] = [
        rng.uniform(0.3, 1.0) / k * np.sin(2 * np.pi * k * x_mm / (1.6 * span_mm) + phase)
        for k, phase in enumerate(rng.uniform(0, 2 * np.pi, 3), start=1)
    ]
    return np.asarray(amplitude_mm * np.sum(waves, axis=0), dtype=np.float64)


def ridge(distance_mm: Field, *, width_mm: float) -> Field:
    """1 on a line and falling to 0 beside it, from the distance to the line."""
    return np.asarray(np.exp(-0.5 * (distance_mm / width_mm) ** 2), dtype=np.float64)


def level_lines(field: Field, *, width_px: float) -> Field:
    """Thin lines where ``field`` is 0, brightest where they lie across the beam.

    An interface reflects back what meets it at a right angle, so a line counts by the squared
    cosine of its slope (specular reflection; a vertical line vanishes).
    """
    down, across = np.gradient(field)
    steepness = np.hypot(down, across) + 1e-9
    lines = ridge(field / steepness, width_mm=width_px) * (down / steepness) ** 2
    return np.asarray(lines, dtype=np.float64)
