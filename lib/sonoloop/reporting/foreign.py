"""Segmentations of other programs, read tolerantly: what can be understood is, the rest refused.

Written for what is found in the field: exports of OHIF (Cornerstone), whose ultrasound
segmentations break the standard in seven places, dcmqi, highdicom; bits, run lengths, label maps
(PS3.3 A.51, Label Map Segmentation Storage too) and fractions. Only what ties a mask to an image is
asked for: pixels, the segment of each frame, and the image it was drawn on.
"""

import io
from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.filereader import read_dataset
from pydicom.uid import UID

from sonoloop.errors import DocumentError
from sonoloop.geometry import Mask
from sonoloop.imaging.dicom_header import PARSE_ERRORS
from sonoloop.imaging.vocabulary import MAX_PIXELS
from sonoloop.reporting.identity import is_ours
from sonoloop.reporting.packed import READABLE, FrameForm, Values, frames

SEGMENTATION_CLASSES: Final = (
    "1.2.840.10008.5.1.4.1.1.66.4",
    "1.2.840.10008.5.1.4.1.1.66.7",  # Label Map Segmentation Storage
)
MAX_FRAMES: Final = 20_000
MAX_TOTAL_PIXELS: Final = 2**29
"""Of all frames: 500 MB as masks, or a thousand frames of 600x800."""

ImageFrame: TypeAlias = tuple[str, int]
"""SOP instance UID of an image and its frame, from 0."""

_PREAMBLE: Final = 128
_BITS: Final = (1, 8, 16)
_HALF: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentationSource:
    """Where a segment comes from.

    Attributes:
        instance_uid: Of the segmentation.
        manufacturer: As the file states it; may be empty.
        creator: Who made the content, for people; may be empty.
        made_at: Content date and time as ``YYYYMMDDHHMMSS.FFFFFF``; what is not told is missing.
        number: InstanceNumber; 0 where none is told.
        ours: Written by this program.
    """

    instance_uid: str
    series_uid: str
    study_uid: str
    manufacturer: str = ""
    creator: str = ""
    made_at: str = ""
    number: int = 0
    ours: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ForeignSegment:
    """One segment on one image.

    Attributes:
        image_sop_uid: The image it lies on.
        frame: Frame of that image, from 0.
        segment: Number of the segment.
        label: As its author called it; may be empty.
        mask: (H, W), True on the segment.
        tracking_uid: Of the lesion; empty where none is told.
        codes: (value, scheme, meaning) of what the segment is: its category, type and modifiers.
        algorithm: ``AUTOMATIC``, ``SEMIAUTOMATIC``, ``MANUAL`` or what else is stated.
        source: The file it is from.
    """

    image_sop_uid: str
    frame: int
    segment: int
    label: str
    mask: Mask
    tracking_uid: str = ""
    codes: tuple[tuple[str, str, str], ...] = ()
    algorithm: str = ""
    source: SegmentationSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """A frame of a segmentation that lies on an image that was not asked for.

    Attributes:
        image_sop_uid: That image.
        source: The file it is from.
    """

    image_sop_uid: str
    source: SegmentationSource


def read_segmentation(data: bytes) -> tuple[ForeignSegment, ...]:
    """Every segment of a DICOM SEG on every image it refers to, in the order of the file.

    Segments without a pixel are left out; so are frames that name no image, or several.

    Raises:
        DocumentError: If the file is no segmentation that can be understood.
    """
    return tuple(one for one in each_segment(data) if isinstance(one, ForeignSegment))


def each_segment(
    data: bytes, images: Container[ImageFrame] | None = None
) -> Iterator[ForeignSegment | Elsewhere]:
    """What :func:`read_segmentation` gives, one by one: a small file may hold gigabytes of masks.

    Args:
        data: The file.
        images: Those asked for; frames with a pixel on another are told without it. None is all.

    Raises:
        DocumentError: If the file is no segmentation that can be understood; it may have given
            some segments before that is found.
    """
    try:
        _check_encoding(data)
        yield from _segments(dcmread(io.BytesIO(data)), images)
    except DocumentError:
        raise
    except PARSE_ERRORS as error:
        raise DocumentError(
            f"a segmentation of {len(data)} bytes cannot be read: {type(error).__name__}"
        ) from error


