"""Background work as clients ask for it."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from sonoloop.errors import NotFoundError
from sonoloop.records import Job, JobKind
from sonoloop.service.listing import job_json
from sonoloop.store.jobs import Jobs

RECENT_JOBS: Final = 100


class JobBoard:
    """Says how background work is getting on.

    Args:
        jobs: Every job there was.
        log_tail: Last lines that the process of a training wrote.
    """

    def __init__(self, jobs: Jobs, log_tail: Callable[[str], Sequence[str]]) -> None:
        self._jobs, self._log_tail = jobs, log_tail

    def json(self, job: Job) -> dict[str, Any]:
        """A job as clients know it, with the end of its log."""
        lines = self._log_tail(job.job_id) if job.kind == "train" else []
        return job_json(job, log_lines=lines)

    def status(
        self, kind: JobKind, *, every: bool, only_running: bool
    ) -> dict[str, Any] | list[dict[str, Any]]:
        """The latest job of a kind, or the latest hundred, oldest first.

        Raises:
            NotFoundError: If there was none, or, with ``only_running``, none runs.
        """
        if only_running:
            active = self._jobs.active(kind)
            if not active:
                raise NotFoundError(f"no {kind} job is running")
            return self.json(active[0])
        recent = self._jobs.recent(kind, RECENT_JOBS if every else 1)
        if not recent:
            raise NotFoundError(f"there was no {kind} job yet")
        if every:
            return [self.json(job) for job in reversed(recent)]
        return self.json(recent[0])
