"""Lesions as DICOM Segmentation Storage (PS3.3 A.51), one segment each.

They are single bits (BINARY), but for images of sizes at which Cornerstone would take the bits
apart in the wrong places: there they are bytes, FRACTIONAL with the two values 0 and 1.

Ultrasound images have no place in the patient, and viewers need one to draw a segmentation:
without it Cornerstone (OHIF), dcmqi (Slicer) and highdicom's volumes refuse to. So each image, and
each frame of a cine, gets a frame of reference of its own, which no other image shares, with the
image lying in its origin. PS3.3 A.51.5 allows these functional groups only in coordinates of the
patient, so the orientation is invented: ``docs/conformance.md`` says so, a switch leaves it out.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import highdicom as hd
import numpy as np
from pydicom import Dataset
from pydicom.uid import UltrasoundImageStorage

from sonoloop import __version__
from sonoloop.geometry import LabelMap
from sonoloop.imaging.write_dicom import stable_uid
from sonoloop.records import ImageRecord, InstanceAddress, ModelTask
from sonoloop.reporting import codes
from sonoloop.reporting.identity import (
    EQUIPMENT,
    EXPLICIT_LITTLE_ENDIAN,
    LOSSY,
    MANUFACTURER,
    PLANE,
    blank_image,
    person_name,
    sign_over,
    text_of,
)
from sonoloop.reporting.reading import Reading
from sonoloop.reporting.tracking import TrackedLesion

SERIES_NUMBER: Final = 9001
LABEL: Final = "LESIONS"
UNKNOWN_SPACING_MM: Final = (1.0, 1.0)
"""Written where the image states no calibration; reports then hold no millimetres."""

_COLOURS: Final = ((229, 57, 53), (30, 136, 229), (67, 160, 71), (251, 140, 0), (142, 36, 170))


def write_segmentation(
    header: Dataset,
    reading: Reading,
    lesions: Sequence[TrackedLesion],
    address: InstanceAddress,
    *,
    number: int,
    synthetic: bool,
) -> Dataset:
    """The segmentation of a reading.

    Args:
        header: Of the image.
        reading: Whose mask it is.
        lesions: At least one.
        address: What the new instance is called.
        number: InstanceNumber.
        synthetic: Invent a geometry where the image has none.
    """
    image = _standing_in(header, reading, synthetic=synthetic)
    label_map = _label_map(lesions)
    document = hd.seg.Segmentation(
        source_images=[image],
        pixel_array=label_map,
        **_form(label_map.size, len(lesions)),
        segment_descriptions=[_segment(reading, lesion) for lesion in lesions],
        series_instance_uid=address.series,
        series_number=SERIES_NUMBER,
        sop_instance_uid=address.instance,
        instance_number=number,
        **EQUIPMENT,
        content_label=LABEL,
        content_description="Breast lesions on ultrasound",
        content_creator_name=person_name(reading.reader) if reading.reader else None,
        series_description=f"Lesions, {name_of_image(header, reading.record)}",
        transfer_syntax_uid=EXPLICIT_LITTLE_ENDIAN,
    )
    _refer_to_the_image(document, header, reading)
    _settle(document, address)
    if "FrameOfReferenceUID" not in document:
        document.PatientOrientation = header.get("PatientOrientation") or ""
    sign_over(document, header, reading.assessed_at)
    return document


def _form(pixels: int, lesions: int) -> dict[str, Any]:
    """How the lesions are stored: as bits where every reader finds their bounds, else as bytes."""
    if cornerstone_finds_bits(pixels, lesions):
        return {"segmentation_type": hd.seg.SegmentationTypeValues.BINARY}
    return {
        "segmentation_type": hd.seg.SegmentationTypeValues.FRACTIONAL,
        "fractional_type": hd.seg.SegmentationFractionalTypeValues.OCCUPANCY,
        "max_fractional_value": 1,
    }


def cornerstone_finds_bits(pixels: int, frames: int) -> bool:
    """Whether ``@cornerstonejs/adapters`` takes the bits of a segmentation apart where they are.

    The standard runs the bits of all frames together and pads them to an even number of bytes
    (PS3.5 8.1.1). The adapters (5.6.8, which OHIF 3.13.2 has, to 5.14.0; ``encodePixelData.js``)
    know no padding, and guess by the length whether frames begin at whole bytes.

    Args:
        pixels: Of one frame.
        frames: Of the segmentation.

    Example:
        >>> cornerstone_finds_bits(480 * 640, 3), cornerstone_finds_bits(61 * 83, 1)
        (True, False)
    """
    together = -(-pixels * frames // 8)
    apart = -(-pixels // 8) * frames
    stored = together + together % 2
    if stored == apart:
        return frames == 1 or pixels % 8 == 0
    return stored == together


def name_of_image(header: Dataset, record: ImageRecord) -> str:
    """The image for people, as viewers number it: ``image 3-7 frame 5``."""
    series, instance = (text_of(header, f"{level}Number") for level in ("Series", "Instance"))
    frame = f" frame {record.frame + 1}" if record.frame_count > 1 else ""
    return f"image {series[:12] or '?'}-{instance[:12] or '?'}{frame}"


def algorithm_version(models: Mapping[ModelTask, str], task: ModelTask) -> str:
    """The model that did a task, as the version of an algorithm."""
    return models.get(task, __version__)[:64]


def _standing_in(header: Dataset, reading: Reading, *, synthetic: bool) -> Dataset:
    """A single-frame image in the place of the true one, which highdicom would not take."""
    image = blank_image(header)
    image.SOPClassUID = UltrasoundImageStorage
    for keyword in LOSSY:
        if keyword in header and not header[keyword].is_empty:
            setattr(image, keyword, header[keyword].value)
    spacing_mm = reading.spacing_mm or UNKNOWN_SPACING_MM
    plane = _own_plane(header)
    if plane is not None:
        image.update(plane)
    elif synthetic:
        image.FrameOfReferenceUID = stable_uid(
            "sonoloop frame of reference", image.SOPInstanceUID, str(reading.record.frame)
        )
        image.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        image.ImagePositionPatient = [0, 0, 0]
    else:
        return image
    image.PositionReferenceIndicator = ""
    image.PixelSpacing = list(spacing_mm)
    image.SliceThickness = 1
    return image


def _own_plane(header: Dataset) -> Dataset | None:
    """Where the image itself says that it lies in the patient; None unless it says all of it."""
    if any(keyword not in header or header[keyword].is_empty for keyword in PLANE):
        return None
    numbers = [*header.ImagePositionPatient, *header.ImageOrientationPatient]
    try:
        finite = len(numbers) == 9 and all(math.isfinite(float(value)) for value in numbers)
    except (TypeError, ValueError):
        return None
    if not finite:
        return None
    plane = Dataset()
    for keyword in PLANE:
        setattr(plane, keyword, header[keyword].value)
    return plane


def _label_map(lesions: Sequence[TrackedLesion]) -> LabelMap:
    label_map = np.zeros(lesions[0].mask.shape, dtype=np.uint8)
    for lesion in lesions:
        label_map[lesion.mask] = lesion.segment
    return label_map


def _segment(reading: Reading, lesion: TrackedLesion) -> hd.seg.SegmentDescription:
    algorithm = None
    if reading.origin != "MANUAL":
        algorithm = hd.AlgorithmIdentificationSequence(
            name=f"{MANUFACTURER} lesion segmentation",
            family=codes.ARTIFICIAL_INTELLIGENCE,
            version=algorithm_version(reading.models, "segmentation"),
            source=MANUFACTURER,
        )
    colour = _COLOURS[(lesion.segment - 1) % len(_COLOURS)]
    return hd.seg.SegmentDescription(
        segment_number=lesion.segment,
        segment_label=lesion.tracking_id,
        segmented_property_category=codes.MORPHOLOGIC,
        segmented_property_type=codes.MASS,
        algorithm_type=reading.origin,
        algorithm_identification=algorithm,
        tracking_uid=lesion.tracking_uid,
        tracking_id=lesion.tracking_id,
        anatomic_regions=[codes.BREAST],
        display_color=hd.color.CIELabColor.from_rgb(*colour),
    )


def _refer_to_the_image(document: Dataset, header: Dataset, reading: Reading) -> None:
    """Name the true class of the image, and the frame of a cine, instead of the stand-in's."""
    for element in document.iterall():
        if element.keyword == "ReferencedSOPClassUID" and element.value == UltrasoundImageStorage:
            element.value = header.SOPClassUID
    if reading.record.frame_count == 1:
        return
    for frame in document.PerFrameFunctionalGroupsSequence:
        for derivation in frame.DerivationImageSequence:
            for source in derivation.SourceImageSequence:
                source.ReferencedFrameNumber = reading.record.frame + 1


def _settle(document: Dataset, address: InstanceAddress) -> None:
    """Put in place of chance what the same reading has again."""
    uid = stable_uid("sonoloop dimensions", address.instance)
    for item in document.DimensionOrganizationSequence:
        item.DimensionOrganizationUID = uid
    for item in document.DimensionIndexSequence:
        item.DimensionOrganizationUID = uid
