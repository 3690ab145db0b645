"""Headers of JPEG, JPEG-LS and JPEG 2000 code streams, read before any decoder sees them.

A 50 kB stream may claim 40000 x 40000 pixels, or 64 x 64 in a file that says 600 x 800: decoders
take its word, so the word is checked first.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from sonoloop.imaging.vocabulary import Refusal, refusal

Coding = Literal["jpeg", "jpeg_lossless", "jpeg_ls", "jpeg2000"]

_MAX_SCANS: Final = 100
"""Each scan of a progressive JPEG costs a pass over the image; encoders make about ten."""

_SOS, _APP0, _APP14, _JPEG_LS = 0xDA, 0xE0, 0xEE, 0xF7
_CODING_OF_SOF: Final[dict[int, Coding]] = {
    0xC0: "jpeg",
    0xC1: "jpeg",
    0xC2: "jpeg",
    0xC3: "jpeg_lossless",
    _JPEG_LS: "jpeg_ls",
}
_NOT_SOF: Final = (0xC4, 0xC8, 0xCC)
_J2K_HEAD: Final = b"\xff\x4f\xff\x51"


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeStream:
    """What a code stream says of itself.

    Attributes:
        precision: Bits a sample.
        subsampled: Chroma has fewer samples than luminance.
        colour: What three components are, as far as the stream says: ``ybr``, ``rgb`` or None.
    """

    coding: Coding
    rows: int
    columns: int
    samples: int
    precision: int
    subsampled: bool = False
    colour: Literal["rgb", "ybr"] | None = None


def parse_jpeg(data: bytes) -> CodeStream:
    """Header of a JPEG or JPEG-LS stream.

    Raises:
        ImageReadError: If there is none, or the stream has absurdly many scans.
    """
    if data[:2] != b"\xff\xd8":
        raise refusal(Refusal.CODESTREAM, f"the frame begins with {data[:2].hex()}, not as a JPEG")
    if data.count(b"\xff\xda") > _MAX_SCANS:
        raise refusal(Refusal.CODESTREAM, f"the JPEG has more than {_MAX_SCANS} scans")
    jfif, adobe = False, None
    for marker, segment in _segments(data):
        if marker == _APP0 and segment[:4] == b"JFIF":
            jfif = True
        elif marker == _APP14 and segment[:5] == b"Adobe" and len(segment) >= 12:
            adobe = segment[11]
        elif marker == _JPEG_LS or (0xC0 <= marker <= 0xCF and marker not in _NOT_SOF):
            return _frame_header(marker, segment, jfif=jfif, adobe=adobe)
    raise refusal(Refusal.CODESTREAM, "the JPEG has no frame header")


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(marker, payload) of every segment between the start of the image and its first scan."""
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker, length = data[position + 1], int.from_bytes(data[position + 2 : position + 4])
        if marker == 0xFF:  # a fill byte
            position += 1
            continue
        if marker == _SOS or length < 2:
            return
        yield marker, data[position + 4 : position + 2 + length]
        position += 2 + length


def _frame_header(marker: int, segment: bytes, *, jfif: bool, adobe: int | None) -> CodeStream:
    coding = _CODING_OF_SOF.get(marker)
    if coding is None or len(segment) < 6 or len(segment) < 6 + 3 * segment[5]:
        raise refusal(Refusal.CODESTREAM, f"a JPEG frame of kind 0x{marker:02x} is not read")
    precision, rows, columns, samples = struct.unpack(">BHHB", segment[:6])
    components = [segment[6 + 3 * k : 9 + 3 * k] for k in range(samples)]
    return CodeStream(
        coding=coding,
        rows=rows,
        columns=columns,
        samples=samples,
        precision=precision,
        subsampled=len({component[1] for component in components}) > 1,
        colour=_stated_colour(bytes(c[0] for c in components), jfif=jfif, adobe=adobe)
        if coding == "jpeg"
        else None,
    )


def _stated_colour(
    identifiers: bytes, *, jfif: bool, adobe: int | None
) -> Literal["rgb", "ybr"] | None:
    """As libjpeg decides it, except that it calls what is not stated YCbCr."""
    if len(identifiers) != 3:
        return None
    if jfif:
        return "ybr"
    if adobe is not None:
        return "rgb" if adobe == 0 else "ybr"
    return "rgb" if identifiers == b"RGB" else None


def parse_jpeg2000(data: bytes) -> CodeStream:
    """Header of a JPEG 2000 code stream, or of the one in a JP2 file.

    Raises:
        ImageReadError: If there is none.
    """
    start = data.find(_J2K_HEAD, 0, 4096)
    size = data[start + 6 : start + 6 + 36 + 3]
    if start < 0 or len(size) < 39:
        raise refusal(Refusal.CODESTREAM, "the frame has no JPEG 2000 header")
    x1, y1, x0, y0 = struct.unpack(">4I", size[2:18])
    samples = int.from_bytes(size[34:36])
    return CodeStream(
        coding="jpeg2000",
        rows=y1 - y0,
        columns=x1 - x0,
        samples=samples,
        precision=(size[36] & 0x7F) + 1,
        colour="rgb" if _component_transform(data[start:]) else None,
    )


def _component_transform(stream: bytes) -> bool:
    """Whether the encoder turned RGB into luminance and chroma (and decoders turn it back)."""
    position = 2
    while position + 9 <= len(stream) and stream[position] == 0xFF:
        marker = stream[position + 1]
        if marker == 0x52:  # COD: progression order, layers, then the transform
            return stream[position + 8] == 1
        if marker in (0x90, 0x93):  # tile data: no COD before it
            break
        position += 2 + int.from_bytes(stream[position + 2 : position + 4])
    return False