def _check_encoding(data: bytes) -> None:
    """Before the rest is parsed: a deflated file could hold gigabytes."""
    if data[_PREAMBLE:][:4] != b"DICM":
        raise DocumentError(f"{len(data)} bytes that are no DICOM file (no preamble)")
    file = io.BytesIO(data)
    file.seek(_PREAMBLE + 4)
    meta = read_dataset(
        file,
        is_implicit_VR=False,
        is_little_endian=True,
        stop_when=lambda tag, _vr, _length: tag.group != 2,
    )
    syntax = UID(_text(meta, "TransferSyntaxUID"))
    if syntax not in READABLE:
        raise DocumentError(
            f"segmentation in transfer syntax {syntax.name!r:.80} is not read (ask the PACS for "
            f"Explicit VR Little Endian)"
        )


def _segments(
    dataset: Dataset, images: Container[ImageFrame] | None
) -> Iterator[ForeignSegment | Elsewhere]:
    sop_class = str(dataset.get("SOPClassUID", ""))
    if sop_class not in SEGMENTATION_CLASSES:
        raise DocumentError(f"SOP class {UID(sop_class).name!r:.80} is no segmentation")
    form = _form(dataset)
    source = _source(dataset)
    described = {
        int(item.get("SegmentNumber") or 0): item for item in dataset.get("SegmentSequence") or ()
    }
    groups = _functional_groups(dataset, form.count)
    lone_image = _lone_image(dataset)
    lone_segment = next(iter(described)) if len(described) == 1 else None
    threshold = _threshold(dataset)
    labelled = _is_label_map(dataset)
    for group, values in zip(groups, frames(_pixels(dataset), form), strict=True):
        image = _image_of(group) if "DerivationImageSequence" in group else lone_image
        if image is None:
            continue
        if images is not None and image not in images:
            if np.any(values > threshold):
                yield Elsewhere(image_sop_uid=image[0], source=source)
            continue
        for number, mask in _masks(values, group, lone_segment, threshold, labelled=labelled):
            if mask.any():
                yield _segment(image, number, mask, described.get(number, Dataset()), source)


def _form(dataset: Dataset) -> FrameForm:
    form = FrameForm(
        rows=int(dataset.get("Rows") or 0),
        columns=int(dataset.get("Columns") or 0),
        count=int(dataset.get("NumberOfFrames") or 1),
        bits=int(dataset.get("BitsAllocated") or 0),
        transfer_syntax=UID(dataset.file_meta.TransferSyntaxUID),
        by_dcmjs=_text(dataset.file_meta, "ImplementationVersionName").startswith("dcmjs"),
    )
    if not 0 < form.pixels <= MAX_PIXELS or min(form.rows, form.columns) < 1:
        raise DocumentError(f"a segmentation of {form.rows}x{form.columns} pixels is not read")
    if not 0 < form.count <= MAX_FRAMES or form.count * form.pixels > MAX_TOTAL_PIXELS:
        raise DocumentError(
            f"a segmentation of {form.count} frames of {form.rows}x{form.columns} pixels is not "
            f"read (at most {MAX_FRAMES} frames and {MAX_TOTAL_PIXELS} pixels in all)"
        )
    if form.bits not in _BITS:
        raise DocumentError(f"a segmentation of {form.bits} bits a pixel is not read (1, 8, 16)")
    return form


def _pixels(dataset: Dataset) -> bytes:
    pixels = dataset.get("PixelData")
    if not isinstance(pixels, bytes) or not pixels:
        raise DocumentError("a segmentation without pixel data")
    return pixels


def _functional_groups(dataset: Dataset, count: int) -> list[Dataset]:
    """What is told of each frame: its own functional groups, over those that all share."""
    shared = next(iter(dataset.get("SharedFunctionalGroupsSequence") or ()), Dataset())
    own = list(dataset.get("PerFrameFunctionalGroupsSequence") or ())
    if not own and count == 1:
        own = [Dataset()]
    if len(own) != count:
        raise DocumentError(f"a segmentation of {count} frames describes {len(own)} of them")
    merged = []
    for group in own:
        whole = Dataset()
        for part in (shared, group):
            for keyword in ("DerivationImageSequence", "SegmentIdentificationSequence"):
                if part.get(keyword):
                    whole[keyword] = part[keyword]
        merged.append(whole)
    return merged


