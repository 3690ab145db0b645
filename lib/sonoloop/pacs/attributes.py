"""What DICOM files say of themselves, read without their pixels.

Files come from anywhere: a deflated data set is not opened (a small file may hold gigabytes), the
other encodings are read element by element, and what cannot be interpreted is left out.
"""

import io
import logging
import math
from pathlib import Path
from typing import Any, BinaryIO, Final

from pydicom import DataElement, Dataset
from pydicom.config import IGNORE
from pydicom.filereader import dcmread, read_dataset
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian

from sonoloop.errors import ImageReadError
from sonoloop.imaging.dicom_header import PARSE_ERRORS, PREAMBLE_BYTES
from sonoloop.imaging.vocabulary import MAX_FILE_BYTES
from sonoloop.pacs.port import InstanceAddress

INLINE_BYTES: Final = 64 * 2**10
"""Longest binary value that stands in JSON itself (a palette has 512 to 131,072 bytes)."""

UTF_8: Final = "ISO_IR 192"
"""Defined term of SpecificCharacterSet: DICOM JSON is always UTF-8 (PS3.18 F.2)."""

META_GROUP: Final = 2
DELIMITERS: Final = 0xFFFE
"""Group of the tags that end items and sequences (PS3.5 7.5)."""

logging.getLogger("pydicom").setLevel(logging.WARNING)  # tells of every binary value it writes


def is_uid(text: str) -> bool:
    """Whether ``text`` is a UID (PS3.5 9.1): digits and dots, at most 64.

    Example:
        >>> is_uid("1.2.840.10008"), is_uid("1..2"), is_uid("../etc"), is_uid("")
        (True, False, False, False)
    """
    return UID(text, IGNORE).is_valid


def read_attributes(source: Path | bytes, *, keywords: tuple[str, ...] | None = None) -> Dataset:
    """The data set of a DICOM file without its pixels, with its file meta information.

    Args:
        source: The file, or what it holds.
        keywords: Only these attributes; None is all before the pixels.

    Raises:
        ImageReadError: If it is no DICOM file that can be read.
    """
    try:
        with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
            return _parsed(file, list(keywords) if keywords is not None else None)
    except PARSE_ERRORS as error:
        if isinstance(error, ImageReadError):
            raise
        raise ImageReadError(
            "malformed", f"the DICOM header cannot be parsed: {type(error).__name__}"
        ) from error


def _parsed(file: BinaryIO, keywords: list[Any] | None) -> Dataset:
    size = file.seek(0, 2)
    if size > MAX_FILE_BYTES:
        raise ImageReadError(
            "too_large", f"the file has {size} bytes (at most {MAX_FILE_BYTES >> 20} MiB)"
        )
    file.seek(PREAMBLE_BYTES)
    meta = read_dataset(
        file,
        is_implicit_VR=False,
        is_little_endian=True,
        stop_when=lambda tag, _vr, _length: tag.group != META_GROUP,
    )
    if meta.get("TransferSyntaxUID") in (None, DeflatedExplicitVRLittleEndian):
        raise ImageReadError("transfer_syntax", "the file is deflated or does not say how it is")
    file.seek(0)
    dataset = dcmread(file, stop_before_pixels=True, specific_tags=keywords)
    for tag in [tag for tag in dataset.keys() if tag >> 16 == DELIMITERS]:  # noqa: SIM118
        del dataset[tag]  # astray between the attributes; nobody can write them again
    return dataset


def address_of(dataset: Dataset) -> InstanceAddress:
    """The three UIDs of an instance.

    Raises:
        ImageReadError: If one is missing or is no UID.
    """
    uids = {}
    for level, name in (("Study", "study"), ("Series", "series"), ("SOP", "instance")):
        try:
            uid = str(dataset.get(f"{level}InstanceUID") or "")
        except PARSE_ERRORS:
            uid = ""
        if not is_uid(uid):
            raise ImageReadError("bad_uid", f"{level}InstanceUID {uid[:70]!r} is no UID")
        uids[name] = uid
    return InstanceAddress(**uids)


def as_json(dataset: Dataset, *, bulk_url: str | None = None) -> dict[str, Any]:
    """A data set as DICOM JSON (PS3.18 F); what cannot be interpreted is left out.

    Args:
        dataset: As :func:`read_attributes` gives it.
        bulk_url: Address below which long binary values are fetched, without a slash at the end;
            None leaves them out.
    """
    told: dict[str, Any] = {}
    for tag in dataset.keys():  # noqa: SIM118 - iterating interprets every value at once
        try:
            told[f"{tag:08X}"] = _element_json(dataset[tag], bulk_url)
        except PARSE_ERRORS:
            continue
    if bulk_url is None:
        told = {tag: value for tag, value in told.items() if "BulkDataURI" not in value}
    told["00080005"] = {"vr": "CS", "Value": [UTF_8]}
    return dict(sorted(told.items()))


def _element_json(element: DataElement, bulk_url: str | None) -> dict[str, Any]:
    nested = element.VR == "SQ"  # an address names no value inside of a sequence
    address = None if nested else lambda binary: f"{bulk_url}/{binary.tag:08X}"
    told: dict[str, Any] = _without_nan(element.to_json_dict(address, INLINE_BYTES))
    return told


def _without_nan(value: Any) -> Any:
    """JSON knows no numbers but finite ones."""
    if isinstance(value, dict):
        return {name: _without_nan(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_without_nan(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def from_json(attributes: dict[str, Any]) -> Dataset:
    """The data set that DICOM JSON describes, without its long binary values.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: If this is no DICOM JSON.
    """
    small = {
        tag: value
        for tag, value in attributes.items()
        if isinstance(value, dict) and "BulkDataURI" not in value
    }
    dataset = Dataset.from_json(small)
    dataset.SpecificCharacterSet = UTF_8
    return dataset
