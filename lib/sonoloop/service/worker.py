"""The process that does one training of the server; the server never loads what is imported here.

Run as ``python -m sonoloop.service.worker --workspace DIR --job ID``; a database elsewhere than in
the workspace is named by ``SONOLOOP_DATABASE``, as arguments would show its password. It reads the
job and the labels from the store, trains on all but the locked patients, compiles and registers the
new model, measures it beside the serving one on the locked patients, lets the gate decide, and ends
the job.
SIGTERM ends it after the present step; what it had is discarded and the serving model stays.
"""

import argparse
import logging
import shutil
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from sonoloop.errors import NotFoundError, PacsError, SonoloopError
from sonoloop.inference.compile import compile_model
from sonoloop.networks.card import read_card
from sonoloop.pacs.open import open_source
from sonoloop.records import ImageRecord, Job, LabelledImage, ModelTask
from sonoloop.service import processes
from sonoloop.service.gate import Gate, locked_split
from sonoloop.service.images import ImageLibrary
from sonoloop.service.training import trainer
from sonoloop.service.truth import training_truth
from sonoloop.settings import ConsensusMethod, GateSettings, PipelineSettings, TrainingSettings
from sonoloop.store.gates import GateResult
from sonoloop.store.store import Store
from sonoloop.training.classification import train_classification
from sonoloop.training.progress import Curve, Progress
from sonoloop.training.segmentation import train_segmentation

logger = logging.getLogger(__name__)

TRAIN: dict[ModelTask, Callable[..., Path]] = {
    "segmentation": train_segmentation,
    "classification": train_classification,
}
HEARTBEAT_S = 1.0


class StopFlag:
    """Raised by SIGTERM or by a stop request in the store."""

    def __init__(self, store: Store, job_id: str) -> None:
        self._store, self._job_id = store, job_id
        self._raised = False
        self._asked = time.monotonic()

    def raise_it(self, signal_number: int, frame: FrameType | None) -> None:
        """Signal handler."""
        del signal_number, frame
        self._raised = True

    def __call__(self) -> bool:
        """Whether to stop; looks into the store once a second."""
        now = time.monotonic()
        if not self._raised and now - self._asked >= HEARTBEAT_S:
            self._asked = now
            self._raised = self._store.jobs.stop_requested(self._job_id)
        return self._raised


class Reporter:
    """Writes progress into the store: once a second, and a line of details for every epoch."""

    def __init__(self, store: Store, job_id: str) -> None:
        self._store, self._job_id = store, job_id
        self._epoch = 0
        self._curve = Curve()
        self._told: dict[str, Any] = {}
        self._measured_at = 0.0

    def __call__(self, progress: Progress) -> None:
        """Told by the training."""
        self._curve.note(progress)
        line = None
        if progress.epoch > self._epoch:
            self._epoch = progress.epoch
            loss = "-" if progress.loss is None else f"{progress.loss:.4f}"
            metric = "-" if progress.metric is None else f"{progress.metric:.4f}"
            line = f"epoch {progress.epoch}/{progress.total_epochs}: loss {loss}, {metric}"
        self._told = progress.as_dict() | {"curve": self._curve.as_json(), "stage": "training"}
        self._store.jobs.heartbeat(self._job_id, self._told, line)

    def measuring(self, done: int, total: int) -> None:
        """Told by the gate: ``done`` of ``total`` measurements."""
        now = time.monotonic()
        if done in (1, total) or now - self._measured_at >= HEARTBEAT_S:
            self._measured_at = now
            self._told |= {"stage": "measuring", "measured": done, "to_measure": total}
            self._store.jobs.heartbeat(self._job_id, self._told)


def labelled_items(
    store: Store, library: ImageLibrary, *, method: ConsensusMethod = "majority"
) -> list[LabelledImage]:
    """What is believed of every image whose pixels can be had; see ``service.truth``."""
    missing: set[str] = set()

    def path_of(record: ImageRecord) -> Path:
        try:
            return library.path(record)
        except (NotFoundError, PacsError) as error:
            logger.warning("left out of the training: %s (%s)", record.image_id, error)
            missing.add(record.image_id)
            return Path(record.locator)

    items = training_truth(store, path_of, method=method)
    return [item for item in items if item.image_id not in missing]


def run_job(store: Store, job: Job) -> GateResult:
    """Train what ``job`` asks for and let the gate decide on the model that comes out.

    Raises:
        SonoloopError: If the training cannot start or fails.
        InterruptedError: If it was asked to stop.
    """
    task, request = trainer(job.target), job.request
    stop, report = StopFlag(store, job.job_id), Reporter(store, job.job_id)
    signal.signal(signal.SIGTERM, stop.raise_it)
    library = ImageLibrary(store, open_source(request["studies"], store.paths.root))
    items = labelled_items(store, library, method=request.get("consensus", "majority"))
    gate_settings = GateSettings.from_conf(request.get("gate", {}))
    split = locked_split(store, items, share=gate_settings.locked_share)
    serving = store.models.serving(task)
    run_dir = store.paths.runs / job.job_id
    model_dir = TRAIN[task](
        split.trainable,
        TrainingSettings.from_conf(request["settings"]),
        run_dir,
        initial=serving.directory if serving else None,
        report=report,
        should_stop=stop,
    )

    def advance(done: int, total: int) -> None:
        if stop():
            raise InterruptedError
        report.measuring(done, total)

    if stop():
        raise InterruptedError
    compile_model(model_dir)
    model = store.models.register(read_card(model_dir).as_dict(), model_dir)
    pipeline = PipelineSettings.from_conf(request.get("pipeline", {}))
    gate = Gate(store, split.locked, settings=gate_settings, pipeline=pipeline, advance=advance)
    result = gate.judge(model, job_id=job.job_id)
    shutil.rmtree(run_dir)
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Do the job named on the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--job", required=True)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    with Store.open(options.workspace, url=processes.database_url()) as store:
        job = store.jobs.get(options.job)
        try:
            result = run_job(store, job)
        except InterruptedError:
            store.jobs.finish(job.job_id, "STOPPED", "stopped on request")
        except SonoloopError as error:
            logger.error("training failed: %s", error)
            stopped = store.jobs.stop_requested(job.job_id)
            store.jobs.finish(job.job_id, "STOPPED" if stopped else "ERROR", str(error))
            return 1
        else:
            store.jobs.finish(
                job.job_id, "DONE", f"{result.verdict} {result.model_id}: {result.reason}"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
