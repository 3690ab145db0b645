"""The process that does one training of the server; the server never loads what is imported here.

Run as ``python -m sonoloop.service.worker --workspace DIR --job ID``. It reads the job and the
labels from the store, trains, compiles the new model, registers and publishes it, and ends the
job. SIGTERM ends it after the present step; what it had is discarded and the serving model stays.
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

from sonoloop.errors import NotFoundError, PacsError, SonoloopError
from sonoloop.inference.compile import compile_model
from sonoloop.networks.card import read_card
from sonoloop.pacs.open import open_source
from sonoloop.records import ImageRecord, Job, LabelledImage, ModelTask
from sonoloop.service.images import ImageLibrary
from sonoloop.service.training import trainer
from sonoloop.settings import TrainingSettings
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

    def __call__(self, progress: Progress) -> None:
        """Told by the training."""
        self._curve.note(progress)
        line = None
        if progress.epoch > self._epoch:
            self._epoch = progress.epoch
            loss = "-" if progress.loss is None else f"{progress.loss:.4f}"
            metric = "-" if progress.metric is None else f"{progress.metric:.4f}"
            line = f"epoch {progress.epoch}/{progress.total_epochs}: loss {loss}, {metric}"
        told = progress.as_dict() | {"curve": self._curve.as_json()}
        self._store.jobs.heartbeat(self._job_id, told, line)


def labelled_items(store: Store, library: ImageLibrary) -> list[LabelledImage]:
    """The latest label of every image whose pixels can be had."""
    missing: set[str] = set()

    def path_of(record: ImageRecord) -> Path:
        try:
            return library.path(record)
        except (NotFoundError, PacsError) as error:
            logger.warning("left out of the training: %s (%s)", record.image_id, error)
            missing.add(record.image_id)
            return Path(record.locator)

    items = store.annotations.labelled_images(path_of)
    return [item for item in items if item.image_id not in missing]


def run_job(store: Store, job: Job) -> str:
    """Train what ``job`` asks for; returns the id of the model that is now served.

    Raises:
        SonoloopError: If the training cannot start or fails.
        InterruptedError: If it was asked to stop.
    """
    task = trainer(job.target)
    source = open_source(job.request["studies"], store.paths.root)
    items = labelled_items(store, ImageLibrary(store, source))
    serving = store.models.serving(task)
    run_dir = store.paths.runs / job.job_id
    stop = StopFlag(store, job.job_id)
    signal.signal(signal.SIGTERM, stop.raise_it)
    model_dir = TRAIN[task](
        items,
        TrainingSettings.from_conf(job.request["settings"]),
        run_dir,
        initial=serving.directory if serving else None,
        report=Reporter(store, job.job_id),
        should_stop=stop,
    )
    if stop():
        raise InterruptedError
    compile_model(model_dir)
    model = store.models.register(read_card(model_dir).as_dict(), model_dir)
    store.models.publish(model.model_id)
    shutil.rmtree(run_dir)
    return model.model_id


def main(arguments: Sequence[str] | None = None) -> int:
    """Do the job named on the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--job", required=True)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    with Store.open(options.workspace) as store:
        job = store.jobs.get(options.job)
        try:
            model_id = run_job(store, job)
        except InterruptedError:
            store.jobs.finish(job.job_id, "STOPPED", "stopped on request")
        except SonoloopError as error:
            logger.error("training failed: %s", error)
            stopped = store.jobs.stop_requested(job.job_id)
            store.jobs.finish(job.job_id, "STOPPED" if stopped else "ERROR", str(error))
            return 1
        else:
            store.jobs.finish(job.job_id, "DONE", f"published {model_id}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
