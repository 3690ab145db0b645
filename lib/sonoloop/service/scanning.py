"""Looks for new studies: once at the start, then every so often, and when asked."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from sonoloop.errors import SonoloopError
from sonoloop.pacs.port import StudySource
from sonoloop.store.store import Store

logger = logging.getLogger(__name__)

RETRY_S = 5.0
"""A source that cannot be reached is tried again after so long, or ``rescan_s`` if that is less."""


@dataclass(frozen=True, slots=True)
class SourceState:
    """How the study source is.

    Attributes:
        state: ``scanning`` during the first look; afterwards ``ready`` or ``unreachable``.
        problem: Why it cannot be reached, or None.
        scanned_at: Seconds since the epoch of the last complete look, or None.
    """

    state: Literal["scanning", "ready", "unreachable"]
    problem: str | None = None
    scanned_at: float | None = None

    def as_json(self) -> dict[str, Any]:
        """The state as ``/info`` tells it."""
        return {"state": self.state, "problem": self.problem, "scanned_at": self.scanned_at}


class Scanner:
    """Scans a source in a thread of its own."""

    def __init__(
        self,
        source: StudySource,
        store: Store,
        *,
        rescan_s: float,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._source = source
        self._store = store
        self._rescan_s = rescan_s
        self._changed = changed
        self.state = SourceState("scanning")
        self._first = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="scan-studies", daemon=True)

    def start(self, *, wait_s: float) -> None:
        """Begin; returns after the first look, or after ``wait_s`` when that takes longer."""
        self._thread.start()
        self._first.wait(wait_s)

    def scan(self) -> None:
        """Look once."""
        try:
            summary = self._source.scan(self._store)
        except SonoloopError as error:
            # Not an end: a PACS that is down comes back, and what is known stays usable.
            self.state = SourceState("unreachable", str(error), self.state.scanned_at)
            logger.warning("studies cannot be scanned: %s", error)
        else:
            self.state = SourceState("ready", None, time.time())
            logger.info("studies scanned: %s", summary)
        self._changed()

    def _run(self) -> None:
        while True:
            try:
                self.scan()
            finally:
                self._first.set()
            if self._closing.wait(self._pause_s()):
                return

    def _pause_s(self) -> float | None:
        if self.state.state == "unreachable":
            return min(RETRY_S, self._rescan_s) if self._rescan_s else RETRY_S
        return self._rescan_s or None

    def close(self, *, timeout_s: float = 5.0) -> None:
        """End after the look that is going on."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
