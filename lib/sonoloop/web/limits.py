"""What a request may weigh, and who may send one: plain ASGI, in front of everything else."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, TypeAlias

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException

from sonoloop.web.errors import problem

logger = logging.getLogger(__name__)

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

DRAINED_AT_MOST: Final = 2 * 2**30
DRAINED_FOR_S: Final = 60.0
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class UploadLimit:
    """Refuses bodies above a size with 413, told by their header or counted as they come.

    MONAI Label's client reads no answer before it has sent everything, so what is too large is
    read and thrown away (up to 2 GiB, for a minute) rather than cut off in the middle.

    Args:
        app: What answers otherwise.
        max_bytes: Largest body.
    """

    def __init__(self, app: App, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if _declared(headers) > self._max_bytes:
            if headers.get("expect", "").lower() != "100-continue":
                await _drain(receive)
            answer = problem(413, self._sentence(), "upload_too_large")
            answer.headers["connection"] = "close"
            await answer(scope, receive, send)
            return
        await self._app(scope, self._counting(receive), send)

    def _sentence(self) -> str:
        return f"the upload is larger than this server takes ({self._max_bytes / 2**20:.0f} MB)"

    def _counting(self, receive: Receive) -> Receive:
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            if message["type"] == "http.request":
                received += len(message.get("body", b""))
                if received > self._max_bytes:
                    if message.get("more_body", False):
                        await _drain(receive)
                    raise HTTPException(413, self._sentence())
            return message

        return counted


def _declared(headers: Headers) -> int:
    text = headers.get("content-length", "0")
    return int(text) if text.isascii() and text.isdigit() else 0


async def _drain(receive: Receive) -> None:
    drained = 0
    try:
        async with asyncio.timeout(DRAINED_FOR_S):
            while drained < DRAINED_AT_MOST:
                message = await receive()
                drained += len(message.get("body", b""))
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return
    except TimeoutError:
        logger.warning("gave up reading an oversized upload after %s bytes", drained)


class SameSiteOnly:
    """Refuses changes that a page of another site makes a browser send, and hardens answers.

    Without accounts a browser on the same machine is all the permission there is; browsers say
    with ``Sec-Fetch-Site`` who asks.
    """

    HEADERS: Final = (
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (b"x-frame-options", b"SAMEORIGIN"),
    )

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def hardened(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *self.HEADERS]
            await send(message)

        site = Headers(scope=scope).get("sec-fetch-site", "none")
        if scope["method"] not in SAFE_METHODS and site == "cross-site":
            refusal = problem(
                403, "pages of other sites may not change anything here", "cross_site"
            )
            await refusal(scope, receive, hardened)
            return
        await self._app(scope, receive, hardened)
