"""PNG, JPEG, BMP and TIFF: pictures without a scale or an identity.

Decisions: transparent pixels are put on black, the background of ultrasound. A camera's EXIF
rotation is not applied, since masks and ITK-based viewers count rows and columns as stored. More
than 8 bits are scaled from the full range of the file's own depth. Resolution notes (dots an inch)
are about paper, so spacing is None.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile

from sonoloop.imaging.codestream import parse_jpeg
from sonoloop.imaging.frames import (
    PICTURE_ERRORS,
    DecodedFrame,
    check_bitmap,
    decode_jpeg,
    picture_refusal,
)
from sonoloop.imaging.grey import has_colour, luminance, to_8_bit
from sonoloop.imaging.image import ImageHeader, UltrasoundImage
from sonoloop.imaging.pixel_module import check_dimensions
from sonoloop.imaging.vocabulary import MAX_FRAMES, Flag, Refusal, refusal, sorted_flags

_MAX_BYTES: Final = 128 * 2**20
_MAX_TAGS: Final = 1024
_EXIF_ORIENTATION: Final = 0x0112
_BITS_PER_SAMPLE: Final = 258
_TIFF_PHOTOMETRIC: Final = 262
_TIFF_TYPE_BYTES: Final = {
    3: 2,
    4: 4,
    5: 8,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}
_WITH_ALPHA: Final = ("LA", "La", "PA", "RGBA", "RGBa")
_COMPRESSIONS: Final = (
    "raw",
    "packbits",
    "tiff_lzw",
    "tiff_adobe_deflate",
    "tiff_deflate",
    "jpeg",
    "tiff_jpeg",
)
_FORMAT_OF_MAGIC: Final = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"BM", "bmp"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
)


def picture_format(head: bytes) -> str | None:
    """Format of a file by its first bytes, or None."""
    return next((kind for magic, kind in _FORMAT_OF_MAGIC if head.startswith(magic)), None)


def read_picture_header(file: BinaryIO, size: int, kind: str) -> ImageHeader:
    """Size and number of pages.

    Raises:
        ImageReadError: If the file is not a readable picture.
    """
    pages = _page_count(file, size, kind)
    with _opened(file, kind) as picture:
        columns, rows = picture.size
        check_dimensions(rows, columns, pages)
        return ImageHeader(
            rows=rows,
            columns=columns,
            frame_count=pages,
            spacing_mm=None,
            flags=sorted_flags(_header_flags(picture)),
            source_format=kind,
        )


def read_picture(file: BinaryIO, size: int, kind: str, frame: int) -> UltrasoundImage:
    """One page of the file.

    Raises:
        ImageReadError: If the file is not a readable picture or has no such page.
    """
    pages = _page_count(file, size, kind)
    if not 0 <= frame < pages:
        raise refusal(Refusal.FRAME, f"there is no page {frame} (pages are 0 to {pages - 1})")
    if kind == "png":
        _check_png(file)
    with _opened(file, kind) as picture:
        if frame:
            _seek(picture, frame, kind)
        check_dimensions(picture.height, picture.width, pages)
        flags = _header_flags(picture)
        decoded = _decode_jpeg(file) if kind == "jpeg" else _decode(file, picture, kind)
    pixels = luminance(decoded.samples, decoded.space)
    pixels.setflags(write=False)
    overlay = [Flag.COLOR_OVERLAY] if has_colour(decoded.samples, decoded.space) else []
    return UltrasoundImage(
        pixels=pixels,
        frame=frame,
        frame_count=pages,
        flags=sorted_flags((*flags, *decoded.flags, *overlay)),
        source_format=kind,
    )


def _opened(file: BinaryIO, kind: str) -> ImageFile.ImageFile:
    file.seek(0)
    try:
        return Image.open(file, formats=(kind.upper(),))
    except PICTURE_ERRORS as error:
        if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
            raise refusal(Refusal.DIMENSIONS, f"the {kind} claims too many pixels") from error
        raise refusal(
            Refusal.MALFORMED, f"the {kind} header cannot be parsed: {type(error).__name__}"
        ) from error


def _seek(picture: ImageFile.ImageFile, page: int, kind: str) -> None:
    try:
        picture.seek(page)
    except PICTURE_ERRORS as error:
        raise picture_refusal(kind, error) from error


def _header_flags(picture: Image.Image) -> list[Flag]:
    flags = []
    try:
        rotated = picture.getexif().get(_EXIF_ORIENTATION, 1) not in (0, 1)
    except (*PICTURE_ERRORS, struct.error):
        rotated = False  # a broken note says nothing
    if rotated:
        flags.append(Flag.EXIF_ORIENTATION_IGNORED)
    if picture.mode.startswith("I;16"):
        flags.append(Flag.SCALED_FROM_16_BIT)
    return flags


def _decode_jpeg(file: BinaryIO) -> DecodedFrame:
    file.seek(0)
    stream = file.read()
    return decode_jpeg(stream, parse_jpeg(stream), labelled_rgb=False)


def _decode(file: BinaryIO, picture: ImageFile.ImageFile, kind: str) -> DecodedFrame:
    compression = picture.info.get("compression", "raw")
    if kind == "tiff" and compression not in _COMPRESSIONS:
        raise refusal(
            Refusal.PIXEL_FORMAT, f"TIFF compression {compression!r} ({', '.join(_COMPRESSIONS)})"
        )
    file.seek(0)
    check_bitmap(picture, file.read(32))
    try:
        picture.load()
        return _samples(picture)
    except PICTURE_ERRORS as error:
        if hasattr(error, "code"):
            raise
        raise picture_refusal(kind, error) from error


def _samples(picture: Image.Image) -> DecodedFrame:
    mode = picture.mode
    if mode.startswith("I;16"):
        return DecodedFrame(_from_16_bit(picture), "grey")
    if mode in _WITH_ALPHA or "transparency" in picture.info:
        return _on_black(picture)
    if mode in ("1", "L"):
        return DecodedFrame(np.asarray(picture.convert("L")), "grey")
    if mode in ("P", "RGB", "YCbCr"):
        return DecodedFrame(np.asarray(picture.convert("RGB")), "rgb")
    raise refusal(Refusal.PIXEL_FORMAT, f"pixels of kind {mode!r} (grey, palette or RGB)")


def _on_black(picture: Image.Image) -> DecodedFrame:
    colours = picture.convert("RGBA")
    transparent = colours.getchannel("A").getextrema()[0] != 255
    black = Image.new("RGBA", colours.size, (0, 0, 0, 255))
    flat = np.asarray(Image.alpha_composite(black, colours))[..., :3]
    return DecodedFrame(flat, "rgb", (Flag.TRANSPARENCY_FLATTENED,) if transparent else ())


def _from_16_bit(picture: Image.Image) -> npt.NDArray[np.uint8]:
    tags: Any = getattr(picture, "tag_v2", {})
    bits = int((tags.get(_BITS_PER_SAMPLE) or (16,))[0])
    pixels = to_8_bit(np.asarray(picture), bits)
    # Pillow turns white-is-zero around for 8 bits, but not for 16
    return 255 - pixels if tags.get(_TIFF_PHOTOMETRIC) == 0 else pixels


def _check_png(file: BinaryIO) -> None:
    """Check sum of every chunk up to the end mark: Pillow does not look at those of the pixels."""
    file.seek(8)
    while True:
        head = file.read(8)
        length = int.from_bytes(head[:4])
        body = file.read(length + 4) if len(head) == 8 else b""
        if len(body) < length + 4:
            raise refusal(Refusal.TRUNCATED, "the PNG is cut: it has no end mark")
        if zlib.crc32(body[:-4], zlib.crc32(head[4:])) != int.from_bytes(body[-4:]):
            raise refusal(Refusal.DECODE, f"the PNG is corrupt: check sum of {head[4:]!r} is wrong")
        if head[4:] == b"IEND":
            return


def _page_count(file: BinaryIO, size: int, kind: str) -> int:
    if size > _MAX_BYTES:
        raise refusal(
            Refusal.TOO_LARGE, f"a picture of {size} bytes (at most {_MAX_BYTES >> 20} MiB)"
        )
    return sum(1 for _ in _tiff_pages(file, size)) if kind == "tiff" else 1


def _tiff_pages(file: BinaryIO, size: int) -> Iterator[int]:
    """Offset of every page's directory; bounded, since directories may point in circles.

    Raises:
        ImageReadError: If a directory, or a value it points to, lies beyond the end: Pillow would
            go on without that value.
    """
    file.seek(0)
    head = file.read(16)
    order, big = ("<" if head[:1] == b"I" else ">"), head[2:4] in (b"+\0", b"\0+")
    entry = struct.Struct(order + ("HHQQ" if big else "HHII"))
    pointer, count = (order + "Q", order + "Q") if big else (order + "I", order + "H")
    seen: set[int] = set()
    try:
        (offset,) = struct.unpack_from(pointer, head, 8 if big else 4)
        while offset:
            if offset in seen or len(seen) >= MAX_FRAMES:
                raise refusal(Refusal.DIMENSIONS, f"a TIFF of more than {MAX_FRAMES} pages")
            seen.add(offset)
            file.seek(offset)
            (tags,) = struct.unpack(count, file.read(struct.calcsize(count)))
            if tags > _MAX_TAGS:
                raise refusal(Refusal.MALFORMED, f"a TIFF page with {tags} tags")
            for _, kind, number, value in entry.iter_unpack(file.read(tags * entry.size)):
                length = _TIFF_TYPE_BYTES.get(kind, 1) * number
                if length > struct.calcsize(pointer) and value + length > size:
                    raise refusal(Refusal.TRUNCATED, "a TIFF value lies beyond the end")
            (following,) = struct.unpack(pointer, file.read(struct.calcsize(pointer)))
            yield offset
            offset = following
    except (struct.error, OverflowError, OSError) as error:
        raise refusal(Refusal.TRUNCATED, "a TIFF directory lies beyond the end") from error
