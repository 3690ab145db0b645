"""DICOMweb of a PACS at our own address: viewers need no rights and no route to the PACS itself.

Bodies are streamed both ways. Of the answers, JSON alone is read: it holds addresses.
"""

import logging
from collections.abc import AsyncIterator
from typing import Annotated, Final

import anyio
import httpx
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import StreamingResponse

from sonoloop.errors import NotFoundError, PacsError
from sonoloop.pacs.dicomweb import DicomWebSource
from sonoloop.web.errors import problem
from sonoloop.web.parsing import ServiceDep
from sonoloop.web.routes.dicomweb import NOT_KEPT, ROOT, root_of
from sonoloop.web.upstream import (
    ANSWER_HEADERS,
    REQUEST_HEADERS,
    checked_path,
    checked_store_path,
    is_json,
    passed_on,
    query_for,
    with_our_addresses,
)

logger = logging.getLogger(__name__)
logging.getLogger("httpx").setLevel(logging.WARNING)  # tells of every request otherwise

router = APIRouter(prefix=ROOT, tags=["DICOMweb"])

TIMEOUT: Final = httpx.Timeout(connect=3.05, read=60.0, write=60.0, pool=15.0)
"""Seconds to connect, between two pieces of a body, and for a free connection."""

LIMITS: Final = httpx.Limits(max_connections=32, max_keepalive_connections=8, keepalive_expiry=0.7)
"""A viewer asks for many frames at once; a PACS has few threads. Orthanc hangs up after a second
of silence, which is told apart from a PACS that is down only by being earlier."""

MOST_JSON_BYTES: Final = 128 * 2**20


class Upstream:
    """A PACS, asked without blocking.

    Args:
        source: The PACS, its credentials, and whether it answers.
        transport: What carries the requests, for tests.
    """

    def __init__(
        self, source: DicomWebSource, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self.source = source
        known = source.credentials
        self._client = httpx.AsyncClient(
            auth=None if known is None else httpx.BasicAuth(known.user, known.password),
            timeout=TIMEOUT,
            limits=LIMITS,
            follow_redirects=False,
            trust_env=False,
            transport=transport,
        )

    async def ask(self, request: Request, path: str) -> httpx.Response:
        """The answer of the PACS, of which the body is still to be read; the caller closes it.

        Raises:
            InvalidRequestError: If the query cannot be passed on.
            PacsError: If the PACS is down or refuses us.
        """
        query = query_for(request.url.query, orthanc=self.source.is_orthanc)
        url = httpx.URL(f"{self.source.url}/{path}")
        target = url.raw_path + (b"?" + query.encode() if query else b"")
        headers = passed_on(request.headers.items(), REQUEST_HEADERS)
        asked = self._client.build_request(
            request.method,
            url,
            headers={"accept-encoding": "identity"} | headers,
            content=request.stream() if request.method == "POST" else None,
            extensions={"target": target},  # as it is: a query is not encoded anew
        )
        try:
            answer = await self._client.send(asked, stream=True)
        except httpx.HTTPError as error:
            problem_told = _sentence(self.source.url, error)
            self.source.watch.told(problem_told)
            raise PacsError(problem_told) from error
        self.source.watch.told(None)
        return answer

    async def close(self) -> None:
        """Give the connections back."""
        await self._client.aclose()


def _sentence(url: str, error: httpx.HTTPError) -> str:
    if isinstance(error, httpx.TimeoutException):
        return f"the PACS at {url} does not answer in time (is it overloaded?)"
    if isinstance(error, httpx.ConnectError):
        return f"the PACS at {url} cannot be reached (is it running, is the address right?)"
    return f"the PACS at {url} broke off: {type(error).__name__}"


async def _upstream(service: ServiceDep, request: Request) -> Upstream:
    source = service.source
    if not isinstance(source, DicomWebSource):
        raise NotFoundError("the studies come from a folder, there is no PACS to ask")
    state = request.app.state
    if not hasattr(state, "upstream"):  # here, so that it belongs to the loop that answers
        state.upstream = Upstream(source)
    upstream: Upstream = state.upstream
    return upstream


UpstreamDep = Annotated[Upstream, Depends(_upstream)]


@router.get("/{path:path}")
@router.head("/{path:path}", include_in_schema=False)
async def ask(path: str, request: Request, upstream: UpstreamDep) -> Response:
    """What the PACS answers to a search or retrieval."""
    return await _passed(request, await upstream.ask(request, checked_path(path)))


@router.post("/{path:path}")
async def store(path: str, request: Request, upstream: UpstreamDep) -> Response:
    """What the PACS answers to instances that a viewer stores."""
    return await _passed(request, await upstream.ask(request, checked_store_path(path)))


async def _passed(request: Request, answer: httpx.Response) -> Response:
    """An answer of the PACS as one of ours."""
    headers = passed_on(answer.headers.items(), ANSWER_HEADERS) | NOT_KEPT
    if not (answer.is_success or answer.status_code == 304 or _is_told(answer)):
        await answer.aclose()
        return _refused(answer.status_code)
    if request.method == "HEAD" or not is_json(answer.headers):
        return StreamingResponse(_body(answer), answer.status_code, headers)
    headers.pop("content-length", None)
    pieces, size = [], 0
    async for piece in _body(answer):
        size += len(piece)
        if size > MOST_JSON_BYTES:
            raise PacsError(f"the PACS answers more than {MOST_JSON_BYTES >> 20} MiB of JSON")
        pieces.append(piece)
    body = with_our_addresses(b"".join(pieces), root_of(request))
    return Response(body, answer.status_code, headers)


def _is_told(answer: httpx.Response) -> bool:
    """Whether a refusal says in DICOM which instances it means (PS3.18 10.5.3)."""
    return answer.status_code in (400, 409) and "dicom" in answer.headers.get("content-type", "")


def _refused(status: int) -> Response:
    """A refusal of the PACS in our words; a log-in that it asks for is not the reader's."""
    if status in (401, 403):
        sentence = (
            f"the PACS refuses us: HTTP {status} (set SONOLOOP_PACS_USER and "
            f"SONOLOOP_PACS_PASSWORD)"
        )
        return problem(503, sentence, "pacs")
    if status in (404, 410):
        return problem(404, "the PACS does not have this", "not_found")
    if status == 406:
        return problem(406, "the PACS cannot give it in that form (see Accept)", "not_acceptable")
    if 400 <= status < 500:
        return problem(status, f"the PACS refuses the request: HTTP {status}", "pacs_refused")
    return problem(503, f"the PACS failed: HTTP {status} (see its log)", "pacs")


async def _body(answer: httpx.Response) -> AsyncIterator[bytes]:
    """The body as it comes; the connection is given back however that ends."""
    try:
        async for piece in answer.aiter_raw():
            yield piece
    except httpx.HTTPError as error:
        raise PacsError(f"the PACS broke off its answer: {type(error).__name__}") from error
    finally:
        with anyio.CancelScope(shield=True):
            await answer.aclose()
