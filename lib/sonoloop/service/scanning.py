"""Looks for new studies: at the start, every so often, when asked, and when a PACS says so."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

from sonoloop.errors import SonoloopError
from sonoloop.pacs.port import ScanSummary, StudyArchive
from sonoloop.service.steady import SteadyThread
from sonoloop.store.store import Store

logger = logging.getLogger(__name__)

FIRST_RETRY_S: Final = 1.0
LAST_RETRY_S: Final = 30.0
"""A source that cannot be reached is tried again after one second, then after twice as long each
time up to this; never later than ``rescan_s`` has it."""

NEWS_S: Final = 2.0
"""Seconds between two questions to a source that tells by itself what is new."""


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
        source: StudyArchive,
        store: Store,
        *,
        rescan_s: float,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._source = source
        self._store = store
        self._rescan_s = rescan_s
        self._changed = changed
        self._looked = SourceState("scanning")
        self._failures = 0
        self._first = threading.Event()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._thread = SteadyThread("scan-studies", self._run)

    @property
    def state(self) -> SourceState:
        """How the source is: by the last look, or by what anybody asked of it since."""
        looked, archive = self._looked, self._source.state
        if looked.state == "ready" and not archive.reachable:
            return SourceState("unreachable", archive.problem, looked.scanned_at)
        return looked

    def start(self, *, wait_s: float) -> None:
        """Begin; returns after the first look, or after ``wait_s`` when that takes longer."""
        self._thread.start()
        self._first.wait(wait_s)

    def look_now(self) -> None:
        """Have the next look come at once; does not wait for it."""
        self._wake.set()

    def scan(self) -> None:
        """Look once."""
        summary = self._asked(lambda: self._source.scan(self._store))
        if summary is not None:
            self._looked = SourceState("ready", None, time.time())
            logger.info("studies scanned: %s", summary)
        if self._told() and summary is not None:
            self._failures = 0

    def _look_for_news(self) -> None:
        """Ask the source whether anything is new; says nothing where nothing is."""
        summary = self._asked(lambda: self._source.scan_news(self._store))
        if summary is not None:
            logger.info("new studies scanned: %s", summary)
        if summary is not None or self._failures:
            self._told()

    def _told(self) -> bool:
        """Whether whoever waits for a look could do with it what they do."""
        try:
            self._changed()
        except SonoloopError as error:
            self._failed(error)
            return False
        return True

    def _asked(self, look: Callable[[], ScanSummary | None]) -> ScanSummary | None:
        try:
            return look()
        except SonoloopError as error:
            self._failed(error)
            return None

    def _failed(self, error: SonoloopError) -> None:
        # Not an end: a PACS that is down comes back, and what is known stays usable.
        self._failures += 1
        self._looked = SourceState("unreachable", str(error), self._looked.scanned_at)
        logger.warning("studies cannot be scanned: %s", error)

    def _run(self) -> None:
        while True:
            try:
                self.scan()
            finally:
                self._first.set()
            self._rest()
            if self._closing.is_set():
                return

    def _rest(self) -> None:
        """Until the next look is due or wanted; meanwhile news are asked for."""
        pause = self._pause_s()
        due = None if pause is None else time.monotonic() + pause
        while not self._failures:
            left = NEWS_S if due is None else min(NEWS_S, due - time.monotonic())
            if left <= 0 or self._wake.wait(left):
                self._wake.clear()
                return
            self._look_for_news()
        self._wake.wait(self._pause_s())
        self._wake.clear()

    def _pause_s(self) -> float | None:
        if self._failures:
            pause = min(FIRST_RETRY_S * float(2 ** min(self._failures - 1, 20)), LAST_RETRY_S)
            return min(pause, self._rescan_s) if self._rescan_s else pause
        return self._rescan_s or None

    def close(self, *, timeout_s: float = 5.0) -> None:
        """End after the look that is going on."""
        self._closing.set()
        self._wake.set()
        self._thread.join(timeout_s)
