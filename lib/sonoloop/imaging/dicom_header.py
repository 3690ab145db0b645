"""What a DICOM file says of its image, checked before a single pixel is read.

The data set is parsed by pydicom, but only the elements listed here are kept, and their raw bytes
are interpreted here: pydicom's own conversion warns and guesses where this package must refuse.
Parsing is bounded in bytes and in steps, since a header can be as long as the file.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from pydicom.charset import python_encoding
from pydicom.config import IGNORE, settings
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag
from pydicom.uid import UID

from sonoloop.imaging.vocabulary import Refusal, refusal

# pydicom would quote values it finds odd in its log and in warnings, and they may be names.
settings.reading_validation_mode = settings.writing_validation_mode = IGNORE

PREAMBLE_BYTES: Final = 132
_MAX_HEADER_BYTES: Final = 64 * 2**20
_MAX_HEADER_READS: Final = 200_000
_UNDEFINED_LENGTH: Final = 0xFFFFFFFF
_PIXEL_TAGS: Final = (0x7FE00008, 0x7FE00009, 0x7FE00010)
"""Float, Double Float and ordinary Pixel Data."""

PARSE_ERRORS: Final = (
    AttributeError,
    BytesLengthException,
    EOFError,
    IndexError,
    InvalidDicomError,
    KeyError,
    LookupError,
    NotImplementedError,
    OSError,
    OverflowError,
    RecursionError,
    TypeError,
    UserWarning,  # where the user's filter makes errors of them
    ValueError,
    struct.error,
)
"""What pydicom raises on mangled bytes."""

_KEYWORDS: Final = (
    "SpecificCharacterSet",
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "StudyDate",
    "Modality",
    "PatientID",
    "SequenceOfUltrasoundRegions",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "PlanarConfiguration",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "PixelSpacing",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "BurnedInAnnotation",
    "LossyImageCompression",
    *(
        f"{segmented}{colour}PaletteColorLookupTable{part}"
        for colour in ("Red", "Green", "Blue")
        for segmented, part in (("", "Descriptor"), ("", "Data"), ("Segmented", "Data"))
    ),
)
_TAGS: Final = {keyword: tag_for_keyword(keyword) or 0 for keyword in _KEYWORDS}


class Attributes(Protocol):
    """Attributes of an image by keyword, from a file or from the metadata of a PACS.

    The methods mean what those of :class:`Elements` do.
    """

    def raw(self, keyword: str) -> bytes | None: ...  # noqa: D102 - told above

    def number(self, keyword: str, form: str) -> float | None: ...  # noqa: D102

    def short(self, keyword: str) -> int | None: ...  # noqa: D102

    def text(self, keyword: str) -> str | None: ...  # noqa: D102

    def items(self, keyword: str) -> "Iterator[Attributes]": ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Elements:
    """Raw values of one data set, asked for by keyword.

    Attributes:
        dataset: As pydicom parsed it.
        order: ``<`` or ``>``, as :mod:`struct` writes byte order.
    """

    dataset: Dataset
    order: str

    def raw(self, keyword: str) -> bytes | None:
        """The bytes of an element, or None when it is absent or empty."""
        element = self.dataset.get_item(_TAGS.get(keyword) or tag_for_keyword(keyword) or 0)
        return (element.value or None) if isinstance(element, RawDataElement) else None

    def number(self, keyword: str, form: str) -> float | None:
        """One number of :mod:`struct` form ``form``, or None when it is absent or another size."""
        value = self.raw(keyword)
        if value is None or len(value) != struct.calcsize(form):
            return None
        number: float = struct.unpack(self.order + form, value)[0]
        return number

    def short(self, keyword: str) -> int | None:
        """One unsigned 16-bit number, or None."""
        number = self.number(keyword, "H")
        return None if number is None else int(number)

    def text(self, keyword: str) -> str | None:
        """Text without padding, or None when it is absent or blank."""
        value = self.raw(keyword)
        if value is None:
            return None
        return value.decode(self._codec(value), "replace").strip("\0 ") or None

    def items(self, keyword: str) -> Iterator["Elements"]:
        """Items of a sequence; none when it is absent.

        Raises:
            PARSE_ERRORS: If the bytes are no sequence.
        """
        if _TAGS[keyword] in self.dataset:
            for item in self.dataset[_TAGS[keyword]].value or ():
                yield Elements(item, self.order)

    def _codec(self, value: bytes) -> str:
        if value.isascii():
            return "ascii"
        stated = (self.raw("SpecificCharacterSet") or b"").decode("ascii", "replace")
        terms = [term.strip("\0 ") for term in stated.split("\\")]
        return python_encoding.get(next((t for t in reversed(terms) if t), ""), "latin-1")


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelElement:
    """Where the Pixel Data element's value lies in the file.

    Attributes:
        offset: Of its first byte.
        length: In bytes; None when it is encapsulated (undefined length).
        byte_swapped: 8-bit samples written as big-endian 16-bit words.
    """

    offset: int
    length: int | None
    byte_swapped: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedFile:
    """The header of one file, not yet judged."""

    transfer_syntax: UID
    elements: Elements
    pixel_element: PixelElement


class _BoundedReader:
    """A file whose reads are counted, so that no header can hold the reader for long."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._bytes_left = _MAX_HEADER_BYTES
        self._reads_left = _MAX_HEADER_READS
        self.cut = False
        self.seek = file.seek
        self.tell = file.tell

    def read(self, count: int = -1) -> bytes:
        self._reads_left -= 1
        self._bytes_left -= max(count, 0)
        if self._bytes_left < 0 or self._reads_left < 0:
            raise refusal(
                Refusal.MALFORMED,
                f"the header before the pixels is longer than {_MAX_HEADER_BYTES >> 20} MiB "
                f"or {_MAX_HEADER_READS} reads",
            )
        data = self._file.read(count)
        self.cut = self.cut or 0 < len(data) < count
        return data


