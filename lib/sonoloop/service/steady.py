"""Threads of the server that do not end because of an error nobody foresaw."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

logger = logging.getLogger(__name__)

FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 60.0


class SteadyThread:
    """Runs a loop in a thread of its own, and anew when it ends by an error.

    What can be foreseen is the loop's own to handle. The rest is logged with its traceback, and
    tried again after a pause, twice as long each time: a server that answers, while nobody takes
    its answers to the archive any more, would be worse.

    Args:
        name: Of the thread, and in the log.
        loop: Returns when it is time to end; may be begun again after an error.
        first_pause_s: Between an error and the next beginning.
    """

    def __init__(
        self, name: str, loop: Callable[[], None], *, first_pause_s: float = FIRST_PAUSE_S
    ) -> None:
        self._name, self._loop, self._first_pause_s = name, loop, first_pause_s
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def join(self, timeout_s: float | None = None) -> None:
        """Wait for the end, after the loop was told to return; it is not begun again."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def is_alive(self) -> bool:
        """Whether the loop runs, or will again."""
        return self._thread.is_alive()

    def _run(self) -> None:
        pause_s = self._first_pause_s
        while True:
            began = time.monotonic()
            try:
                return self._loop()
            except Exception:  # the outer edge of a thread: beyond it the error would be lost
                logger.exception("%s ended unexpectedly, begins anew", self._name)
            if time.monotonic() - began > LONGEST_PAUSE_S:
                pause_s = self._first_pause_s
            if self._ending.wait(pause_s):
                return None
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
