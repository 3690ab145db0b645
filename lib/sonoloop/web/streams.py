"""Server-sent events: one answer that goes on telling, as browsers' ``EventSource`` reads it.

The format is that of https://html.spec.whatwg.org/multipage/server-sent-events.html. A stream ends
with its client, with the server, and after a while by itself: what was forgotten on the way (a
proxy that keeps a dead client's connection) cannot stay for ever.
"""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Final, TypeAlias

from anyio import CapacityLimiter
from fastapi.responses import StreamingResponse

from sonoloop.errors import BusyError, SonoloopError

logger = logging.getLogger(__name__)

Event: TypeAlias = tuple[str, str, str]
"""Name, id and one line of data."""
Look: TypeAlias = Callable[[], Awaitable[Iterable[Event]]]
"""What is to be shown at present: the newest event of each name."""

MAX_STREAMS: Final = 64
LOOKING_AT_ONCE: Final = 2
PACE_S: Final = 1.0
"""Seconds between two looks."""
NOTICE_S: Final = 0.1
"""Seconds after which the end of the server is noticed."""
BEAT_S: Final = 10.0
"""A stream never says nothing for longer: proxies cut what is silent for 30 to 60 seconds."""
LIFE_S: Final = 600.0
RETRY_MS: Final = 2000
"""How long a browser waits before it opens the stream anew."""

HEADERS: Final = {
    "cache-control": "no-cache, no-transform",
    "x-accel-buffering": "no",  # nginx would keep events back until a buffer is full
}


class Streams:
    """The streams that are open.

    Args:
        is_open: False once the server ends.
        limit: Streams at most; each browser window that is looked at has one.

    Attributes:
        count: Streams that are open.
        limiter: Of the threads that look.
    """

    def __init__(self, is_open: Callable[[], bool], *, limit: int = MAX_STREAMS) -> None:
        self._is_open, self._limit = is_open, limit
        self.count = 0
        self.limiter = CapacityLimiter(LOOKING_AT_ONCE)

    def open(self, look: Look) -> StreamingResponse:
        """A stream of what ``look`` gives, whenever that changes.

        Raises:
            BusyError: If too many are open.
        """
        if self.count >= self._limit:
            raise BusyError(
                f"{self.count} windows watch this server already (close one, or try again later)"
            )
        return StreamingResponse(
            self._telling(look), media_type="text/event-stream", headers=HEADERS
        )

    async def _telling(self, look: Look) -> AsyncIterator[str]:
        self.count += 1
        try:
            yield f"retry: {RETRY_MS}\n\n"
            told: dict[str, str] = {}
            loop = asyncio.get_running_loop()
            began = heard = loop.time()
            while loop.time() - began < LIFE_S and not self._ends():
                news = [event for event in await look() if told.get(event[0]) != event[1]]
                told |= {name: number for name, number, _ in news}
                if news or loop.time() - heard >= BEAT_S:
                    heard = loop.time()
                    yield "".join(map(_frame, news)) or _frame(("beat", "", ""))
                await self._rest()
        except SonoloopError as error:  # the browser asks again, and is told by then
            logger.warning("a window that watches was cut off: %s", error)
        finally:
            self.count -= 1

    async def _rest(self) -> None:
        for _ in range(round(PACE_S / NOTICE_S)):
            if self._ends():
                return
            await asyncio.sleep(NOTICE_S)

    def _ends(self) -> bool:
        return not self._is_open() or _told_to_end()


def _told_to_end() -> bool:
    """True once the web server of this process was told to end.

    It waits for answers that are being given before it ends anything, and says so to nobody: its
    handler of signals is the one thing by which it can be found.
    """
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return bool(getattr(server, "should_exit", False))


def _frame(event: Event) -> str:
    name, number, data = event
    identity = f"id: {number}\n" if number else ""
    return f"event: {name}\n{identity}data: {data}\n\n"
