"""``multipart/related`` (RFC 2387), in which DICOMweb carries instances and frames."""

import re
import secrets
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Final

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser

from sonoloop.errors import InvalidRequestError

MAX_PARTS: Final = 2000
_BOUNDARY: Final = re.compile(r'boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))', re.IGNORECASE)

Part = tuple[str, Iterable[bytes]]
"""Content type of a part and the pieces of its content."""


def new_boundary() -> str:
    """A boundary that is in no content."""
    return secrets.token_hex(24)


def written(parts: Iterable[Part], boundary: str) -> Iterator[bytes]:
    """A multipart message, piece by piece."""
    for kind, pieces in parts:
        yield f"--{boundary}\r\nContent-Type: {kind}\r\n\r\n".encode()
        yield from pieces
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode()


def boundary_of(content_type: str) -> str:
    """The boundary that a Content-Type header names.

    Raises:
        InvalidRequestError: If it names none.
    """
    match = _BOUNDARY.search(content_type)
    if match is None:
        raise InvalidRequestError("the Content-Type names no boundary (multipart/related has one)")
    return match[1] or match[2]


class _Parts:
    """Gathers the parts of a message as its parser comes upon them."""

    def __init__(self, boundary: str) -> None:
        self.contents: list[bytearray] = []
        self.is_complete = False
        self.parser = MultipartParser(
            boundary,
            {"on_part_begin": self._begin, "on_part_data": self._add, "on_end": self._end},
        )

    def _begin(self) -> None:
        if len(self.contents) >= MAX_PARTS:
            raise InvalidRequestError(f"a message of more than {MAX_PARTS} parts is not read")
        self.contents.append(bytearray())

    def _add(self, data: bytes, start: int, end: int) -> None:
        self.contents[-1].extend(memoryview(data)[start:end])

    def _end(self) -> None:
        self.is_complete = True


async def read_parts(pieces: AsyncIterator[bytes], boundary: str) -> list[bytes]:
    """Content of every part of a message that arrives in pieces.

    Raises:
        InvalidRequestError: If it is malformed, cut, or has too many parts.
    """
    try:
        parts = _Parts(boundary)
        async for piece in pieces:
            parts.parser.write(piece)
        parts.parser.finalize()
    except MultipartParseError as error:
        raise InvalidRequestError(f"the multipart message is malformed: {error}") from error
    if not parts.is_complete:
        raise InvalidRequestError("the multipart message stops in the middle (was it cut off?)")
    return [bytes(part) for part in parts.contents]
