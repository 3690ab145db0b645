"""Takes what readers submit to the archive, in a thread of its own: nothing is lost on the way.

Entries are made in the transaction of the annotation (see :mod:`sonoloop.store.outbox`), so the
thread only has to look. While the archive is away it waits longer and longer, and never gives up;
what the archive refuses is kept and told, and tried again when somebody asks.
"""

import logging
import random
import threading
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sonoloop.errors import (
    DocumentError,
    ImageReadError,
    InstanceRefusedError,
    NotFoundError,
    SonoloopError,
)
from sonoloop.pacs.port import DicomArchive
from sonoloop.records import Annotation
from sonoloop.service.delivery import Delivery
from sonoloop.service.reported import (
    MakeDocuments,
    MakeRejection,
    make_documents,
    make_rejection,
    warm_up,
)
from sonoloop.service.steady import SteadyThread
from sonoloop.settings import WriteBackSettings
from sonoloop.store.outbox_entries import OutboxCounts, OutboxEntry
from sonoloop.store.store import Store

logger = logging.getLogger(__name__)

FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 60.0
LOOK_S: Final = 5.0
"""What others change (a retry by the command line, an archive that is back) is seen after so long.
"""
COUNTS_S: Final = 10.0
WARM_UP_AFTER_S: Final = 10.0
"""The server answers first: what the first document needs costs seconds to load."""

GIVE_UP: Final = (InstanceRefusedError, DocumentError, NotFoundError, ImageReadError)
"""Problems that trying again does not mend; all others pass."""

UNFORESEEN: Final = "ended unexpectedly (see the server log); is tried again"


def pause_after(failures: int, chance: Callable[[], float]) -> float:
    """Seconds to wait after so many failures in a row, the first included.

    Twice as long each time up to a minute, shortened by up to half by ``chance`` in [0, 1), so that
    servers that lost the same archive do not come back all at once.

    Example:
        >>> [pause_after(failures, lambda: 0.0) for failures in (1, 2, 3, 9)]
        [1.0, 2.0, 4.0, 60.0]
    """
    longest = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(failures - 1, 16))
    return longest * (1 - chance() / 2)


