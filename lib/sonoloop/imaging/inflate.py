"""Decompression that stops at a limit: 1 kB of gzip can hold gigabytes."""

import zlib

from sonoloop.errors import LabelReadError

_GZIP = 31  # zlib's name for "gzip header, window of 32 kB"


def gunzip_up_to(data: bytes, limit: int) -> bytes:
    """What is in the gzip stream ``data``.

    Args:
        data: One gzip member; bytes after it are ignored.
        limit: Most bytes that are taken out.

    Raises:
        LabelReadError: If the stream is broken, cut, or holds more than ``limit`` bytes.
    """
    inflater = zlib.decompressobj(_GZIP)
    try:
        content = inflater.decompress(data, limit + 1)
    except zlib.error as error:
        raise LabelReadError(f"broken gzip stream: {error}") from error
    if len(content) > limit:
        raise LabelReadError(f"gzip stream holds more than the {limit} bytes such a label can have")
    if not inflater.eof:
        raise LabelReadError(f"gzip stream is cut after {len(content)} bytes")
    return content
