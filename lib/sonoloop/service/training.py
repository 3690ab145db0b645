"""Supervises the worker processes that train.

A training outlives the server: it runs in a session of its own and reports through the store. A
server that starts again finds it by pid and start time, and goes on watching it. At most one
training runs at a time (others wait as SUBMITTED), and never two of one model: the store refuses
the second.
"""

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeAlias

from sonoloop.datasets.locked import keys_of, lock
from sonoloop.datasets.splits import has_lesion, hold_out
from sonoloop.errors import NotFoundError, TrainingError
from sonoloop.records import Job, LabelledImage, ModelTask
from sonoloop.service import processes
from sonoloop.service.inference import TASKS
from sonoloop.service.processes import ProcessId
from sonoloop.service.train_request import training_settings
from sonoloop.service.truth import training_truth
from sonoloop.settings import PipelineSettings, ServerSettings
from sonoloop.store.jobs import Ending
from sonoloop.store.store import Store

logger = logging.getLogger(__name__)

WorkerCommand: TypeAlias = Callable[[Path, str], Sequence[str]]

STALE_AFTER: Final = timedelta(minutes=15)
"""A worker that has not reported for so long hangs and is ended."""
LOG_LINES: Final = 20
MIN_PATIENTS: Final = 2
MIN_CLASSES: Final = 2


def worker_command(workspace: Path, job_id: str) -> list[str]:
    """How the process that trains is started."""
    module = "sonoloop.service.worker"
    return [sys.executable, "-m", module, "--workspace", str(workspace), "--job", job_id]


class TrainingService:
    """Starts, watches and stops trainings."""

    def __init__(
        self,
        store: Store,
        settings: ServerSettings,
        *,
        studies: str,
        threads: int,
        command: WorkerCommand = worker_command,
        pipeline: PipelineSettings | None = None,
    ) -> None:
        self._store = store
        self._settings = settings
        self.studies = studies
        self._threads = threads
        self._command = command
        self._pipeline = pipeline or PipelineSettings()
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._lock = threading.RLock()

    def start(
        self,
        target: str,
        params: Mapping[str, Any],
        *,
        because: str = "by hand",
        actor: str = "",
    ) -> Job:
        """Ask for a training; it begins at once unless another one runs.

        Args:
            target: The model task.
            params: Of the training, as a client gives them.
            because: Why; kept with the job.
            actor: Who asks; "" is nobody in particular.

        Raises:
            NotFoundError: If nothing called ``target`` can be trained.
            ConfigError: If a parameter is unknown, malformed or out of range.
            TrainingError: If there are too few labels to begin.
            JobConflictError: If this model is being trained already.
        """
        task = trainer(target)
        settings = training_settings(params)
        self._raise_if_too_few(task, settings.validation_fraction)
        request = {
            "model": task,
            "params": {name: value for name, value in params.items() if name != "model"},
            "settings": settings.as_dict() | {"threads": self._threads},
            "studies": self.studies,
            "consensus": self._settings.consensus,
            "because": because,
            "newest_label": self._store.gates.newest_label(),
            "gate": self._settings.gate.as_dict(),
            "pipeline": self._pipeline.as_dict() | {"threads": self._threads},
            **({"actor": actor} if actor else {}),
        }
        with self._lock:
            job = self._store.jobs.create("train", task, request)
            self.supervise()
        return self._store.jobs.get(job.job_id)

    def _raise_if_too_few(self, task: ModelTask, fraction: float) -> None:
        items = training_truth(self._store, outlines=False)
        known = self._store.gates.places(keys_of(items))
        split = lock(items, share=self._settings.gate.locked_share, known=known)
        problem = too_few_labels(task, split.trainable, fraction)
        if problem and split.locked:
            problem = f"{problem}; {len(split.locked)} more images are locked for validation"
        if problem:
            raise TrainingError(problem)

    def stop(self) -> list[Job]:
        """End every training that runs or waits; returns them as they ended.

        A running one gets ``stop_grace_s`` seconds to write its checkpoint.
        """
        stopped = []
        for job in self._store.jobs.active("train"):
            self._store.jobs.request_stop(job.job_id)
            process = process_of(job)
            if process:
                processes.stop_group(process, grace_s=self._settings.stop_grace_s)
            with self._lock:
                self._end(job.job_id, "STOPPED", "stopped on request")
            stopped.append(self._store.jobs.get(job.job_id))
        return stopped

    def supervise(self) -> None:
        """Look after every training once: start, adopt, end. Called every half second."""
        with self._lock:
            self._reap()
            busy = False
            for job in self._store.jobs.active("train"):
                if job.status == "SUBMITTED":
                    busy = self._begin(job, busy=busy)
                else:
                    busy = self._watch(job) or busy

    def _begin(self, job: Job, *, busy: bool) -> bool:
        orphan = processes.find_by_arguments(["--job", job.job_id])
        if orphan:  # the server died between starting the worker and writing its pid down
            self._store.jobs.start(job.job_id, orphan.pid, orphan.started)
            return True
        if self._store.jobs.stop_requested(job.job_id):
            self._end(job.job_id, "STOPPED", "stopped before it began")
            return busy
        if not busy and not self._another_runs(job):
            self._launch(job)
        return True

    def _another_runs(self, job: Job) -> bool:
        active = self._store.jobs.active("train")
        return any(other.status == "RUNNING" for other in active if other.job_id != job.job_id)

    def _launch(self, job: Job) -> None:
        try:
            child, process = processes.spawn(
                self._command(self._store.paths.root, job.job_id),
                log_path=self.log_path(job.job_id),
                threads=self._threads,
                environment={"PYTHONUNBUFFERED": "1"}
                | processes.database_environment(self._store.url),
            )
        except TrainingError as error:
            self._end(job.job_id, "ERROR", str(error))
            return
        self._children[job.job_id] = child
        self._store.jobs.start(job.job_id, process.pid, process.started)
        logger.info("training %s of %s began as process %s", job.job_id, job.target, process.pid)

    def _watch(self, job: Job) -> bool:
        """True while the process of ``job`` lives; a job whose process is gone is ended."""
        process = process_of(job)
        if process is None or not processes.is_alive(process):
            asked = self._store.jobs.stop_requested(job.job_id)
            status: Ending = "STOPPED" if asked else "ERROR"
            line = "stopped on request" if asked else "training process ended without a result"
            self._end(job.job_id, status, line)
            return False
        if silence(job) > STALE_AFTER:
            processes.stop_group(process, grace_s=self._settings.stop_grace_s)
            self._end(job.job_id, "ERROR", f"training stopped reporting for {STALE_AFTER}")
            return False
        return True

    def _end(self, job_id: str, status: Ending, line: str) -> None:
        # The worker may have written its own end since the job was read; the first one stays.
        job = self._store.jobs.finish(job_id, status, line)
        logger.info("training %s ended: %s", job_id, job.status)

    def _reap(self) -> None:
        ended = [job_id for job_id, child in self._children.items() if child.poll() is not None]
        for job_id in ended:
            del self._children[job_id]

    def wait(self, job_id: str) -> Job:
        """The job once it has ended; blocks as long as that takes."""
        while True:
            job = self._store.jobs.get(job_id)
            if job.status not in ("SUBMITTED", "RUNNING"):
                return job
            self.supervise()
            time.sleep(processes.POLL_S)

    def log_path(self, job_id: str) -> Path:
        """What the worker wrote to its standard output and error."""
        return self._store.paths.logs / f"{job_id}.log"

    def log_tail(self, job_id: str) -> list[str]:
        """The last lines of it."""
        return processes.tail(self.log_path(job_id), lines=LOG_LINES)


