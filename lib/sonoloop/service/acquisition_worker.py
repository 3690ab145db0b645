"""The process that scores and ranks the images for the server, with low priority.

Run as ``python -m sonoloop.service.acquisition_worker --workspace DIR --job ID``. It writes scores
and queues into the store and ends; it ends early on SIGTERM and when its server is gone, and the
next one goes on where it stopped.
"""

import argparse
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Final

from sonoloop.errors import SonoloopError
from sonoloop.inference.acquisition import load_scorer
from sonoloop.pacs.open import open_source
from sonoloop.records import Job
from sonoloop.service.images import ImageLibrary
from sonoloop.service.processes import database_url
from sonoloop.service.ranking import Scorer, score_pool, version_of
from sonoloop.settings import PipelineSettings
from sonoloop.store.store import Store

logger = logging.getLogger(__name__)

EXTRA_NICENESS: Final = 5
"""On top of that of a training: labels teach more than scores."""
HEARTBEAT_S: Final = 1.0

LoadScorer = Callable[[Path, Path, PipelineSettings], Scorer]


class Watch:
    """Whether to go on, and how far it is."""

    def __init__(self, store: Store, job_id: str) -> None:
        self._store, self._job_id = store, job_id
        self._server = os.getppid()
        self._told_at = 0.0
        self._raised = False
        signal.signal(signal.SIGTERM, self._raise)

    def _raise(self, signal_number: int, frame: FrameType | None) -> None:
        del signal_number, frame
        self._raised = True

    def should_stop(self) -> bool:
        """True after SIGTERM, and once the server that started this process is gone."""
        return self._raised or os.getppid() != self._server

    def report(self, progress: Mapping[str, Any]) -> None:
        """Tell the store, once a second."""
        now = time.monotonic()
        if now - self._told_at >= HEARTBEAT_S or progress["done"] == progress["total"]:
            self._told_at = now
            self._store.jobs.heartbeat(self._job_id, dict(progress))


def run_job(store: Store, job: Job, *, load: LoadScorer = load_scorer) -> int:
    """Score and rank what ``job`` asks for; how many images were scored.

    Raises:
        SonoloopError: If a model cannot be loaded or the PACS not be asked.
    """
    watch = Watch(store, job.job_id)
    models = job.request["models"]
    scorer = load(
        store.models.get(models["segmentation"]).directory,
        store.models.get(models["classification"]).directory,
        PipelineSettings.from_conf(job.request["pipeline"]),
    )
    library = ImageLibrary(store, open_source(job.request["studies"], store.paths.root))
    return score_pool(
        store,
        library,
        scorer,
        version_of(models),
        report=watch.report,
        should_stop=watch.should_stop,
    )


def main(arguments: Sequence[str] | None = None, *, load: LoadScorer = load_scorer) -> int:
    """Do the job named on the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--job", required=True)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    os.nice(EXTRA_NICENESS)
    with Store.open(options.workspace, url=database_url()) as store:
        try:
            run_job(store, store.jobs.get(options.job), load=load)
        except SonoloopError as error:
            logger.error("scoring failed: %s", error)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
