"""Makes guessing slow: after some failures, each further one is waited for longer."""

import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from sonoloop.errors import TooManyAttemptsError

LONGEST_S: Final = 60.0
"""Never longer: who guesses a name wrong on purpose could else lock its owner out."""
FORGOTTEN_S: Final = 900.0
MAX_KEYS: Final = 10_000


@dataclass(slots=True)
class _Record:
    attempts: int
    last: float


class Throttle:
    """Counts attempts by key, in the memory of this process.

    Args:
        clock: Seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._turn = threading.Lock()
        self._records: dict[str, _Record] = {}

    def attempt(self, free: Mapping[str, int]) -> None:
        """Count an attempt, before it is known how it ends: many at once are not free either.

        Args:
            free: How many attempts each key has before it must wait.

        Raises:
            TooManyAttemptsError: If a key must wait; that attempt is not counted.
        """
        with self._turn:
            now = self._clock()
            wait = max(self._wait(key, count, now) for key, count in free.items())
            if wait > 0:
                raise TooManyAttemptsError(
                    f"too many log-ins failed, try again in {math.ceil(wait)} s", seconds=wait
                )
            for key in free:
                record = self._records.pop(key, None) or _Record(0, now)
                record.attempts, record.last = record.attempts + 1, now
                self._records[key] = record  # the oldest come first
            while len(self._records) > MAX_KEYS:
                del self._records[next(iter(self._records))]

    def succeeded(self, key: str, *others: str) -> None:
        """An attempt was none: forget what was held against ``key``, and this one of ``others``."""
        with self._turn:
            self._records.pop(key, None)
            for other in others:
                if record := self._records.get(other):
                    record.attempts -= 1

    def _wait(self, key: str, free: int, now: float) -> float:
        record = self._records.get(key)
        if record is None or now - record.last > FORGOTTEN_S:
            self._records.pop(key, None)
            return 0.0
        over = record.attempts - free
        if over < 0:
            return 0.0
        return record.last + min(LONGEST_S, 2.0 ** min(over, 10)) - now
