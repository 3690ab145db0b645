"""Studies of a PACS that could not be looked into to the end, and when that is tried again."""

import time
from collections.abc import Callable, Collection
from typing import Final

FIRST_PAUSE_S: Final = 2.0
MOST_TRIES: Final = 8
"""Then, after eight minutes in all, the study waits for the next look at everything."""


class Unfinished:
    """Studies to be looked into again, each after twice as long as the time before.

    Args:
        clock: Seconds, for tests.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._studies: dict[str, tuple[int, float]] = {}

    def note(self, study: str) -> None:
        """Say that a study was looked into once more, and not to the end."""
        tries = self._studies.get(study, (0, 0.0))[0] + 1
        self._studies[study] = tries, self._clock() + FIRST_PAUSE_S * 2.0 ** (tries - 1)

    def done(self, study: str) -> None:
        """Say that there is nothing left to do of a study."""
        self._studies.pop(study, None)

    def keep(self, studies: Collection[str]) -> None:
        """Forget what the PACS lists no more."""
        self._studies = {uid: again for uid, again in self._studies.items() if uid in studies}

    def due(self) -> set[str]:
        """Studies whose turn it is."""
        now = self._clock()
        return {
            study
            for study, (tries, due) in self._studies.items()
            if tries <= MOST_TRIES and due <= now
        }
