"""What reading gives: one grey image with its calibration, identity and caveats."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from sonoloop.geometry import Box, SpacingMm


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageIdentity:
    """Who and what the image belongs to; all None for files that are not DICOM.

    Attributes:
        patient_id: As the file states it; never put into messages or logs.
        study_date: ``YYYYMMDD``, or None.
    """

    sop_instance_uid: str | None = None
    series_instance_uid: str | None = None
    study_instance_uid: str | None = None
    patient_id: str | None = None
    modality: str = "US"
    study_date: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageHeader:
    """What a file says of itself without its pixels being decoded.

    Attributes:
        frame_count: Frames of a cine, pages of a TIFF; otherwise 1.
        spacing_mm: (row, column), or None when the file states no believable calibration.
        flags: Members of :class:`~sonoloop.imaging.vocabulary.Flag` the header alone can tell.
        source_format: ``dicom``, ``png``, ``jpeg``, ``bmp`` or ``tiff``.
    """

    rows: int
    columns: int
    frame_count: int
    spacing_mm: SpacingMm | None
    identity: ImageIdentity = field(default_factory=ImageIdentity)
    flags: tuple[str, ...] = ()
    source_format: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UltrasoundImage:
    """One frame as every later step sees it.

    Attributes:
        pixels: (H, W) uint8, luminance, 0 is black; read-only.
        frame: Which frame of the file this is, from 0.
        spacing_mm: (row, column) in millimetres, or None: never a made-up 1.0.
        region: The two-dimensional ultrasound area inside the screen copy, or None when the file
            names none. Masks are on the whole image's grid nevertheless.
        flags: Members of :class:`~sonoloop.imaging.vocabulary.Flag`, sorted.
        source_format: ``dicom``, ``png``, ``jpeg``, ``bmp`` or ``tiff``.
    """

    pixels: npt.NDArray[np.uint8]
    frame: int = 0
    frame_count: int = 1
    spacing_mm: SpacingMm | None = None
    region: Box | None = None
    identity: ImageIdentity = field(default_factory=ImageIdentity)
    flags: tuple[str, ...] = ()
    source_format: str

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) in pixels."""
        return (self.pixels.shape[0], self.pixels.shape[1])
