"""What a client of DICOMweb takes: its Accept header, read as PS3.18 8.7 has it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from fastapi import Request

from sonoloop.errors import NotAcceptableError
from sonoloop.pacs.transcode import EXPLICIT_LITTLE_ENDIAN

_MAX_HEADER: Final = 4096
_PARAMETER: Final = re.compile(r';\s*([\w-]+)\s*=\s*("[^"]*"|[^;,\s]*)')
_RANGES: Final = re.compile(r'(?:[^,"]|"[^"]*")+')


@dataclass(frozen=True, slots=True)
class MediaRange:
    """One thing a client takes.

    Attributes:
        kind: Media type; of ``multipart/related`` that of its parts.
        multipart: Whether it is to come in parts.
        syntax: Transfer syntax UID, ``*``, or None where none is named.
        weight: How much it is wanted, in (0, 1].
    """

    kind: str
    multipart: bool
    syntax: str | None
    weight: float

    def is_kind(self, kind: str) -> bool:
        """Whether ``kind`` is in the range."""
        main = kind.partition("/")[0]
        return self.kind in ("*/*", kind, f"{main}/*")


def accepted(request: Request) -> list[MediaRange]:
    """What the client takes, the most wanted first; everything where it does not say.

    Raises:
        NotAcceptableError: If its header is absurdly long.
    """
    header = request.query_params.get("accept") or request.headers.get("accept") or "*/*"
    if len(header) > _MAX_HEADER:
        raise NotAcceptableError(f"the Accept header is longer than {_MAX_HEADER} characters")
    ranges = [_range(text) for text in _RANGES.findall(header)]
    return sorted((r for r in ranges if r.weight > 0), key=lambda r: -r.weight)


def _range(text: str) -> MediaRange:
    name = text.partition(";")[0].strip().lower()
    parameters = {key.lower(): value.strip('"') for key, value in _PARAMETER.findall(text)}
    multipart = name.startswith("multipart/")
    kind = parameters.get("type", "*/*").lower() if multipart else name
    try:
        weight = float(parameters.get("q", 1))
    except ValueError:
        weight = 1.0
    return MediaRange(kind, multipart, parameters.get("transfer-syntax"), weight)


def require(request: Request, kinds: Iterable[str]) -> str:
    """The media type, of ``kinds``, that the client wants most; of equals the first.

    Raises:
        NotAcceptableError: If it takes none of them.
    """
    offered = list(kinds)
    for wanted in accepted(request):
        for kind in offered:
            if wanted.is_kind(kind) and not wanted.multipart:
                return kind
    raise NotAcceptableError(f"only {', '.join(offered)} can be given here (see Accept)")


def takes_stored(wanted: MediaRange, stored: str) -> bool:
    """Whether a range takes an instance in the transfer syntax in which it is stored."""
    return wanted.syntax in ("*", stored)


def takes_plain(wanted: MediaRange) -> bool:
    """Whether a range takes Explicit VR Little Endian, which stands for naming nothing."""
    return wanted.syntax in (None, "*", EXPLICIT_LITTLE_ENDIAN)
