"""What a phantom shows, before any random field is drawn."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from sonoloop.errors import ConfigError
from sonoloop.labels import Pathology

LesionKind = Literal["cyst", "fibroadenoma", "carcinoma"]

PATHOLOGY_OF: dict[LesionKind, Pathology] = {
    "cyst": Pathology.BENIGN,
    "fibroadenoma": Pathology.BENIGN,
    "carcinoma": Pathology.MALIGNANT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LesionSpec:
    """One lesion, in the descriptors of the ACR BI-RADS Atlas (5th edition, ultrasound).

    Attributes:
        kind: ``cyst``: anechoic, circumscribed, enhancement behind. ``fibroadenoma``: hypoechoic,
            oval, circumscribed, thin echogenic capsule. ``carcinoma``: hypoechoic, irregular,
            spiculated, echogenic rim, shadow behind.
        centre_mm: Depth and lateral position of the centre.
        height_mm: Extent along the beam; a lesion taller than wide is "not parallel".
        width_mm: Extent across the beam.
        tilt_deg: Rotation, in degrees.
    """

    kind: LesionKind
    centre_mm: tuple[float, float]
    height_mm: float
    width_mm: float
    tilt_deg: float = 0.0

    @property
    def pathology(self) -> Pathology:
        """What the tissue is."""
        return PATHOLOGY_OF[self.kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class PhantomSpec:
    """One image.

    Attributes:
        seed: Of every random choice; the same specification gives the same bytes.
        rows: Height of the image, in pixels.
        columns: Width of the image, in pixels.
        width_mm: Width of the field of view; pixels are square, so it also sets the depth.
        lesion: None for a normal breast.
        frequency_mhz: Centre frequency of the pulse.
        focus_mm: Depth of the transmit focus.
        dynamic_range_db: Between black and white.
        gland_echo_db: Echogenicity of fibroglandular tissue above that of fat.
    """

    seed: int
    rows: int
    columns: int
    width_mm: float = 38.0
    lesion: LesionSpec | None = None
    frequency_mhz: float = 8.0
    focus_mm: float = 15.0
    dynamic_range_db: float = 60.0
    gland_echo_db: float = 11.0

    def __post_init__(self) -> None:
        problems = [
            f"{name} must be in [{low}, {high}], got {getattr(self, name)}"
            for name, low, high in (
                ("rows", 32, 2048),
                ("columns", 32, 2048),
                ("width_mm", 10, 100),
                ("frequency_mhz", 2, 15),
                ("focus_mm", 2, 80),
                ("dynamic_range_db", 30, 90),
                ("gland_echo_db", 0, 20),
            )
            if not low <= getattr(self, name) <= high
        ]
        if problems:
            raise ConfigError(problems)

    @property
    def spacing_mm(self) -> float:
        """Side of a pixel."""
        return self.width_mm / self.columns

    @property
    def depth_mm(self) -> float:
        """Depth of the lowest row's lower edge."""
        return self.rows * self.spacing_mm

    @property
    def pathology(self) -> Pathology:
        """What the image shows."""
        return self.lesion.pathology if self.lesion else Pathology.NORMAL


def random_spec(
    seed: int, kind: LesionKind | None, *, rows: int = 400, columns: int = 480
) -> PhantomSpec:
    """A plausible specification with a lesion of ``kind``, or none."""
    rng = np.random.default_rng((seed, 1))
    spec = PhantomSpec(
        seed=seed,
        rows=rows,
        columns=columns,
        width_mm=float(rng.uniform(36, 44)),
        frequency_mhz=float(rng.uniform(5.5, 8.5)),
        focus_mm=float(rng.uniform(12, 18)),
        gland_echo_db=float(rng.uniform(8, 13)),
    )
    return spec if kind is None else replace(spec, lesion=_random_lesion(kind, spec, rng))


def _random_lesion(kind: LesionKind, spec: PhantomSpec, rng: np.random.Generator) -> LesionSpec:
    if kind == "carcinoma":
        width = float(rng.uniform(7, 11))
        height = width * float(rng.uniform(1.05, 1.35))
    else:
        width = float(rng.uniform(8, 15))
        height = width * float(rng.uniform(0.5, 0.72))
    height = min(height, 0.42 * spec.depth_mm)
    depth = float(np.clip(rng.uniform(11, 16), 4 + height / 2, spec.depth_mm - 9 - height / 2))
    lateral = spec.width_mm * float(rng.uniform(0.35, 0.65))
    tilt = float(rng.uniform(-8, 8))
    return LesionSpec(
        kind=kind, centre_mm=(depth, lateral), height_mm=height, width_mm=width, tilt_deg=tilt
    )
