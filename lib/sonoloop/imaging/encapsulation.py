"""Finding one compressed frame in a file without reading the others (PS3.5 A.4)."""

import struct
from typing import BinaryIO, Final

from sonoloop.imaging.vocabulary import MAX_FRAMES, MAX_PIXELS, Refusal, refusal

_ITEM: Final = b"\xfe\xff\x00\xe0"
_END: Final = b"\xfe\xff\xdd\xe0"
_MAX_FRAGMENTS: Final = 16 * MAX_FRAMES
_MAX_FRAME_BYTES: Final = 4 * MAX_PIXELS
_STARTS: Final = (b"\xff\xd8", b"\xff\x4f")
"""First bytes of a JPEG, JPEG-LS or JPEG 2000 code stream."""

Fragment = tuple[int, int]
"""(offset of its value in the file, length)."""


def read_frame(
    file: BinaryIO, offset: int, frame: int, frame_count: int, *, one_fragment_each: bool
) -> bytes:
    """The code stream of one frame.

    Args:
        file: The DICOM file.
        offset: Of the value of its Pixel Data.
        frame: From 0.
        frame_count: As the header states it.
        one_fragment_each: RLE, whose frames are never split.

    Raises:
        ImageReadError: If the file is cut or the frames cannot be told apart.
    """
    table, fragments = _walk(file, offset)
    groups = _frames(file, table, fragments, frame_count, one_fragment_each=one_fragment_each)
    length = sum(size for _, size in groups[frame])
    if length > _MAX_FRAME_BYTES:
        raise refusal(
            Refusal.ENCAPSULATION,
            f"a compressed frame has {length} bytes (at most {_MAX_FRAME_BYTES})",
        )
    return b"".join(_read_at(file, start, size) for start, size in groups[frame])


def end_of_pixels(file: BinaryIO, offset: int) -> int:
    """Where compressed pixels that begin at ``offset`` end, with the item that says so.

    Raises:
        ImageReadError: If the file is cut or holds something else there.
    """
    _walk(file, offset)
    return file.tell()


def _walk(file: BinaryIO, offset: int) -> tuple[Fragment, list[Fragment]]:
    """The offset table's place and that of every fragment."""
    items: list[Fragment] = []
    file.seek(offset)
    while True:
        header = file.read(8)
        if len(header) < 8:
            raise refusal(Refusal.TRUNCATED, f"the compressed pixels end within item {len(items)}")
        kind, (length,) = header[:4], struct.unpack("<I", header[4:])
        if kind == _END:
            break
        if kind != _ITEM or len(items) > _MAX_FRAGMENTS:
            raise refusal(
                Refusal.ENCAPSULATION, f"item {len(items)} of the compressed pixels is no fragment"
            )
        items.append((file.tell(), length))
        file.seek(length, 1)
    if len(items) < 2:
        raise refusal(Refusal.NO_PIXEL_DATA, "there is no fragment in the compressed pixels")
    return items[0], items[1:]


def _frames(
    file: BinaryIO,
    table: Fragment,
    fragments: list[Fragment],
    frame_count: int,
    *,
    one_fragment_each: bool,
) -> list[list[Fragment]]:
    if len(fragments) == frame_count:
        return [[fragment] for fragment in fragments]
    if len(fragments) > frame_count and not one_fragment_each:
        if frame_count == 1:
            return [fragments]
        for starts in (_table_starts(file, table, fragments), _stream_starts(file, fragments)):
            if len(starts) == frame_count and starts[0] == 0:
                ends = [*starts[1:], len(fragments)]
                return [fragments[a:b] for a, b in zip(starts, ends, strict=True)]
    raise refusal(
        Refusal.ENCAPSULATION,
        f"{len(fragments)} fragments do not divide into {frame_count} frames",
    )


def _table_starts(file: BinaryIO, table: Fragment, fragments: list[Fragment]) -> list[int]:
    """Index of each frame's first fragment by the Basic Offset Table; empty if it does not fit."""
    offset, length = table
    if not 0 < length <= 4 * MAX_FRAMES or length % 4:
        return []
    stated = struct.unpack(f"<{length // 4}I", _read_at(file, offset, length))
    first = fragments[0][0]
    index = {start - first: number for number, (start, _) in enumerate(fragments)}
    starts = [index.get(value, -1) for value in stated]
    return starts if starts == sorted(set(starts)) else []


def _stream_starts(file: BinaryIO, fragments: list[Fragment]) -> list[int]:
    """Index of each fragment that begins a code stream."""
    heads = [_read_at(file, start, min(2, length)) for start, length in fragments]
    return [number for number, head in enumerate(heads) if head in _STARTS]


def _read_at(file: BinaryIO, offset: int, length: int) -> bytes:
    file.seek(offset)
    data = file.read(length)
    if len(data) < length:
        raise refusal(Refusal.TRUNCATED, f"a fragment of {length} bytes has only {len(data)}")
    return data
