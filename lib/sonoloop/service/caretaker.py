"""What has to be looked after while a server runs, twice a second."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from sonoloop.errors import SonoloopError
from sonoloop.service.steady import SteadyThread

logger = logging.getLogger(__name__)

TICK_S: Final = 0.5
CLEAN_UP_S: Final = 60.0

Chore: TypeAlias = Callable[[], object]


class Caretaker:
    """Does chores in a thread, each by itself: one that fails holds up no other.

    Args:
        often: Done every half second, in their order.
        rarely: Done once a minute besides.
        last: Done after all of them.
    """

    def __init__(self, often: Sequence[Chore], *, rarely: Sequence[Chore], last: Chore) -> None:
        self._often, self._rarely, self._last = tuple(often), tuple(rarely), last
        self._closing = threading.Event()
        self._thread = SteadyThread("look-after", self._run)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End after the chore that is under way."""
        self._closing.set()
        self._thread.join()

    def _run(self) -> None:
        cleaned = time.monotonic()
        while not self._closing.wait(TICK_S):
            rarely: tuple[Chore, ...] = ()
            if time.monotonic() - cleaned > CLEAN_UP_S:
                cleaned, rarely = time.monotonic(), self._rarely
            for chore in (*self._often, *rarely, self._last):
                _try(chore)


def _try(chore: Chore) -> None:
    try:
        chore()
    except SonoloopError as error:
        logger.warning("looking after the workspace failed, will try again: %s", error)
