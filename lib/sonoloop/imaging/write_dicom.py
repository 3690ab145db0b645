"""Valid ultrasound DICOM from pixels: Ultrasound Image and Ultrasound Multi-frame Image Storage.

Strict when writing, tolerant when reading: what is written here has no errors in ``dciodvfy``
(a test asks it). Equal input gives equal bytes, so an import can be repeated: no clock, no chance.
"""

import hashlib
import io
import os
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.filewriter import dcmwrite
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    JPEGBaseline8Bit,
    UltrasoundImageStorage,
    UltrasoundMultiFrameImageStorage,
)

from sonoloop.errors import GeometryError
from sonoloop.geometry import Box, SpacingMm

Pixels = npt.NDArray[np.uint8]

IMPLEMENTATION_UID: Final = UID("2.25.312964206373016905366325911367541302061")
_FRAME_TIME_TAG: Final = 0x00181063
_CENTIMETRE: Final = 3  # of PhysicalUnits, PS3.3 C.8.5.5.1.15


@dataclass(frozen=True, slots=True, kw_only=True)
class UltrasoundDicom:
    """Everything the file says besides its pixels.

    Attributes:
        sop_instance_uid: Of this image; :func:`stable_uid` makes one from a name.
        patient_name: In DICOM's ``Family^Given`` form.
        study_date: ``YYYYMMDD``; empty is allowed.
        study_time: ``HHMMSS``; empty is allowed.
        laterality: Side, or empty when it is not known.
        spacing_mm: (row, column); written as a region of Sequence of Ultrasound Regions in
            centimetres. None writes no region and so no calibration.
        region: Where the ultrasound is on the screen; None with a spacing is the whole image.
        burned_in_annotation: Whether names or other text may be part of the pixels; None says
            nothing of it.
        derived: True when the pixels were processed or came from another format.
        lossy: The pixels were lossily compressed before they came here.
        jpeg_quality: 1 to 95 writes JPEG baseline (colour as YBR_FULL_422); None writes raw pixels.
        frame_time_ms: Between two frames of a cine.
    """

    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str
    patient_id: str
    patient_name: str = ""
    patient_birth_date: str = ""
    patient_sex: Literal["", "F", "M", "O"] = ""
    study_date: str = ""
    study_time: str = ""
    study_id: str = ""
    accession_number: str = ""
    study_description: str = ""
    series_description: str = ""
    series_number: int = 1
    instance_number: int = 1
    manufacturer: str = ""
    manufacturer_model_name: str = ""
    laterality: Literal["", "L", "R"] = ""
    spacing_mm: SpacingMm | None = None
    region: Box | None = None
    burned_in_annotation: bool | None = False
    derived: bool = False
    lossy: bool = False
    jpeg_quality: int | None = None
    frame_time_ms: float = 40.0


def stable_uid(*parts: str) -> str:
    """A valid UID that depends on ``parts`` alone.

    Example:
        >>> stable_uid("busi", "benign (1).png") == stable_uid("busi", "benign (1).png")
        True
        >>> stable_uid("a", "b") == stable_uid("ab")
        False
    """
    digest = hashlib.sha256("\x1f".join(parts).encode()).digest()
    return f"2.25.{uuid.UUID(bytes=digest[:16], version=4).int}"


def write_ultrasound_dicom(
    path: Path, pixels: Pixels, settings: UltrasoundDicom, *, cine: bool = False
) -> None:
    """Write one DICOM file, whole or not at all.

    Args:
        path: Replaced if it exists; its folder must exist.
        pixels: (H, W) grey or (H, W, 3) RGB; with ``cine`` (N, H, W) or (N, H, W, 3).
        settings: What the file says.
        cine: Write a multi-frame image.

    Raises:
        GeometryError: If the shape or type of the pixels is another, or the region does not fit.
    """
    frames = pixels if cine else pixels[np.newaxis]
    colour = frames.ndim == 4
    if frames.dtype != np.uint8 or frames.ndim not in (3, 4) or (colour and frames.shape[3] != 3):
        raise GeometryError(
            f"cannot write pixels of shape {pixels.shape} and type {pixels.dtype} "
            f"(uint8, {'(N, H, W) or (N, H, W, 3)' if cine else '(H, W) or (H, W, 3)'})"
        )
    dataset = _dataset(settings, cine=cine)
    _add_pixels(dataset, frames, settings)
    if cine:
        _add_cine(dataset, frames.shape[0], settings.frame_time_ms)
    if settings.spacing_mm is not None:
        _add_region(dataset, settings.spacing_mm, settings.region, frames.shape[1:3], colour=colour)
    _write_whole(path, dataset)


