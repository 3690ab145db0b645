"""Jobs that run in a thread of the server, or that a thread of it watches."""

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from sonoloop.errors import SonoloopError, StoreError
from sonoloop.records import Job, JobKind
from sonoloop.store.jobs import Ending
from sonoloop.store.store import Store

logger = logging.getLogger(__name__)

THREAD_KINDS: Final[tuple[JobKind, ...]] = ("batch_infer", "scoring", "acquisition")


class JobHandle:
    """What the work of a job may ask and tell."""

    def __init__(self, store: Store, job_id: str, closing: threading.Event) -> None:
        self._store = store
        self._job_id = job_id
        self._closing = closing

    @property
    def job_id(self) -> str:
        """Id of the job."""
        return self._job_id

    def report(self, progress: Mapping[str, Any], line: str | None = None) -> None:
        """Publish how far the work is."""
        self._store.jobs.heartbeat(self._job_id, dict(progress), line)

    def should_stop(self) -> bool:
        """True once somebody asked for the end."""
        return self._closing.is_set() or self._store.jobs.stop_requested(self._job_id)

    def wait(self, seconds: float) -> bool:
        """Wait so long, or until the server closes; then as :meth:`should_stop`."""
        self._closing.wait(seconds)
        return self.should_stop()


Work: TypeAlias = Callable[[JobHandle], str]
"""Does the job and returns its last line."""


class BackgroundJobs:
    """Runs jobs in threads; the store knows them, refuses doubles and keeps their progress."""

    def __init__(self, store: Store, *, ended: Callable[[], None] = lambda: None) -> None:
        self._store = store
        self._ended = ended
        self._closing = threading.Event()
        self._threads: dict[str, threading.Thread] = {}
        self._untold: dict[str, tuple[Ending, str]] = {}

    def start(
        self, kind: JobKind, target: str, request: Mapping[str, Any], work: Work, *, wait: bool
    ) -> Job:
        """Begin ``work``; with ``wait``, return when it has ended.

        Raises:
            JobConflictError: If a job of this kind runs on this target already.
            StoreError: If that cannot be kept.
        """
        self.tell_endings()
        job = self._store.jobs.create(kind, target, dict(request))
        thread = threading.Thread(
            target=self._run, args=(job.job_id, work), name=f"{kind}-{target}", daemon=True
        )
        self._threads[job.job_id] = thread
        thread.start()
        if wait:
            thread.join()
        return self._store.jobs.get(job.job_id)

    def _run(self, job_id: str, work: Work) -> None:
        handle = JobHandle(self._store, job_id, self._closing)
        status: Ending = "ERROR"
        line = "ended unexpectedly (see the server log)"
        try:
            self._store.jobs.start(job_id, None, None)
            line = work(handle)
            status = "STOPPED" if handle.should_stop() else "DONE"
        except SonoloopError as error:
            line = str(error)
        finally:
            self._finish(job_id, status, line)
            self._threads.pop(job_id, None)
            self._ended()

    def _finish(self, job_id: str, status: Ending, line: str) -> None:
        try:
            self._store.jobs.finish(job_id, status, line)
        except StoreError as error:
            self._untold[job_id] = (status, line)
            logger.warning("the end of job %s cannot be told yet: %s", job_id, error)

    def tell_endings(self) -> None:
        """Tell of jobs that ended while the store failed; no other of their kind could begin.

        Raises:
            StoreError: If it still fails.
        """
        for job_id, (status, line) in tuple(self._untold.items()):
            self._store.jobs.finish(job_id, status, line)
            self._untold.pop(job_id, None)

    def stop(self, kind: JobKind, *, timeout_s: float = 10.0) -> list[Job]:
        """Ask every job of ``kind`` to end, and wait for that a while."""
        stopped = []
        for job in self._store.jobs.active(kind):
            self._store.jobs.request_stop(job.job_id)
            thread = self._threads.get(job.job_id)
            if thread:
                thread.join(timeout_s)
            stopped.append(self._store.jobs.get(job.job_id))
        return stopped

    def end_leftovers(self) -> None:
        """Close the jobs of a server that died: their threads died with it."""
        for kind in THREAD_KINDS:
            for job in self._store.jobs.active(kind):
                self._store.jobs.finish(job.job_id, "ERROR", "the server ended while this ran")

    def close(self, *, timeout_s: float = 5.0) -> None:
        """Ask every job to end and wait for that a while."""
        self._closing.set()
        for thread in list(self._threads.values()):
            thread.join(timeout_s)
