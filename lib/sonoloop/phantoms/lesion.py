"""Lesions: their outline, and what they do to the tissue.

Descriptors after the ACR BI-RADS Atlas, 5th edition (ultrasound): shape, orientation, margin, echo
pattern, posterior features; typical appearances after A. Stavros et al., "Solid breast nodules:
use of sonography to distinguish between benign and malignant lesions", Radiology 196, 1995.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from sonoloop.geometry import Mask
from sonoloop.phantoms.fields import Field, ridge, smooth_field
from sonoloop.phantoms.spec import LesionKind, LesionSpec, PhantomSpec
from sonoloop.phantoms.tissue import Tissue, grid_mm


@dataclass(frozen=True, slots=True)
class _Look:
    """How one kind of lesion differs.

    Attributes:
        echo_db: Level inside, relative to fat.
        mottle_db: Standard deviation of that level.
        attenuation: Inside, in dB / cm / MHz; below that of gland gives enhancement behind.
        edge_mm: Width of the transition to the tissue around.
        capsule_db: Strength of the thin bright line around it.
        rim_db: Strength of the broad echogenic rim around it.
        lobulation: Relative amplitude of the outline's slow waves.
        spicules: Number of points drawn out into the tissue.
    """

    echo_db: float
    mottle_db: float
    attenuation: float
    edge_mm: float
    capsule_db: float
    rim_db: float
    lobulation: float
    spicules: int


_LOOKS: dict[LesionKind, _Look] = {
    "cyst": _Look(-23.0, 2.5, 0.05, 0.12, 13.0, 0.0, 0.02, 0),
    "fibroadenoma": _Look(-7.5, 2.2, 0.35, 0.20, 12.0, 0.0, 0.05, 0),
    "carcinoma": _Look(-7.0, 3.0, 2.2, 0.40, 0.0, 5.0, 0.14, 13),
}


def outline(lesion: LesionSpec, spec: PhantomSpec, rng: np.random.Generator) -> Field:
    """Signed distance (about) of every pixel from the lesion's edge, in mm; negative inside.

    The outline is an ellipse whose radius is modulated by slow waves and, for a carcinoma, drawn
    out into narrow points; the modulation keeps the area of the ellipse to within a few percent.
    """
    depth, lateral = grid_mm(spec)
    tilt = np.deg2rad(lesion.tilt_deg)
    down, across = depth - lesion.centre_mm[0], lateral - lesion.centre_mm[1]
    along = (across * np.cos(tilt) + down * np.sin(tilt)) / (lesion.width_mm / 2)
    upward = (down * np.cos(tilt) - across * np.sin(tilt)) / (lesion.height_mm / 2)
    radius, angle = np.hypot(along, upward), np.arctan2(upward, along)
    edge = _edge(angle, _LOOKS[lesion.kind], rng)
    half_mm = np.hypot(down, across) / np.maximum(radius, 1e-6)
    return np.asarray((radius - edge) * half_mm, dtype=np.float64)


def _edge(angle: Field, look: _Look, rng: np.random.Generator) -> Field:
    """Relative radius of the outline by angle, 1 on average over its square."""

    def of(theta: Field) -> Field:
        waves = sum(
            weight * np.cos(k * theta + phase) for k, weight, phase in waves_of
        ) * look.lobulation + sum(
            height * np.exp((np.cos(theta - at) - 1) / width**2) for at, height, width in points
        )
        return np.asarray(1 + waves, dtype=np.float64)

    waves_of = [
        (k, rng.uniform(0.4, 1.0) / np.sqrt(k - 1), rng.uniform(0, 2 * np.pi)) for k in range(2, 8)
    ]
    points = [
        (at + rng.uniform(-0.3, 0.3), rng.uniform(0.05, 0.45), rng.uniform(0.06, 0.2))
        for at in np.linspace(0, 2 * np.pi, look.spicules, endpoint=False)
    ]
    mean_square = np.mean(of(np.linspace(0, 2 * np.pi, 720, endpoint=False)) ** 2)
    return np.asarray(of(angle) / np.sqrt(mean_square), dtype=np.float64)


def insert(
    lesion: LesionSpec, tissue: Tissue, spec: PhantomSpec, rng: np.random.Generator
) -> tuple[Tissue, Mask]:
    """The tissue with the lesion in it, and the lesion's mask on the pixel grid."""
    look = _LOOKS[lesion.kind]
    distance = outline(lesion, spec, rng)
    mask: Mask = distance < 0
    scale = 1 / spec.spacing_mm
    inside = gaussian_filter(mask.astype(np.float64), look.edge_mm * scale)
    mottle = smooth_field(mask.shape, scale_px=(0.6 * scale, 0.8 * scale), rng=rng)
    capsule = look.capsule_db * _facing_beam(distance) * ridge(distance - 0.1, width_mm=0.12)
    rim = look.rim_db * (1 - inside) * ridge(np.maximum(distance, 0), width_mm=1.3)
    core_db = (
        look.echo_db
        + rng.uniform(-2, 2)
        + look.mottle_db * mottle
        + _calcifications(lesion, mask, scale, rng)
    )
    echo = inside * core_db + (1 - inside) * tissue.echo_db + 0.4 * capsule + rim
    interface = inside * (look.echo_db - 8) + (1 - inside) * tissue.interface_db + 1.6 * capsule
    attenuation = inside * look.attenuation + (1 - inside) * tissue.attenuation
    return Tissue(echo, interface, attenuation), mask


def _facing_beam(distance: Field) -> Field:
    """Squared cosine between the outline and the beam: a capsule shines where it faces it."""
    down, across = np.gradient(distance)
    return np.asarray(down**2 / (down**2 + across**2 + 1e-12), dtype=np.float64)


def _calcifications(
    lesion: LesionSpec, mask: Mask, scale: float, rng: np.random.Generator
) -> Field:
    """Punctate echogenic foci in about half of the carcinomas, in dB."""
    spots = np.zeros(mask.shape)
    if lesion.kind == "carcinoma" and rng.random() < 0.5:
        rows, columns = np.nonzero(mask)
        for index in rng.integers(0, rows.size, rng.integers(3, 8)):
            spots[rows[index], columns[index]] = 1.0
        spots = 24.0 * np.minimum(gaussian_filter(spots, 0.12 * scale) * 2 * scale**2 * 0.09, 1.0)
    return spots
