"""Whether an archive answers, as it was last seen."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sonoloop.errors import InstanceRefusedError, NotFoundError, PacsError
from sonoloop.pacs.port import ArchiveState


class ArchiveWatch:
    """Remembers how the last question to an archive ended.

    Args:
        clock: Seconds since the epoch, for tests.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._state = ArchiveState(reachable=True, problem=None, since=clock())

    @property
    def state(self) -> ArchiveState:
        """How it is."""
        return self._state

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Around one question: notes whether it was answered.

        Raises:
            PacsError, InstanceRefusedError, NotFoundError: As the block does.
        """
        try:
            yield
        except PacsError as error:
            self.told(str(error))
            raise
        except (InstanceRefusedError, NotFoundError):
            self.told(None)  # it answered
            raise
        self.told(None)

    def told(self, problem: str | None) -> None:
        """Note that the archive answered, or with ``problem`` why it did not."""
        with self._lock:
            if self._state.reachable != (problem is None):
                self._state = ArchiveState(
                    reachable=problem is None, problem=problem, since=self._clock()
                )
            elif self._state.problem != problem:
                since = self._state.since
                self._state = ArchiveState(reachable=False, problem=problem, since=since)
