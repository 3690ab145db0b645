"""Frames and pictures of the instances of a study folder (PS3.18 10.4.1.1.3, 10.4.1.1.4)."""

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import numpy.typing as npt
from fastapi import APIRouter, Query, Request, Response
from PIL import Image

from sonoloop.errors import ImageReadError, InvalidRequestError, NotAcceptableError, NotFoundError
from sonoloop.imaging.stored import (
    frame_count,
    read_picture_of,
    read_plain_frame,
    read_stored_frame,
)
from sonoloop.pacs.transcode import EXPLICIT_LITTLE_ENDIAN, syntax_of
from sonoloop.web import multipart
from sonoloop.web.accepting import MediaRange, accepted, require, takes_plain, takes_stored
from sonoloop.web.routes.dicomweb import (
    NOT_KEPT,
    ROOT,
    Archive,
    Level1,
    Level2,
    Level3,
    found,
    numbers_of,
    parts_reply,
)

router = APIRouter(prefix=ROOT, tags=["DICOMweb"])

OCTETS: Final = "application/octet-stream"
KINDS: Final = {
    "1.2.840.10008.1.2.4.50": "image/jpeg",
    "1.2.840.10008.1.2.4.51": "image/jpeg",
    "1.2.840.10008.1.2.4.57": "image/jpeg",
    "1.2.840.10008.1.2.4.70": "image/jpeg",
    "1.2.840.10008.1.2.4.80": "image/jls",
    "1.2.840.10008.1.2.4.81": "image/jls",
    "1.2.840.10008.1.2.4.90": "image/jp2",
    "1.2.840.10008.1.2.4.91": "image/jp2",
    "1.2.840.10008.1.2.5": "image/dicom-rle",
}
"""Media types of compressed frames (PS3.18 Table 8.7.3-5)."""

PICTURE_KINDS: Final = ("image/jpeg", "image/png")
THUMBNAIL_PX: Final = 128
LARGEST_VIEWPORT_PX: Final = 4096
QUALITY: Final = 90


@router.get(f"{Level3}/frames/{{numbers}}")
def frames(numbers: str, request: Request, archive: Archive) -> Response:
    """Frames, counted from 1; as they are stored where Accept has ``transfer-syntax=*``."""
    wanted_numbers = numbers_of(numbers)
    ((_, path),) = found(request, archive)
    stored = syntax_of(path)
    kind, as_stored = _form(accepted(request), stored)
    if as_stored:
        told = f"{kind}; transfer-syntax={stored if stored in KINDS else EXPLICIT_LITTLE_ENDIAN}"
    else:
        told = f"{OCTETS}; transfer-syntax={EXPLICIT_LITTLE_ENDIAN}"
    # What goes wrong is told as such only before the answer begins.
    _check_has(path, max(wanted_numbers))
    first = _frame(path, wanted_numbers[0], as_stored=as_stored)

    def parts() -> Iterator[multipart.Part]:
        yield told, [first]
        for number in wanted_numbers[1:]:
            yield told, [_frame(path, number, as_stored=as_stored)]

    return parts_reply(kind, parts())


def _check_has(path: Path, number: int) -> None:
    count = frame_count(path)
    if number > count:
        raise NotFoundError(f"there is no frame {number} (frames are 1 to {count})")


def _form(ranges: list[MediaRange], stored: str) -> tuple[str, bool]:
    """Media type of the frames, and whether they come as they are stored."""
    compressed = KINDS.get(stored)
    for wanted in ranges:
        if compressed is None:
            if wanted.is_kind(OCTETS) and (takes_plain(wanted) or takes_stored(wanted, stored)):
                return OCTETS, True
        elif (
            wanted.is_kind(compressed)
            and wanted.kind != "*/*"
            and wanted.syntax in (None, "*", stored)
        ):
            return compressed, True
        elif wanted.is_kind(OCTETS) and takes_stored(wanted, stored):
            return OCTETS if wanted.kind == OCTETS else compressed, True
        elif wanted.is_kind(OCTETS) and takes_plain(wanted):
            return OCTETS, False
    offered = [OCTETS, compressed] if compressed else [OCTETS]
    raise NotAcceptableError(
        f"frames of this instance are given as multipart/related of {' or '.join(offered)} in "
        f"transfer syntax {stored} (see Accept)"
    )


def _frame(path: Path, number: int, *, as_stored: bool) -> bytes:
    try:
        if as_stored:
            return read_stored_frame(path, number - 1).data
        return read_plain_frame(path, number - 1)
    except ImageReadError as error:
        if error.code == "frame":
            raise NotFoundError(str(error)) from error
        if error.code == "pixel_format":
            raise NotAcceptableError(str(error)) from error
        raise


@router.get(f"{Level3}/rendered")
@router.get(f"{Level3}/frames/{{numbers}}/rendered")
def rendered(
    request: Request,
    archive: Archive,
    viewport: Annotated[str, Query(max_length=40)] = "",
    quality: Annotated[int, Query(ge=1, le=100)] = QUALITY,
) -> Response:
    """A frame as JPEG or PNG; ``viewport=width,height`` makes it fit into so many pixels."""
    return _picture(request, archive, _box(viewport), quality)


@router.get(f"{Level1}/thumbnail")
@router.get(f"{Level2}/thumbnail")
@router.get(f"{Level3}/thumbnail")
@router.get(f"{Level3}/frames/{{numbers}}/thumbnail")
def thumbnail(
    request: Request, archive: Archive, viewport: Annotated[str, Query(max_length=40)] = ""
) -> Response:
    """A small picture, of a study or series that of an image in it."""
    return _picture(
        request, archive, _box(viewport) or (THUMBNAIL_PX, THUMBNAIL_PX), QUALITY, any_of_them=True
    )


def _picture(
    request: Request,
    archive: Archive,
    box: tuple[int, int] | None,
    quality: int,
    *,
    any_of_them: bool = False,
) -> Response:
    kind = require(request, PICTURE_KINDS)
    number = numbers_of(request.path_params.get("numbers", "1"))[0]
    there = [path for _, path in found(request, archive)]
    picture = Image.fromarray(_first_readable(there if any_of_them else there[:1], number))
    if box is not None:
        picture.thumbnail(box)
    file = io.BytesIO()
    picture.save(file, format="PNG" if kind == "image/png" else "JPEG", quality=quality)
    return Response(file.getvalue(), 200, NOT_KEPT, kind)


def _first_readable(paths: list[Path], number: int) -> npt.NDArray[np.uint8]:
    """Pixels of the first file that has some: a series may hold a report beside its images."""
    for path in paths[:-1]:
        with contextlib.suppress(ImageReadError):
            return read_picture_of(path, number - 1)
    try:
        return read_picture_of(paths[-1], number - 1)
    except ImageReadError as error:
        if error.code == "frame":
            raise NotFoundError(str(error)) from error
        raise


def _box(viewport: str) -> tuple[int, int] | None:
    if not viewport:
        return None
    parts = viewport.split(",")[:2]
    if len(parts) == 2 and all(part.isascii() and part.isdigit() for part in parts):
        width, height = int(parts[0][:8]), int(parts[1][:8])
        if 0 < width <= LARGEST_VIEWPORT_PX and 0 < height <= LARGEST_VIEWPORT_PX:
            return width, height
    raise InvalidRequestError(
        f"viewport must be width,height up to {LARGEST_VIEWPORT_PX} pixels, got {viewport!r}"
    )
