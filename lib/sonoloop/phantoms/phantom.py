"""One call from a specification to an image with its mask."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from sonoloop.errors import ConfigError
from sonoloop.geometry import Mask, SpacingMm
from sonoloop.labels import Pathology
from sonoloop.phantoms.formation import Probe, envelope, log_compress, scan_convert
from sonoloop.phantoms.lesion import insert
from sonoloop.phantoms.spec import PhantomSpec
from sonoloop.phantoms.tissue import breast


@dataclass(frozen=True, slots=True)
class Phantom:
    """A synthetic image and its truth.

    Attributes:
        pixels: (H, W) uint8.
        mask: (H, W), True on the lesion; empty when normal.
        spacing_mm: (row, column).
        pathology: What it shows.
    """

    pixels: npt.NDArray[np.uint8]
    mask: Mask
    spacing_mm: SpacingMm
    pathology: Pathology


def make_phantom(spec: PhantomSpec) -> Phantom:
    """The image of ``spec``: the same specification gives the same pixels."""
    tissue = breast(spec, np.random.default_rng((spec.seed, 2)))
    mask: Mask = np.zeros((spec.rows, spec.columns), dtype=bool)
    if spec.lesion:
        tissue, mask = insert(spec.lesion, tissue, spec, np.random.default_rng((spec.seed, 3)))
    probe = Probe(frequency_mhz=spec.frequency_mhz, focus_mm=spec.focus_mm)
    amplitude = envelope(tissue, spec.spacing_mm, probe, np.random.default_rng((spec.seed, 4)))
    brightness = log_compress(
        amplitude,
        dynamic_range_db=spec.dynamic_range_db,
        white=1.8 * float(np.quantile(amplitude, 0.998)),
    )
    pixels = np.round(255 * scan_convert(brightness, mask.shape)).astype(np.uint8)
    return Phantom(pixels, mask, (spec.spacing_mm, spec.spacing_mm), spec.pathology)


def make_cine(spec: PhantomSpec, *, frames: int, step_px: int) -> list[Phantom]:
    """Frames of a probe that slides across the breast, so that the lesion drifts to the left.

    Args:
        spec: Of the first frame.
        frames: Number of frames.
        step_px: Columns that the probe moves from frame to frame.

    Raises:
        ConfigError: If there is no frame or the probe moves backwards.
    """
    if frames < 1 or step_px < 0:
        raise ConfigError([f"frames and step_px must be >= 1 and >= 0, got {frames}, {step_px}"])
    columns = spec.columns + (frames - 1) * step_px
    wide = make_phantom(replace(spec, columns=columns, width_mm=columns * spec.spacing_mm))
    windows = [slice(k * step_px, k * step_px + spec.columns) for k in range(frames)]
    return [
        replace(wide, pixels=wide.pixels[:, window].copy(), mask=wide.mask[:, window].copy())
        for window in windows
    ]
