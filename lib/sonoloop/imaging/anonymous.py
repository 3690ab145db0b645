"""An ultrasound file rebuilt without anything that tells whose it is.

Nothing is removed from the original; a new file is made, and only what a reader of pixels needs is
put into it: the stored pixels as they were encoded, numbers that describe them, the calibrated
regions, and the three UIDs. No text of the original gets across, except defined terms. What is
burned into the pixels stays in them.
"""

import os
import struct
from pathlib import Path
from typing import Any, BinaryIO, Final

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID

from sonoloop.imaging.dicom import check_sop_class, identity_of, read_dicom_header
from sonoloop.imaging.dicom_header import Elements, ParsedFile, parse_file
from sonoloop.imaging.encapsulation import end_of_pixels
from sonoloop.imaging.frames import READABLE_SYNTAXES
from sonoloop.imaging.image import ImageHeader
from sonoloop.imaging.pixel_module import PixelModule, pixel_module
from sonoloop.imaging.vocabulary import Refusal, refusal

MARK: Final = b"sonoloop: rebuilt without identity, 1"
"""Begins the preamble, which DICOM leaves to whoever writes the file (PS3.10 7.1)."""

_CHUNK_BYTES: Final = 2**20
_NUMBERS: Final = (
    "SamplesPerPixel",
    "PlanarConfiguration",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
)
_TERMS: Final = {"BurnedInAnnotation": ("YES", "NO"), "LossyImageCompression": ("00", "01")}
_COLOURS: Final = ("Red", "Green", "Blue")
_REGION: Final = {
    "RegionSpatialFormat": "H",
    "RegionDataType": "H",
    "RegionFlags": "I",
    "RegionLocationMinX0": "I",
    "RegionLocationMinY0": "I",
    "RegionLocationMaxX1": "I",
    "RegionLocationMaxY1": "I",
    "ReferencePixelX0": "i",
    "ReferencePixelY0": "i",
    "PhysicalUnitsXDirection": "H",
    "PhysicalUnitsYDirection": "H",
    "ReferencePixelPhysicalValueX": "d",
    "ReferencePixelPhysicalValueY": "d",
    "PhysicalDeltaX": "d",
    "PhysicalDeltaY": "d",
}
"""What is kept of a region (PS3.3 C.8.5.5), and its :mod:`struct` form."""


def is_anonymous(path: Path) -> bool:
    """Whether a file was written by :func:`write_anonymous`; False where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(len(MARK)) == MARK
    except OSError:
        return False


def write_anonymous(source: Path, target: Path) -> None:
    """Rebuild ``source`` in ``target``; whole and on the disk, or not there.

    Raises:
        ImageReadError: If ``source`` is no ultrasound image that can be read.
        OSError: If ``target`` cannot be written.
    """
    with source.open("rb") as original:
        size = original.seek(0, 2)
        parsed = parse_file(original, size, READABLE_SYNTAXES)
        check_sop_class(parsed.elements)
        before, module = read_dicom_header(original, size), pixel_module(parsed)
        try:
            with target.open("xb+") as file:
                dataset = _header(parsed, module)
                dataset.save_as(file, enforce_file_format=True)
                _copy_pixels(original, file, parsed, module)
                file.flush()
                _check_same(before, read_dicom_header(file, file.seek(0, 2)))
                os.fsync(file.fileno())
        except BaseException:
            target.unlink(missing_ok=True)
            raise


def _header(parsed: ParsedFile, module: PixelModule) -> Dataset:
    elements, identity = parsed.elements, identity_of(parsed.elements)
    dataset = Dataset()
    dataset.preamble = MARK.ljust(128, b"\0")
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = parsed.transfer_syntax
    dataset.SOPClassUID = UID(elements.text("SOPClassUID") or "")
    dataset.SOPInstanceUID = identity.sop_instance_uid
    dataset.StudyInstanceUID = identity.study_instance_uid
    dataset.SeriesInstanceUID = identity.series_instance_uid
    dataset.Modality = "US"
    dataset.PatientIdentityRemoved = "YES"
    dataset.PhotometricInterpretation = elements.text("PhotometricInterpretation")
    if module.frame_count > 1 or elements.text("NumberOfFrames"):
        dataset.NumberOfFrames = module.frame_count
    for keyword in _NUMBERS:
        if (number := elements.short(keyword)) is not None:
            setattr(dataset, keyword, number)
    for keyword, terms in _TERMS.items():
        if (term := elements.text(keyword)) in terms:
            setattr(dataset, keyword, term)
    _add_palette(dataset, elements)
    _add_spacing(dataset, elements)
    return dataset


def _add_palette(dataset: Dataset, elements: Elements) -> None:
    for colour in _COLOURS:
        keyword = f"{colour}PaletteColorLookupTable"
        descriptor = elements.raw(f"{keyword}Descriptor")
        if descriptor is not None and len(descriptor) == 6:
            numbers = struct.unpack(f"{elements.order}3H", descriptor)
            dataset.add_new(f"{keyword}Descriptor", "US", list(numbers))
        for name in (f"{keyword}Data", f"Segmented{keyword}Data"):
            if (data := elements.raw(name)) is not None:
                dataset.add_new(name, "OW", data)


def _add_spacing(dataset: Dataset, elements: Elements) -> None:
    regions = [_region(item) for item in elements.items("SequenceOfUltrasoundRegions")]
    if regions:
        dataset.SequenceOfUltrasoundRegions = Sequence(regions)
    parts = (elements.text("PixelSpacing") or "").split("\\")
    try:
        spacing = [float(part) for part in parts]
    except ValueError:
        return
    dataset.PixelSpacing = [f"{value:.10g}" for value in spacing]


def _region(item: Elements) -> Dataset:
    region = Dataset()
    for keyword, form in _REGION.items():
        number: Any = item.number(keyword, form)
        if number is not None:
            setattr(region, keyword, number)
    return region


def _copy_pixels(
    original: BinaryIO, file: BinaryIO, parsed: ParsedFile, module: PixelModule
) -> None:
    """The Pixel Data element with the stored bytes, and nothing of what follows it."""
    at, syntax = parsed.pixel_element, parsed.transfer_syntax
    order = parsed.elements.order
    if at.length is None:
        length, stated = end_of_pixels(original, at.offset) - at.offset, 0xFFFFFFFF
    else:
        used = module.frame_bytes * module.frame_count
        length = stated = min(at.length, used + used % 2)
    vr = b"OB" if module.bits_allocated == 8 and not at.byte_swapped else b"OW"
    file.write(struct.pack(f"{order}HH", 0x7FE0, 0x0010))
    file.write(struct.pack(f"{order}I", stated) if syntax.is_implicit_VR
               else vr + b"\0\0" + struct.pack(f"{order}I", stated))  # fmt: skip
    original.seek(at.offset)
    while length > 0 and (chunk := original.read(min(length, _CHUNK_BYTES))):
        file.write(chunk)
        length -= len(chunk)


def _check_same(before: ImageHeader, after: ImageHeader) -> None:
    """Refuse a file of which something that matters did not get across."""
    for name in ("rows", "columns", "frame_count", "spacing_mm", "flags"):
        if getattr(before, name) != getattr(after, name):
            raise refusal(
                Refusal.MALFORMED, f"{name} of the image cannot be kept without its identity"
            )
