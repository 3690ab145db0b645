"""DICOMweb over a study folder: QIDO-RS and WADO-RS (PS3.18 10), so that viewers need no PACS.

Pictures of other kinds (PNG, JPEG) are no DICOM and are not here.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import StreamingResponse

from sonoloop.errors import InvalidIdError, InvalidRequestError, NotAcceptableError, NotFoundError
from sonoloop.pacs.attributes import as_json, is_uid, read_attributes
from sonoloop.pacs.folder import FolderSource
from sonoloop.pacs.folder_archive import FolderArchive
from sonoloop.pacs.matching import Level, parse
from sonoloop.pacs.port import InstanceAddress
from sonoloop.pacs.searching import search
from sonoloop.pacs.transcode import plain_instance, syntax_of
from sonoloop.web import multipart
from sonoloop.web.accepting import MediaRange, accepted, require, takes_plain, takes_stored
from sonoloop.web.parsing import ServiceDep

ROOT: Final = "/dicom-web"
JSON_KINDS: Final = ("application/dicom+json", "application/json")
NOT_KEPT: Final = {"cache-control": "no-store"}
"""Names of patients are in every answer."""

_CHUNK_BYTES: Final = 2**18

router = APIRouter(prefix=ROOT, tags=["DICOMweb"])

Level1: Final = "/studies/{study}"
Level2: Final = "/studies/{study}/series/{series}"
Level3: Final = "/studies/{study}/series/{series}/instances/{instance}"


def _archive(service: ServiceDep) -> FolderArchive:
    if not isinstance(service.source, FolderSource):
        raise NotFoundError("the studies come from a PACS, there is no folder to serve")
    return service.source.archive


Archive = Annotated[FolderArchive, Depends(_archive)]


def root_of(request: Request) -> str:
    """Address of the service; without a host, which a proxy in front may call otherwise."""
    return f"{request.scope.get('root_path', '')}{ROOT}"


def checked_uid(text: str, name: str) -> str:
    """The UID itself.

    Raises:
        InvalidIdError: If it is none.
    """
    if not is_uid(text):
        raise InvalidIdError(f"{name} {text[:70]!r} is no UID (digits, dots; at most 64)")
    return text


def _path_uids(request: Request) -> dict[str, str]:
    names = {
        "study": "StudyInstanceUID",
        "series": "SeriesInstanceUID",
        "instance": "SOPInstanceUID",
    }
    return {
        names[name]: checked_uid(value, names[name])
        for name, value in request.path_params.items()
        if name in names
    }


def _json(request: Request, content: Any) -> Response:
    kind = require(request, JSON_KINDS)
    text = json.dumps(content, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return Response(text.encode("utf-8", "replace"), 200, NOT_KEPT, kind)


def _search(level: Level, request: Request, archive: FolderArchive) -> Response:
    query = parse(level, request.query_params.multi_items(), _path_uids(request))
    return _json(request, search(archive.index, query, root_of(request)))


@router.get("/studies")
def studies(request: Request, archive: Archive) -> Response:
    """Studies, the newest first."""
    return _search("studies", request, archive)


@router.get("/series")
@router.get(f"{Level1}/series")
def series(request: Request, archive: Archive) -> Response:
    """Series, of one study or of all."""
    return _search("series", request, archive)


@router.get("/instances")
@router.get(f"{Level1}/instances")
@router.get(f"{Level2}/instances")
def instances(request: Request, archive: Archive) -> Response:
    """Instances, of a series, of a study or of all."""
    return _search("instances", request, archive)


def found(request: Request, archive: FolderArchive) -> list[tuple[InstanceAddress, Path]]:
    """The instances that the path of a request names, at least one.

    Raises:
        InvalidIdError: If a UID is none.
        NotFoundError: If there is none.
    """
    uids = _path_uids(request)
    instance = uids.get("SOPInstanceUID")
    listed = archive.index.addresses(uids["StudyInstanceUID"], series=uids.get("SeriesInstanceUID"))
    there = [
        (address, archive.file_of(locator))
        for address, locator in listed
        if instance in (None, address.instance)
    ]
    there = [(address, path) for address, path in there if path.is_file()]
    if not there:
        raise NotFoundError(f"the study folder does not hold {list(uids.values())[-1]}")
    return there


@router.get(f"{Level1}/metadata")
@router.get(f"{Level2}/metadata")
@router.get(f"{Level3}/metadata")
def metadata(request: Request, archive: Archive) -> Response:
    """Everything but the pixels."""
    root = root_of(request)
    told = [
        as_json(read_attributes(path), bulk_url=f"{root}/{_address(address)}/bulkdata")
        for address, path in found(request, archive)
    ]
    return _json(request, told)


def _address(at: InstanceAddress) -> str:
    return f"studies/{at.study}/series/{at.series}/instances/{at.instance}"


@router.get(f"{Level3}/bulkdata/{{tag}}")
def bulkdata(tag: str, request: Request, archive: Archive) -> Response:
    """One long binary value of the header."""
    ((_, path),) = found(request, archive)
    attributes = read_attributes(path)
    value = None
    if re.fullmatch(r"[0-9A-Fa-f]{8}", tag) and int(tag, 16) in attributes:
        value = attributes[int(tag, 16)].value
    if not isinstance(value, bytes):
        raise NotFoundError(f"the instance has no binary value {tag[:16]!r}")
    return parts_reply("application/octet-stream", iter([("application/octet-stream", [value])]))


def parts_reply(kind: str, parts: Iterator[multipart.Part]) -> Response:
    """A ``multipart/related`` answer whose parts are of ``kind``."""
    boundary = multipart.new_boundary()
    return StreamingResponse(
        multipart.written(parts, boundary),
        200,
        NOT_KEPT,
        f'multipart/related; type="{kind}"; boundary={boundary}',
    )


@router.get(Level1)
@router.get(Level2)
@router.get(Level3)
def retrieve(request: Request, archive: Archive) -> Response:
    """Instances as DICOM files; as they are stored where Accept has ``transfer-syntax=*``."""
    there = [path for _, path in found(request, archive)]
    wanted = [r for r in accepted(request) if r.is_kind("application/dicom")]
    if not wanted:
        raise NotAcceptableError(
            "instances are given as multipart/related; type=application/dicom (see Accept)"
        )
    as_stored = {path: _as_stored(path, wanted) for path in there}
    if len(there) == 1 and not wanted[0].multipart and wanted[0].kind == "application/dicom":
        (path,) = there
        pieces = _file(path) if as_stored[path] else iter([plain_instance(path)])
        return StreamingResponse(pieces, 200, NOT_KEPT, "application/dicom")
    first = next((plain_instance(path) for path in there if not as_stored[path]), None)
    return parts_reply("application/dicom", _instances(there, as_stored, first))


def _as_stored(path: Path, wanted: list[MediaRange]) -> bool:
    """Whether a file may be given as it is; False where it must be decompressed."""
    stored = syntax_of(path)
    if any(takes_stored(r, stored) for r in wanted):
        return True
    if not any(takes_plain(r) for r in wanted):
        raise NotAcceptableError(
            f"an instance is stored in transfer syntax {stored}; it can be given so or as "
            f"Explicit VR Little Endian (see Accept)"
        )
    return False


def _instances(
    paths: list[Path], as_stored: Mapping[Path, bool], first: bytes | None
) -> Iterator[multipart.Part]:
    """Parts of an answer; the first that had to be decompressed was so before it began."""
    for path in paths:
        if as_stored[path]:
            yield "application/dicom", _file(path)
        else:
            plain, first = first or plain_instance(path), None
            yield "application/dicom", [plain]


def _file(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


def numbers_of(text: str) -> list[int]:
    """Frames that a list such as ``1,2`` names, from 1.

    Raises:
        InvalidRequestError: If it is no list of numbers.
    """
    parts = text.replace("%2C", ",").replace("%2c", ",").split(",")
    if not all(part.isascii() and part.isdigit() and 0 < len(part) < 7 for part in parts):
        raise InvalidRequestError(f"frames are numbers from 1 such as 1,2; got {text[:40]!r}")
    if "0" in parts or len(parts) > multipart.MAX_PARTS:
        raise InvalidRequestError(f"frames count from 1, and at most {multipart.MAX_PARTS} a time")
    return [int(part) for part in parts]
