"""The acoustic properties of a breast: what scatters, what reflects, what attenuates.

Layers from the skin down: skin, subcutaneous fat with Cooper's ligaments, fibroglandular tissue,
retromammary fascia, pectoral muscle, chest wall. Attenuation is near that of T. Szabo,
"Diagnostic Ultrasound Imaging: Inside Out" (2nd edition, 2014), appendix B, and of F. Duck,
"Physical Properties of Tissues" (1990); echogenicity relative to fat follows the ordering that
the ACR BI-RADS Atlas uses (fat is the reference, fibroglandular tissue is brighter).
"""

from dataclasses import dataclass

import numpy as np

from sonoloop.phantoms.fields import Field, level_lines, ridge, smooth_field, wavy_line
from sonoloop.phantoms.spec import PhantomSpec

FAT_ATTENUATION = 0.48
GLAND_ATTENUATION = 0.75


@dataclass(frozen=True, slots=True)
class Tissue:
    """Properties on the pixel grid, (rows, columns) each.

    Attributes:
        echo_db: Level of diffuse scattering, relative to fat.
        interface_db: Level of laterally coherent reflection, relative to fat.
        attenuation: One-way, in dB / cm / MHz.
    """

    echo_db: Field
    interface_db: Field
    attenuation: Field


@dataclass(frozen=True, slots=True)
class Layers:
    """Depth of each layer's lower boundary, (columns,) in millimetres."""

    skin: Field
    fat: Field
    gland: Field
    muscle: Field


def breast(spec: PhantomSpec, rng: np.random.Generator) -> Tissue:
    """A normal breast in cross-section."""
    depth, lateral = grid_mm(spec)
    layers = _layers(spec, lateral[0], rng)
    shape = (spec.rows, spec.columns)
    scale = 1 / spec.spacing_mm
    in_skin = depth < layers.skin
    in_fat = ~in_skin & (depth < layers.fat)
    in_gland = ~in_skin & ~in_fat & (depth < layers.gland)
    in_muscle = (depth >= layers.gland) & (depth < layers.muscle)
    in_wall = depth >= layers.muscle

    mottle = smooth_field(shape, scale_px=(0.7 * scale, 1.2 * scale), rng=rng)
    weave = smooth_field(shape, scale_px=(0.45 * scale, 2.2 * scale), rng=rng)
    lobes = smooth_field(shape, scale_px=(1.3 * scale, 3.0 * scale), rng=rng)
    islands = 1 / (1 + np.exp(-6 * (lobes - 0.8)))
    fibres = smooth_field(shape, scale_px=(0.22 * scale, 5.0 * scale), rng=rng)
    echo = np.select(
        [in_skin, in_fat, in_gland, in_muscle, in_wall],
        [
            np.full(shape, 9.0),
            -1.0 + 1.5 * mottle,
            spec.gland_echo_db * (1 - 0.9 * islands) + 2.8 * weave - 2.0 * lobes,
            1.0 + 3.0 * fibres,
            -14.0 + 1.5 * mottle - 0.9 * np.maximum(depth - layers.muscle, 0),
        ],
    )
    interface = np.select(
        [in_fat, in_gland, in_muscle],
        [
            -5.0 + 4.0 * weave,
            (spec.gland_echo_db + 1.0) * (1 - islands) + 6.0 * weave,
            2.0 + 7.0 * fibres,
        ],
        default=-20.0,
    )
    ligaments = _ligaments(shape, scale, rng) * np.where(in_fat, 1.0, np.where(in_gland, 0.6, 0.0))
    lines = 16.0 * _boundaries(depth, layers, rng) + 17.0 * ligaments
    attenuation = np.select(
        [in_skin, in_fat, in_gland, in_muscle],
        [0.9, FAT_ATTENUATION, GLAND_ATTENUATION, 0.9],
        default=2.4,
    )
    return Tissue(echo + 0.4 * lines, np.maximum(interface, -10.0) + 1.3 * lines, attenuation)


def grid_mm(spec: PhantomSpec) -> tuple[Field, Field]:
    """Depth and lateral position of every pixel centre, each (rows, columns)."""
    depth, lateral = np.meshgrid(
        (np.arange(spec.rows) + 0.5) * spec.spacing_mm,
        (np.arange(spec.columns) + 0.5) * spec.spacing_mm,
        indexing="ij",
    )
    return depth, lateral


def _layers(spec: PhantomSpec, x_mm: Field, rng: np.random.Generator) -> Layers:
    skin = rng.uniform(1.2, 2.0) + wavy_line(x_mm, amplitude_mm=0.12, rng=rng)
    fat = skin + rng.uniform(4, 7) + wavy_line(x_mm, amplitude_mm=1.4, rng=rng)
    gland = spec.depth_mm * rng.uniform(0.66, 0.78) + wavy_line(x_mm, amplitude_mm=1.6, rng=rng)
    gland = np.maximum(gland, fat + 5)
    muscle = gland + rng.uniform(5, 8) + wavy_line(x_mm, amplitude_mm=0.5, rng=rng)
    return Layers(skin, fat, gland, muscle)


def _boundaries(depth: Field, layers: Layers, rng: np.random.Generator) -> Field:
    """The bright lines: both faces of the skin, the fascia, the muscle's lower face."""
    faces = (
        (np.zeros_like(layers.skin), 0.9),
        (layers.skin, 0.8),
        (layers.fat, 0.45),
        (layers.gland, 1.0),
        (layers.gland + rng.uniform(0.9, 1.5), 0.7),
        (layers.muscle, 1.1),
    )
    lines = [strength * ridge(depth - face, width_mm=0.11) for face, strength in faces]
    return np.asarray(np.max(lines, axis=0), dtype=np.float64)


def _ligaments(shape: tuple[int, int], scale: float, rng: np.random.Generator) -> Field:
    """Cooper's ligaments: curved septa around the fat lobules."""
    sheets = [
        level_lines(
            smooth_field(shape, scale_px=(1.1 * scale, 3.4 * scale), rng=rng),
            width_px=0.1 * scale,
        )
        for _ in range(2)
    ]
    return np.maximum(*sheets)
