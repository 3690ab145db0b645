"""What the dashboard shows, kept ready: one snapshot for everybody who looks.

Counting 100,000 images costs a while. A snapshot is therefore made anew only when something has
changed and somebody asks; while making it is cheap the change is in the very next answer, once it
is dear the last one is given and the next is made beside, at a tenth of the time at most.
"""

import hashlib
import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sonoloop.errors import SonoloopError
from sonoloop.service.agreement import Agreement
from sonoloop.service.board_parts import Part, parts, signs, trainings
from sonoloop.service.info import InfoSources
from sonoloop.store.schema import to_json
from sonoloop.store.store import Store

logger = logging.getLogger(__name__)

CHEAP_S: Final = 0.03
"""A snapshot that was made in less is made while the asker waits."""
REST: Final = 9.0
"""Times its own cost that a snapshot is left alone before the next is made."""
OLDEST_S: Final = 10.0
"""What other processes change (an import) is seen after so long."""
LIVE_S: Final = 0.9
"""Trainings are looked at once a second, however many look on."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is shown, ready to be sent.

    Attributes:
        version: Tells it from a snapshot that shows anything else.
        text: JSON object with an entry for each part.
    """

    version: str
    text: str


class Board:
    """The present snapshot.

    Args:
        store: Whose changes count.
        parts: Entry of the snapshot and what makes it. A part that fails is shown as
            ``{"problem": sentence}``; the others are not held up.
        signs: What else tells that a snapshot is out of date, by not being what it was.
        at_first: What is shown until the first snapshot is made, beside; None has the first asker
            wait for it.
        clock: Seconds, for tests.
    """

    def __init__(
        self,
        store: Store,
        parts: Mapping[str, Part],
        signs: Callable[[], tuple[Any, ...]] = tuple,
        *,
        at_first: Mapping[str, Any] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._parts, self._clock = store, dict(parts), clock
        self._other_signs = signs
        self._making = threading.Lock()
        self._seen: tuple[Any, ...] = ()
        self._made_at, self._cost_s = -math.inf, math.inf
        self._snapshot = None if at_first is None else _snapshot(at_first, at_first)

    def get(self) -> Snapshot:
        """The present snapshot, or a moment-old one while the present one is dear."""
        snapshot = self._snapshot
        if snapshot is None or (self._is_stale() and self._cost_s <= CHEAP_S):
            return self._make()
        rested = self._clock() - self._made_at >= REST * self._cost_s
        if rested and self._is_stale():
            self._make_beside()
        return snapshot

    def _is_stale(self) -> bool:
        return self._clock() - self._made_at > OLDEST_S or self._seen != self._signs()

    def _signs(self) -> tuple[Any, ...]:
        # A training is another process: that its job has moved on is how its writes are known.
        jobs = [(job.job_id, job.status) for job in self._store.jobs.recent("train", 3)]
        return self._store.writes, *jobs, *self._other_signs()

    def _make(self) -> Snapshot:
        with self._making:
            if self._snapshot and not self._is_stale():
                return self._snapshot  # another asker made it while this one waited
            return self._make_now()

    def _make_now(self) -> Snapshot:
        signs, began = self._signs(), self._clock()
        made = {name: _told(name, part) for name, part in self._parts.items()}
        self._seen, self._made_at = signs, self._clock()
        self._cost_s = self._made_at - began
        self._snapshot = _snapshot(made, made)
        return self._snapshot

    def _make_beside(self) -> None:
        if self._making.acquire(blocking=False):
            threading.Thread(target=self._and_release, name="board", daemon=True).start()

    def _and_release(self) -> None:
        try:
            self._make_now()
        except SonoloopError as error:  # the workspace closes, or its disk is away
            logger.warning("the dashboard could not be brought up to date: %s", error)
        finally:
            self._making.release()


class Live:
    """How far the trainings are, looked at once a second however many look on."""

    def __init__(self, store: Store, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._store, self._clock = store, clock
        self._looking = threading.Lock()
        self._looked_at = -math.inf
        self._snapshot = Snapshot("", "{}")

    def get(self) -> Snapshot:
        """The trainings and the server's clock, at most a second old."""
        with self._looking:
            if self._clock() - self._looked_at >= LIVE_S:
                told = trainings(self._store)
                self._snapshot = _snapshot({"now": _now(), "trainings": told}, told)
                self._looked_at = self._clock()
            return self._snapshot


class Dashboard:
    """Everything the dashboard shows.

    Attributes:
        board: Progress, readers, versions, queue, leases, doubtful labels, outbox.
        agreement: How far readers agree: apart, for it reads outlines.
        live: Trainings.
    """

    def __init__(self, sources: InfoSources, agreement: Agreement) -> None:
        store = sources.store
        self.board = Board(store, parts(sources), lambda: signs(sources))
        told = {"agreement": agreement.overall}
        self.agreement = Board(store, told, at_first={"agreement": None})
        self.live = Live(store)

    def events(self) -> dict[str, Snapshot]:
        """What is shown at present, by the name of its event."""
        return {
            "board": self.board.get(),
            "trainings": self.live.get(),
            "agreement": self.agreement.get(),
        }


def _told(name: str, part: Part) -> Any:
    try:
        return part()
    except SonoloopError as error:
        logger.warning("the dashboard cannot show %s: %s", name, error)
        return {"problem": str(error)}


def _snapshot(shown: Any, told_apart_by: Any) -> Snapshot:
    version = hashlib.sha256(to_json(told_apart_by).encode()).hexdigest()[:16]
    return Snapshot(version, to_json(shown))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