def parse_file(file: BinaryIO, size: int, readable: frozenset[str]) -> ParsedFile:
    """The header of the DICOM file ``file``, up to its pixels.

    Args:
        file: Open, with a preamble; its position does not matter.
        size: Length of the file in bytes.
        readable: Transfer syntax UIDs that are read; all others are refused before the data set
            is looked at, because a deflated one could hold gigabytes.

    Raises:
        ImageReadError: If the header cannot be parsed or leads to no pixels.
    """
    file.seek(PREAMBLE_BYTES)
    reader = _BoundedReader(file)
    try:
        syntax = _transfer_syntax(reader, readable)
        dataset = read_dataset(
            reader,  # type: ignore[arg-type]
            syntax.is_implicit_VR,
            syntax.is_little_endian,
            stop_when=_at_pixels,
            specific_tags=list(_TAGS.values()),
        )
    except PARSE_ERRORS as error:
        if reader.cut:
            raise _truncated(size) from error
        if hasattr(error, "code"):
            raise
        raise refusal(
            Refusal.MALFORMED, f"the DICOM header cannot be parsed: {type(error).__name__}"
        ) from error
    elements = Elements(dataset, "<" if syntax.is_little_endian else ">")
    if reader.cut or file.tell() > size:
        raise _truncated(size)
    return ParsedFile(
        transfer_syntax=syntax,
        elements=elements,
        pixel_element=_pixel_element(file, size, elements),
    )


def _transfer_syntax(reader: _BoundedReader, readable: frozenset[str]) -> UID:
    meta = read_dataset(
        reader,  # type: ignore[arg-type]
        is_implicit_VR=False,
        is_little_endian=True,
        stop_when=lambda tag, _vr, _length: tag.group != 2,
    )
    stated = Elements(meta, "<").text("TransferSyntaxUID")
    if stated is None:
        if reader.cut or not meta:
            raise refusal(Refusal.TRUNCATED, "the file ends within its first elements")
        raise refusal(Refusal.TRANSFER_SYNTAX, "the file does not state its transfer syntax")
    if stated not in readable:
        syntax = UID(stated[:80], IGNORE)
        raise refusal(
            Refusal.TRANSFER_SYNTAX,
            f"transfer syntax {syntax.name!r} is not read (ask the PACS for Explicit VR "
            "Little Endian)",
        )
    return UID(stated)


def _at_pixels(tag: BaseTag, _vr: str | None, _length: int) -> bool:
    return tag in _PIXEL_TAGS


def _pixel_element(file: BinaryIO, size: int, elements: Elements) -> PixelElement:
    start = file.tell()
    header = file.read(12)
    if len(header) < 12 or struct.unpack(elements.order + "HH", header[:4]) != (0x7FE0, 0x0010):
        raise refusal(
            Refusal.NO_PIXEL_DATA,
            "the file holds no Pixel Data (a report or a presentation state?)",
        )
    # An implicit header has its length where an explicit one has the VR: "OB", "OW" and "UN" read
    # as a length are odd numbers, which DICOM does not have, so they cannot be confused.
    vr = header[4:6]
    explicit = vr in (b"OB", b"OW", b"UN")
    length_at, offset = (8, start + 12) if explicit else (4, start + 8)
    length: int = struct.unpack(elements.order + "I", header[length_at : length_at + 4])[0]
    if length == _UNDEFINED_LENGTH:
        return PixelElement(offset=offset, length=None, byte_swapped=False)
    if offset + length > size:
        raise _truncated(size, f"{length} bytes of pixels are stated, {size - offset} are there")
    return PixelElement(
        offset=offset, length=length, byte_swapped=elements.order == ">" and vr == b"OW"
    )


def _truncated(size: int, detail: str = "the header has no end") -> Exception:
    return refusal(Refusal.TRUNCATED, f"the file is cut after {size} bytes: {detail}")


def has_dicom_magic(path: Path) -> bool:
    """Whether ``DICM`` stands where DICOM files have it; False for unreadable files."""
    try:
        with path.open("rb") as file:
            return file.read(PREAMBLE_BYTES)[128:] == b"DICM"
    except OSError:
        return False
