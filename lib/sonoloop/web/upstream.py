"""How a request for ``/dicom-web`` is put to a PACS, and how its answer is put to the client."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final
from urllib.parse import unquote_plus

from sonoloop.errors import InvalidRequestError, NotFoundError

ALLOWED_PATH: Final = re.compile(r"(studies|series|instances)(/[A-Za-z0-9.,_-]+)*")
"""The resources of PS3.18 10; nothing else of the PACS can be reached."""

STORE_PATH: Final = re.compile(r"studies(/[0-9.]+)?")
MAX_QUERY: Final = 8192

REQUEST_HEADERS: Final = frozenset(
    {"accept", "content-type", "content-length", "if-none-match", "if-modified-since", "range"}
)
"""What is passed on. Cookies and the Authorization of the client are ours, not the PACS's."""

ANSWER_HEADERS: Final = frozenset(
    {
        "content-type",
        "content-length",
        "content-encoding",
        "content-range",
        "accept-ranges",
        "etag",
        "last-modified",
        "warning",
    }
)

_MODALITIES_IN_STUDY: Final = ("ModalitiesInStudy", "00080061")
_NOT_ASCII: Final = re.compile(r"[^\x00-\x7f]+")
_NOT_PLAIN: Final = re.compile(r"[^A-Za-z0-9*?.,:_~!$'()@/\\;^-]")
_ABSOLUTE: Final = re.compile(rb'"https?://[^"\s]*?(/studies/[0-9.]+[^"\s]*)"')


def checked_path(path: str) -> str:
    """The path below the service itself.

    Raises:
        InvalidRequestError: If it could lead elsewhere.
        NotFoundError: If it is no resource of DICOMweb.
    """
    if any(part in ("", ".", "..") for part in path.split("/")):
        raise InvalidRequestError(f"not a path of DICOMweb: {path[:80]!r}")
    if not ALLOWED_PATH.fullmatch(path):
        raise NotFoundError(
            f"DICOMweb has no {path[:80]!r} (studies, series and instances, and what is below)"
        )
    return path


def checked_store_path(path: str) -> str:
    """The path of a store request itself.

    Raises:
        InvalidRequestError: If nothing can be stored there.
    """
    if not STORE_PATH.fullmatch(path):
        raise InvalidRequestError(
            f"instances are stored at /dicom-web/studies or /dicom-web/studies/<uid>, not at "
            f"{path[:80]!r}"
        )
    return path


def query_for(query: str, *, orthanc: bool) -> str:
    """The query string as the PACS understands it.

    Args:
        query: As the client sent it, without the question mark.
        orthanc: Orthanc 1.10 does not decode the values of filters, finding nothing for
            ``%2ABREAST%2A``; and when it filters by ModalitiesInStudy it cuts its answers to
            ``limit`` before it passes over ``offset`` of them. For it values are sent bare, with
            wildcards for what a bare address cannot hold, and with a limit that counts what is
            passed over.

    Raises:
        InvalidRequestError: If it is absurdly long or holds what no address may.

    Example:
        >>> query_for("ModalitiesInStudy=US&limit=5&offset=10", orthanc=True)
        'ModalitiesInStudy=US&limit=15&offset=10'
        >>> query_for("PatientName=doe%5Ejane&StudyDescription=%2AUS%20left%2A", orthanc=True)
        'PatientName=doe^jane&StudyDescription=*US?left*'
    """
    if len(query) > MAX_QUERY or not (query.isascii() and query.isprintable()) or " " in query:
        raise InvalidRequestError(f"the query is longer than {MAX_QUERY} or holds bare characters")
    if not orthanc:
        return query
    pairs = list(_pairs(query))
    numbers = {name: int(value) for name, value in pairs if _is_page(name, value)}
    by_modality = any(name in _MODALITIES_IN_STUDY for name, _ in pairs)
    if by_modality and "limit" in numbers and numbers.get("offset"):
        whole = str(numbers["limit"] + numbers["offset"])
        pairs = [(name, whole if name == "limit" else value) for name, value in pairs]
    return "&".join(f"{_bare(name)}={_bare(value)}" for name, value in pairs)


def _bare(text: str) -> str:
    # Of a letter beyond ASCII Orthanc may make several, or another.
    return _NOT_PLAIN.sub("?", _NOT_ASCII.sub("*", text))


def _pairs(query: str) -> Iterator[tuple[str, str]]:
    for part in filter(None, query.split("&")):
        name, _, value = part.partition("=")
        yield unquote_plus(name), unquote_plus(value)


def _is_page(name: str, value: str) -> bool:
    return name in ("limit", "offset") and value.isascii() and value.isdigit() and len(value) < 10


def passed_on(headers: Iterable[tuple[str, str]], allowed: frozenset[str]) -> dict[str, str]:
    """The headers that are passed on."""
    return {name: value for name, value in headers if name.lower() in allowed}


def with_our_addresses(body: bytes, root: str) -> bytes:
    """JSON of a PACS with our address in the place of its own.

    RetrieveURL and BulkDataURI often name a host that browsers cannot reach.

    Example:
        >>> with_our_addresses(b'{"BulkDataURI": "http://pacs/studies/1.2/bulk/1"}', "/dicom-web")
        b'{"BulkDataURI": "/dicom-web/studies/1.2/bulk/1"}'
    """
    return _ABSOLUTE.sub(lambda found: b'"' + root.encode() + found[1] + b'"', body)


def is_json(headers: Mapping[str, str]) -> bool:
    """Whether an answer is DICOM JSON."""
    return (
        headers.get("content-type", "")
        .lower()
        .startswith(("application/dicom+json", "application/json"))
    )