def _dataset(settings: UltrasoundDicom, *, cine: bool) -> Dataset:
    sop_class = UltrasoundMultiFrameImageStorage if cine else UltrasoundImageStorage
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = sop_class
    dataset.file_meta.MediaStorageSOPInstanceUID = UID(settings.sop_instance_uid)
    dataset.file_meta.ImplementationClassUID = IMPLEMENTATION_UID
    dataset.file_meta.ImplementationVersionName = "SONOLOOP"
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = sop_class
    dataset.SOPInstanceUID = settings.sop_instance_uid
    origin = "DERIVED" if settings.derived else "ORIGINAL"
    dataset.ImageType = [origin, "PRIMARY", "SMALL PARTS", "0001"]
    _add_study(dataset, settings)
    dataset.Modality = "US"
    dataset.Manufacturer = settings.manufacturer
    dataset.ManufacturerModelName = settings.manufacturer_model_name
    dataset.SeriesInstanceUID = settings.series_instance_uid
    dataset.SeriesNumber = settings.series_number
    dataset.SeriesDescription = settings.series_description
    dataset.InstanceNumber = settings.instance_number
    dataset.PatientOrientation = ""
    dataset.Laterality = settings.laterality
    dataset.BodyPartExamined = "BREAST"
    dataset.AnatomicRegionSequence = Sequence([_code("76752008", "SCT", "Breast")])
    if settings.burned_in_annotation is not None:
        dataset.BurnedInAnnotation = "YES" if settings.burned_in_annotation else "NO"
    dataset.LossyImageCompression = "01" if settings.lossy else "00"
    return dataset


def _add_study(dataset: Dataset, settings: UltrasoundDicom) -> None:
    dataset.StudyDate = dataset.SeriesDate = dataset.ContentDate = settings.study_date
    dataset.StudyTime = dataset.SeriesTime = dataset.ContentTime = settings.study_time
    dataset.AccessionNumber = settings.accession_number
    dataset.ReferringPhysicianName = ""
    dataset.StudyDescription = settings.study_description
    dataset.StudyInstanceUID = settings.study_instance_uid
    dataset.StudyID = settings.study_id
    dataset.PatientName = settings.patient_name
    dataset.PatientID = settings.patient_id
    dataset.PatientBirthDate = settings.patient_birth_date
    dataset.PatientSex = settings.patient_sex


def _add_pixels(dataset: Dataset, frames: Pixels, settings: UltrasoundDicom) -> None:
    colour = frames.ndim == 4
    dataset.Rows, dataset.Columns = frames.shape[1:3]
    dataset.SamplesPerPixel = 3 if colour else 1
    dataset.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    if colour:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7
    dataset.PixelRepresentation = 0
    dataset.UltrasoundColorDataPresent = int(colour)
    if settings.jpeg_quality is None:
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        raw = np.ascontiguousarray(frames).tobytes()
        dataset.add_new(0x7FE00010, "OB", raw + b"\0" * (len(raw) % 2))
        return
    encoded = [_jpeg(frame, settings.jpeg_quality) for frame in frames]
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    if colour:
        dataset.PhotometricInterpretation = "YBR_FULL_422"
    dataset.add_new(0x7FE00010, "OB", encapsulate(encoded, has_bot=True))
    dataset["PixelData"].is_undefined_length = True
    dataset.LossyImageCompression = "01"
    dataset.LossyImageCompressionRatio = round(frames.nbytes / sum(map(len, encoded)), 2)
    dataset.LossyImageCompressionMethod = "ISO_10918_1"


def _jpeg(frame: Pixels, quality: int) -> bytes:
    stream = io.BytesIO()
    if frame.ndim == 3:
        Image.fromarray(frame).save(stream, "JPEG", quality=quality, subsampling="4:2:2")
    else:
        Image.fromarray(frame).save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def _add_cine(dataset: Dataset, frame_count: int, frame_time_ms: float) -> None:
    dataset.NumberOfFrames = frame_count
    dataset.FrameTime = frame_time_ms
    dataset.FrameIncrementPointer = _FRAME_TIME_TAG
    dataset.CineRate = max(1, round(1000 / frame_time_ms))
    dataset.RecommendedDisplayFrameRate = dataset.CineRate


def _add_region(
    dataset: Dataset,
    spacing_mm: SpacingMm,
    box: Box | None,
    shape: tuple[int, ...],
    *,
    colour: bool,
) -> None:
    height, width = shape
    box = box or Box(0, 0, height, width)
    if box.top < 0 or box.left < 0 or box.bottom > height or box.right > width:
        raise GeometryError(f"region {box!r} does not lie in the image of {height}x{width} pixels")
    region = Dataset()
    region.RegionSpatialFormat = 1  # two-dimensional
    region.RegionDataType = 2 if colour else 1  # colour flow, tissue
    region.RegionFlags = 2  # scaling is protected
    region.RegionLocationMinX0, region.RegionLocationMinY0 = box.left, box.top
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = box.right - 1, box.bottom - 1
    region.ReferencePixelX0 = region.ReferencePixelY0 = 0
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = _CENTIMETRE
    region.ReferencePixelPhysicalValueX = region.ReferencePixelPhysicalValueY = 0.0
    region.PhysicalDeltaX, region.PhysicalDeltaY = spacing_mm[1] / 10, spacing_mm[0] / 10
    dataset.SequenceOfUltrasoundRegions = Sequence([region])


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue = value
    code.CodingSchemeDesignator = scheme
    code.CodeMeaning = meaning
    return code


def _write_whole(path: Path, dataset: Dataset) -> None:
    """Through a temporary name, so that a reader (or a crash) never meets half a file."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        dcmwrite(partial, dataset, enforce_file_format=True)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