def trainer(target: str) -> ModelTask:
    """The model task named by ``target``.

    Raises:
        NotFoundError: If nothing of that name can be trained.
    """
    for task in TASKS:
        if target == task:
            return task
    raise NotFoundError(f"unknown trainer {target!r} (one of {', '.join(TASKS)})")


def process_of(job: Job) -> ProcessId | None:
    """The process that works on ``job``, or None before it has one."""
    if job.pid is None or job.pid_started is None:
        return None
    return ProcessId(job.pid, job.pid_started)


def silence(job: Job) -> timedelta:
    """Time since the worker of ``job`` last reported."""
    heard = job.heartbeat_at or job.started_at or job.created_at
    if heard.tzinfo is None:
        heard = heard.replace(tzinfo=UTC)
    return datetime.now(UTC) - heard


def too_few_labels(task: ModelTask, items: Sequence[LabelledImage], fraction: float) -> str | None:
    """Why a training of ``task`` on ``items`` could not be done or measured, or None.

    Args:
        task: What would be trained.
        items: Every labelled image that may be trained on.
        fraction: Share of the patients that would be held out.
    """
    if task == "segmentation":
        outlined = [item for item in items if item.has_mask]
        train, validation = hold_out(outlined, fraction=fraction, must_hold=has_lesion)
        if any(map(has_lesion, train)) and any(map(has_lesion, validation)):
            return None
        patients = {item.patient for item in outlined if has_lesion(item)}
        return (
            f"too few labels: {len(patients)} patients with a lesion outline (segmentation needs "
            f"{MIN_PATIENTS}, so that one can be held out)"
        )
    known = [item for item in items if item.pathology]
    classes = sorted({item.pathology for item in known if item.pathology})
    if len(classes) < MIN_CLASSES:
        return (
            f"too few labels: {len(classes)} pathologies ({', '.join(classes) or 'none'}; "
            f"classification needs {MIN_CLASSES})"
        )
    train, _ = hold_out(known, fraction=fraction)
    if len({item.pathology for item in train}) < MIN_CLASSES:
        return (
            "too few labels: when some patients are held out, fewer than "
            f"{MIN_CLASSES} pathologies are left to train on (label more patients)"
        )
    return None
