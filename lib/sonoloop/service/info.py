"""What ``/info`` says, kept ready so that asking costs nothing while inference is busy.

A change the server makes itself (a label saved, a training begun) is in the very next answer;
what other processes do (a training's progress) appears within half a second.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from sonoloop import __version__
from sonoloop.labels import LABEL_NAMES, PATHOLOGIES
from sonoloop.records import Job, ModelTask
from sonoloop.service.batch import LESION_MODEL
from sonoloop.service.inference import TASKS, InferenceService
from sonoloop.service.listing import train_stats
from sonoloop.service.scanning import SourceState
from sonoloop.service.scoring import METHODS
from sonoloop.service.strategies import STRATEGIES
from sonoloop.service.train_request import offered_settings
from sonoloop.store.store import Store

NAME: Final = "Sonoloop - breast ultrasound"
DESCRIPTION: Final = (
    "Lesion outline and benign/malignant estimate for breast ultrasound; research use, "
    "not a medical device"
)
CLASSIFICATION_MODEL: Final = "classification"
MODELS: Final[dict[str, dict[str, Any]]] = {
    LESION_MODEL: {
        "type": "segmentation",
        "labels": dict(LABEL_NAMES),
        "dimension": 2,
        "description": "Lesion outline, with a pathology estimate in the reply's params",
    },
    CLASSIFICATION_MODEL: {
        "type": "classification",
        "labels": {str(pathology): index for index, pathology in enumerate(PATHOLOGIES)},
        "dimension": 2,
        "description": "Normal, benign or malignant, of the lesion most likely malignant",
    },
}
"""Models that clients may ask for findings; both are the one pipeline."""
TRAINERS: Final[dict[ModelTask, str]] = {
    "segmentation": "Retrain the outline on every final mask",
    "classification": "Retrain the pathology estimate on every final label",
}


@dataclass(frozen=True, slots=True)
class InfoSources:
    """Where the parts of ``/info`` come from."""

    store: Store
    inference: InferenceService
    source_state: Callable[[], SourceState]
    refused: Callable[[], int]
    outbox: Callable[[], dict[str, Any]]


class InfoBoard:
    """The current answer, rebuilt when something changed."""

    def __init__(self, sources: InfoSources) -> None:
        self._sources = sources
        self._lock = threading.Lock()
        self._changes = 0
        self._built_at = -1
        self._current: dict[str, Any] = {}

    def touch(self) -> None:
        """Say that something changed: the next answer is built anew."""
        self._changes += 1

    @property
    def is_current(self) -> bool:
        """True when :meth:`get` costs nothing."""
        return self._built_at == self._changes

    def get(self) -> dict[str, Any]:
        """The answer; to be read only."""
        if not self.is_current:
            self.rebuild()
        return self._current

    def rebuild(self) -> None:
        """Build the answer from the store."""
        with self._lock:
            changes = self._changes
            self._current = build_info(self._sources)
            self._built_at = changes


def build_info(sources: InfoSources) -> dict[str, Any]:
    """``/info`` as MONAI Label's clients, 3D Slicer and OHIF read it.

    There is no top-level ``config``: Slicer takes it for an outdated server. ``labels`` holds the
    mask's labels alone, for Slicer makes a segment of each.
    """
    store, inference = sources.store, sources.inference
    jobs = [job for task in TASKS if (job := store.jobs.latest("train", task))]
    return {
        "name": NAME,
        "description": DESCRIPTION,
        "version": __version__,
        "labels": list(LABEL_NAMES),
        "models": _models(inference),
        "trainers": _trainers(),
        "strategies": {name: strategy.info() for name, strategy in STRATEGIES.items()},
        "scoring": {name: {"description": text, "config": {}} for name, text in METHODS.items()},
        "train_stats": _train_stats(jobs),
        "datastore": {
            "total": store.images.count(),
            "completed": store.images.count_labelled(),
            "label_tags": store.annotations.by_tag_counts(),
        },
        "sonoloop": {
            "version": __version__,
            "notice": "research use - not a medical device",
            "model_ids": inference.model_ids,
            "pipeline": {"state": inference.state, "problem": inference.failure},
            "source": sources.source_state().as_json(),
            "refused": sources.refused(),
            "outbox": sources.outbox(),
        },
    }


def _models(inference: InferenceService) -> dict[str, Any]:
    if inference.state == "empty":
        return {}
    ids = inference.model_ids
    return {name: {**model, "config": {}, "model_ids": ids} for name, model in MODELS.items()}


def _trainers() -> dict[str, Any]:
    return {
        task: {"type": task, "description": text, "config": offered_settings()}
        for task, text in TRAINERS.items()
    }


def _train_stats(jobs: list[Job]) -> dict[str, Any]:
    """Stats per trainer, the running or latest one first: viewers draw only the first."""
    ordered = sorted(jobs, key=lambda job: (job.ended_at is None, job.created_at), reverse=True)
    return {job.target: train_stats(job) for job in ordered}
