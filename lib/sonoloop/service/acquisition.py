"""Keeps the scores of the images and the queues of the strategies up to date, in the background.

The work is done by a process of its own with low priority: it neither holds up requests nor makes
the server larger, and what it has written stays when it ends early. It is begun when other models
serve, when images have come, and when enough labels have.
"""

import logging
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeAlias

from sonoloop.active_learning.registry import STRATEGIES
from sonoloop.errors import ScoreError
from sonoloop.records import Job
from sonoloop.service import processes
from sonoloop.service.background import BackgroundJobs, JobHandle
from sonoloop.service.inference import InferenceService
from sonoloop.service.ranking import version_of
from sonoloop.store.store import Store

logger = logging.getLogger(__name__)

ScorerCommand: TypeAlias = Callable[[Path, str], Sequence[str]]
"""From workspace and job id to the command line of the process."""

TARGET: Final = "pool"
LOOK_S: Final = 5.0
"""Seconds between two looks at whether there is something to do."""
RETRY_S: Final = 300.0
"""Seconds after a failure before it is tried again."""
LABELS_PER_RANKING: Final = 10
"""Queues are made anew after so many labels."""
GRACE_S: Final = 3.0
POLL_S: Final = 0.25
THREADS: Final = 1


def scorer_command(workspace: Path, job_id: str) -> list[str]:
    """Starts the process that scores with the real networks."""
    module = "sonoloop.service.acquisition_worker"
    return [sys.executable, "-m", module, "--workspace", str(workspace), "--job", job_id]


class AcquisitionService:
    """Begins a job when there is something to score or to rank, one at a time."""

    def __init__(
        self,
        store: Store,
        inference: InferenceService,
        jobs: BackgroundJobs,
        *,
        studies: str,
        command: ScorerCommand = scorer_command,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._inference, self._jobs = store, inference, jobs
        self._studies, self._command, self._clock = studies, command, clock
        self._look_at = 0.0
        self._failed: tuple[str, float] | None = None
        self._ranked: tuple[str, int] | None = None

    def keep_up(self) -> Job | None:
        """The job that was begun now, or None; quick, and called twice a second."""
        now = self._clock()
        if now < self._look_at or not self._inference.is_dual_stage:
            return None
        self._look_at = now + LOOK_S
        version = version_of(self._inference.model_ids)
        if self._failed and self._failed[0] == version and now - self._failed[1] < RETRY_S:
            return None
        if self._store.jobs.active("acquisition") or not self._is_behind(version):
            return None
        request = {
            "models": dict(self._inference.model_ids),
            "studies": self._studies,
            "pipeline": replace(self._inference.settings, threads=THREADS).as_dict(),
        }
        return self._jobs.start("acquisition", TARGET, request, self._work, wait=False)

    def _is_behind(self, version: str) -> bool:
        done, total = self._store.acquisition.progress(version)
        if done < total:
            return True
        if not total:
            return False
        ranked_version, labels = self._ranked or self._found_ranking()
        gained = abs(self._store.images.count_labelled() - labels)
        return ranked_version != version or gained >= LABELS_PER_RANKING

    def _found_ranking(self) -> tuple[str, int]:
        """Version and labels of the queues that an earlier server left."""
        states = [self._store.acquisition.queue_state(name) for name in STRATEGIES]
        known = [(state.model, state.labels) for state in states if state]
        return known[0] if known else ("", 0)

    def _work(self, handle: JobHandle) -> str:
        job = self._store.jobs.get(handle.job_id)
        version = version_of(job.request["models"])
        labels = self._store.images.count_labelled()
        before, _ = self._store.acquisition.progress(version)
        log_path = self._store.paths.logs / f"{job.job_id}.log"
        child, process = processes.spawn(
            self._command(self._store.paths.root, job.job_id),
            log_path=log_path,
            threads=THREADS,
            environment={"PYTHONUNBUFFERED": "1"} | processes.database_environment(self._store.url),
        )
        while child.poll() is None:
            if handle.wait(POLL_S):
                processes.stop_group(process, grace_s=GRACE_S)
                child.wait()
                return "stopped before every image was scored"
        self._raise_if_failed(child, version, log_path)
        self._store.acquisition.forget_all_but({version, self._ranked[0] if self._ranked else ""})
        self._ranked = (version, labels)
        done, total = self._store.acquisition.progress(version)
        return f"{done - before} images scored now, {done} of {total} in all"

    def _raise_if_failed(
        self, child: subprocess.Popen[bytes], version: str, log_path: Path
    ) -> None:
        if child.returncode == 0:
            self._failed = None
            return
        self._failed = (version, self._clock())
        last = (processes.tail(log_path, lines=1) or ["it told nothing"])[-1]
        logger.warning("scoring the images failed: %s", last)
        raise ScoreError(f"scoring the images ended with status {child.returncode}: {last}")