class Outbox:
    """The way of submitted readings into the archive.

    Args:
        store: Holds the entries.
        archive: Where they go.
        settings: What is written.
        changed: Called after every step.
        make: Makes documents; for tests.
        reject: Makes what takes them back; for tests.
        chance: Draws a number in [0, 1); for tests.
    """

    def __init__(
        self,
        store: Store,
        archive: DicomArchive,
        settings: WriteBackSettings,
        *,
        changed: Callable[[], None] = lambda: None,
        make: MakeDocuments = make_documents,
        reject: MakeRejection = make_rejection,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._store, self._archive, self._settings = store, archive, settings
        self._delivery = Delivery(store, archive, settings, make=make, reject=reject)
        self._tell, self._chance = changed, chance
        self._changed = threading.Condition()
        self._woken = self._busy = self._closing = False
        self._cold = make is make_documents and (settings.write_seg or settings.write_sr)
        self._warm_at: datetime | None = None
        self._failures = 0
        self._resume_at: datetime | None = None
        self._paused_at = datetime.now(UTC)
        self._counted: tuple[Any, OutboxCounts] | None = None
        self._thread = SteadyThread("outbox", self._run)

    def start(self) -> None:
        """Begin with what an earlier server left, at once."""
        self._store.outbox.hasten()
        for leftover in self._store.paths.outbox.glob("*.part"):
            leftover.unlink(missing_ok=True)
        self._warm_at = datetime.now(UTC) + timedelta(seconds=WARM_UP_AFTER_S)
        self._thread.start()
        self.wake()

    def wake(self) -> None:
        """Say that something was queued; while the archive is away that changes nothing."""
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def queue(self, annotation: Annotation) -> bool:
        """Have an annotation sent that does not go by itself; False when it is queued already.

        Raises:
            NotFoundError: If there is no such annotation.
        """
        queued = self._store.outbox.queue(annotation.annotation_id)
        self.wake()
        return queued

    def retry(
        self, entries: Collection[int] | None = None, *, actor: str, off_too: bool = False
    ) -> int:
        """Try again at once what failed, what waits for the archive too; how many had failed.

        Args:
            entries: Only these; None is all.
            actor: Who asks.
            off_too: What is off is tried as well, for instance after the settings were changed.
        """
        states = ("failed", "off") if off_too else ("failed",)
        count = self._store.outbox.retry(entries, states=states, actor=actor)
        self._store.outbox.hasten()
        with self._changed:
            self._resume_at, self._woken = None, True
            self._changed.notify_all()
        return count

    def step(self, now: datetime) -> float:
        """Try one entry; seconds until the next step, 0 for at once."""
        left_s = (self._resume_at - now).total_seconds() if self._resume_at else 0.0
        if 0.0 < left_s <= LONGEST_PAUSE_S and not self._is_back():  # more: the clock was set back
            return min(LOOK_S, left_s)
        if self._settings.write_drafts:
            self._store.outbox.queue_standing("original")
        entry = self._store.outbox.due(now, longest_pause=timedelta(seconds=LONGEST_PAUSE_S))
        if entry is None:
            self._warm_up(now)
            upcoming = self._store.outbox.next_due()
            wait = (upcoming - now).total_seconds() if upcoming else LOOK_S
            return min(LOOK_S, max(0.0, wait))
        try:
            self._try(entry, now)
        finally:
            self._tell()
        return 0.0

    def _warm_up(self, now: datetime) -> None:
        """Once there is something that may be answered, be ready for the first answer."""
        is_time = self._warm_at is not None and now >= self._warm_at
        if self._cold and is_time and self._store.outbox.may_have_work():
            self._cold = False
            warm_up()

    def _is_back(self) -> bool:
        """Whether somebody else, such as the scan for studies, found the archive answering."""
        state = self._archive.state
        return state.reachable and state.since > self._paused_at.timestamp()

    def _try(self, entry: OutboxEntry, now: datetime) -> None:
        try:
            delivered = self._delivery.deliver(entry)
        except GIVE_UP as error:
            logger.warning("annotation %s cannot be archived: %s", entry.annotation_id, error)
            self._store.outbox.mark_failed(entry.entry_id, str(error))
            self._recovered()
        except SonoloopError as error:
            self._postpone(entry, error, now)
        except Exception:  # nobody foresaw it: the others must pass all the same
            until = now + timedelta(seconds=LONGEST_PAUSE_S)
            self._store.outbox.postpone(entry.entry_id, UNFORESEEN, until=until)
            raise
        else:
            logger.info("annotation %s is %s in the outbox", entry.annotation_id, delivered)
            if delivered == "verified":
                self._recovered()

    def _postpone(self, entry: OutboxEntry, error: SonoloopError, now: datetime) -> None:
        self._failures += 1
        pause = pause_after(self._failures, self._chance)
        logger.warning("annotation %s waits, %.0f s: %s", entry.annotation_id, pause, error)
        self._paused_at, self._resume_at = now, now + timedelta(seconds=pause)
        self._store.outbox.postpone(entry.entry_id, str(error), until=self._resume_at)

    def _recovered(self) -> None:
        if self._failures:
            self._failures, self._resume_at = 0, None
            self._store.outbox.hasten()

    def _run(self) -> None:
        while True:
            try:
                pause = self.step(datetime.now(UTC))
            except SonoloopError as error:  # the database or the disk is away: nothing is lost
                logger.warning("the outbox could not be looked at, will try again: %s", error)
                pause = LOOK_S
            if not self._rest(pause):
                return

    def _rest(self, pause_s: float) -> bool:
        """Wait so long, or until something is queued; False when it is time to end."""
        with self._changed:
            if pause_s:
                self._busy = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._closing or self._woken, pause_s)
            self._woken, self._busy = False, True
            return not self._closing

    def wait_until_idle(self, timeout_s: float) -> bool:
        """Wait until there is nothing to do but to wait; False when that takes longer."""
        with self._changed:
            return self._changed.wait_for(lambda: not (self._busy or self._woken), timeout_s)

    def summary(self) -> dict[str, Any]:
        """How much waits, failed and arrived, and how the archive is."""
        counts, state = self._counts(), self._archive.state
        by_state = counts.by_state
        return {
            "waiting": by_state["waiting"] + by_state["sent"],
            "failed": by_state["failed"],
            "verified": by_state["verified"],
            "off": by_state["off"],
            "oldest": counts.oldest and counts.oldest.isoformat(),
            "archive": {
                "reachable": state.reachable,
                "problem": state.problem,
                "since": datetime.fromtimestamp(state.since, UTC).isoformat(timespec="seconds"),
            },
            "writes": {
                "segmentations": self._settings.write_seg,
                "reports": self._settings.write_sr,
                "drafts": self._settings.write_drafts,
            },
        }

    def _counts(self) -> OutboxCounts:
        key = (self._store.writes, int(datetime.now(UTC).timestamp() // COUNTS_S))
        if self._counted is None or self._counted[0] != key:
            self._counted = (key, self._store.outbox.counts())
        return self._counted[1]

    def close(self, *, timeout_s: float = 10.0) -> None:
        """End after the entry that is under way; what is left is taken up by the next server."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(timeout_s)


def entry_json(entry: OutboxEntry) -> dict[str, Any]:
    """An entry as clients know it."""
    return {
        "id": entry.entry_id,
        "image": entry.image_id,
        "annotation": entry.annotation_id,
        "tag": entry.tag,
        "revision": entry.revision,
        "reader": entry.reader,
        "state": entry.state,
        "attempts": entry.attempts,
        "problem": entry.problem,
        "next_attempt_at": entry.next_attempt_at.isoformat(),
        "documents": {
            one.kind: {
                "study": one.address.study,
                "series": one.address.series,
                "instance": one.address.instance,
            }
            for one in entry.documents
        },
        "created_at": entry.created_at.isoformat(),
        "sent_at": entry.sent_at and entry.sent_at.isoformat(),
        "ended_at": entry.ended_at and entry.ended_at.isoformat(),
    }