def _image_of(group: Dataset) -> ImageFrame | None:
    """SOP instance UID and frame (from 0) of the one image a frame was drawn on."""
    named = {
        (str(source.get("ReferencedSOPInstanceUID") or ""), _frame_of(source))
        for derivation in group.DerivationImageSequence
        for source in derivation.get("SourceImageSequence") or ()
    }
    if len(named) != 1:
        return None
    uid, frame = named.pop()
    return (uid, frame) if UID(uid).is_valid and frame is not None else None


def _frame_of(source: Dataset) -> int | None:
    """From 0; None where several are named."""
    number = source.get("ReferencedFrameNumber")
    if number is None or number == "":
        return 0
    if isinstance(number, int | str):
        return max(int(number), 1) - 1
    numbers = [int(one) for one in number]
    return max(numbers[0], 1) - 1 if len(numbers) == 1 else None


def _lone_image(dataset: Dataset) -> ImageFrame | None:
    """The one image the whole file refers to, for frames that do not say."""
    named = {
        (str(instance.get("ReferencedSOPInstanceUID") or ""), _frame_of(instance))
        for series in dataset.get("ReferencedSeriesSequence") or ()
        for instance in series.get("ReferencedInstanceSequence") or ()
    }
    if len(named) != 1:
        return None
    uid, frame = named.pop()
    return (uid, frame) if UID(uid).is_valid and frame is not None else None


def _is_label_map(dataset: Dataset) -> bool:
    return "LABELMAP" in (
        str(dataset.get("SegmentationType") or "").upper(),
        "LABELMAP" if str(dataset.SOPClassUID) == SEGMENTATION_CLASSES[1] else "",
    )


def _threshold(dataset: Dataset) -> float:
    """Value above which a pixel is in the segment: half of the greatest of a fractional one."""
    if str(dataset.get("SegmentationType") or "").upper() != "FRACTIONAL":
        return 0
    return _HALF * int(dataset.get("MaximumFractionalValue") or 255)


def _masks(
    values: Values, group: Dataset, lone: int | None, threshold: float, *, labelled: bool
) -> Iterator[tuple[int, Mask]]:
    if labelled:
        for number in np.unique(values):
            if number:
                yield int(number), values == number
        return
    told = next(iter(group.get("SegmentIdentificationSequence") or ()), Dataset())
    number = told.get("ReferencedSegmentNumber") or lone
    if number is None:
        raise DocumentError("a frame of the segmentation does not say which segment it shows")
    yield int(number), values > threshold


def _segment(
    image: ImageFrame,
    number: int,
    mask: Mask,
    described: Dataset,
    source: SegmentationSource,
) -> ForeignSegment:
    return ForeignSegment(
        image_sop_uid=image[0],
        frame=image[1],
        segment=number,
        label=_text(described, "SegmentLabel"),
        mask=mask,
        tracking_uid=_text(described, "TrackingUID"),
        codes=tuple(_codes(described)),
        algorithm=_text(described, "SegmentAlgorithmType").upper(),
        source=source,
    )


def _codes(described: Dataset) -> Iterator[tuple[str, str, str]]:
    for keyword in ("SegmentedPropertyCategoryCodeSequence", "SegmentedPropertyTypeCodeSequence"):
        for item in described.get(keyword) or ():
            modifiers = item.get("SegmentedPropertyTypeModifierCodeSequence") or ()
            for code in (item, *modifiers):
                yield (
                    _text(code, "CodeValue"),
                    _text(code, "CodingSchemeDesignator"),
                    _text(code, "CodeMeaning"),
                )


def _source(dataset: Dataset) -> SegmentationSource:
    return SegmentationSource(
        instance_uid=_text(dataset, "SOPInstanceUID"),
        series_uid=_text(dataset, "SeriesInstanceUID"),
        study_uid=_text(dataset, "StudyInstanceUID"),
        manufacturer=_text(dataset, "Manufacturer"),
        creator=_text(dataset, "ContentCreatorName").replace("^", " ").strip(),
        made_at=_text(dataset, "ContentDate") + _text(dataset, "ContentTime"),
        number=int(dataset.get("InstanceNumber") or 0),
        ours=is_ours(dataset),
    )


def _text(dataset: Dataset, keyword: str) -> str:
    value = dataset.get(keyword)
    # Not every database can keep NUL, which some programs fill their texts up with.
    return "" if value is None else str(value).replace("\0", "").strip()
