"""The serving pipeline: loaded in the background, swapped when a model is published.

Requests in flight finish on the pipeline they began with, and every finding carries the ids of
the models that made it. No more pipelines run at once than the processor bears; the others wait
in a queue of limited length.
"""

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Literal, TypeAlias, get_args

from sonoloop.errors import BusyError, ConflictError, NotFoundError, SonoloopError
from sonoloop.imaging.image import UltrasoundImage
from sonoloop.inference.explain import Explains, Explanation
from sonoloop.labels import Pathology
from sonoloop.records import Findings, ModelRecord, ModelTask
from sonoloop.settings import PipelineSettings
from sonoloop.store.models import Models

logger = logging.getLogger(__name__)

Pipeline: TypeAlias = Callable[[UltrasoundImage], Findings]
PipelineLoader: TypeAlias = Callable[[Path, Path, PipelineSettings], Pipeline]
PipelineState: TypeAlias = Literal["empty", "loading", "ready", "failed"]
ServingIds: TypeAlias = tuple[str, str]

TASKS: Final[tuple[ModelTask, ...]] = get_args(ModelTask)
MAX_WAITING: Final = 64
"""Requests that may wait for a processor before further ones are turned away."""
RETRY_S: Final = 30.0
"""A model that could not be loaded is tried again after so long."""


def load_compiled(
    segmentation_dir: Path, classification_dir: Path, settings: PipelineSettings
) -> Pipeline:
    """The pipeline of two model folders, compiled for this machine."""
    # Imported here: the loader thread pays for the runtime's import, not the start of the server.
    from sonoloop.inference.load import load_pipeline

    return load_pipeline(segmentation_dir, classification_dir, settings)


NO_EXPLANATION: Final = "the serving pipeline offers no explanation (it is not a dual-stage one)"


class InferenceService:
    """Runs the pipeline of the models that are served now."""

    def __init__(
        self,
        models: Models,
        settings: PipelineSettings,
        *,
        load: PipelineLoader = load_compiled,
        load_timeout_s: float = 120.0,
    ) -> None:
        self._models = models
        self._settings = settings
        self._load = load
        self._load_timeout_s = load_timeout_s
        self.slots = slots_for(settings, os.cpu_count() or 1)
        self._running = threading.BoundedSemaphore(self.slots)
        self._changed = threading.Condition()
        self._pipeline: Pipeline | None = None
        self._ids: ServingIds | None = None
        self._loading: ServingIds | None = None
        self._failure: tuple[ServingIds, str, float] | None = None
        self._waiting = 0

    @property
    def model_ids(self) -> dict[ModelTask, str]:
        """Ids of the models that answer now; empty before the first are loaded."""
        ids = self._ids
        return dict(zip(TASKS, ids, strict=True)) if ids else {}

    @property
    def state(self) -> PipelineState:
        """Whether requests can be answered."""
        if self._loading and not self._pipeline:
            return "loading"
        if self._pipeline:
            return "ready"
        return "failed" if self._failure else "empty"

    @property
    def failure(self) -> str | None:
        """Why the latest models could not be loaded, or None."""
        return self._failure[1] if self._failure else None

    def refresh(self) -> None:
        """Begin to load the models that are published now, unless they are loaded already.

        Cheap and quick: two indexed look-ups; the loading happens in a thread.
        """
        serving = [self._models.serving(task) for task in TASKS]
        if not all(serving):
            return
        segmentation, classification = (model for model in serving if model)
        wanted = (segmentation.model_id, classification.model_id)
        with self._changed:
            if wanted in (self._ids, self._loading) or self._loading or self._is_hopeless(wanted):
                return
            self._loading = wanted
        threading.Thread(
            target=self._swap, args=(segmentation, classification), name="load-models", daemon=True
        ).start()

    def _is_hopeless(self, wanted: ServingIds) -> bool:
        if self._failure is None:
            return False
        ids, _, when = self._failure
        return ids == wanted and time.monotonic() - when < RETRY_S

    def _swap(self, segmentation: ModelRecord, classification: ModelRecord) -> None:
        ids = (segmentation.model_id, classification.model_id)
        pipeline, reason = None, "loading ended unexpectedly (see the server log)"
        try:
            pipeline = self._load(segmentation.directory, classification.directory, self._settings)
        except SonoloopError as error:
            reason = str(error)
        finally:
            with self._changed:
                self._loading = None
                if pipeline is None:
                    self._failure = (ids, reason, time.monotonic())
                    logger.error("models %s could not be loaded: %s", ", ".join(ids), reason)
                else:
                    self._pipeline, self._ids, self._failure = pipeline, ids, None
                    logger.info("now serving %s", ", ".join(ids))
                self._changed.notify_all()

    def pipeline(self) -> Pipeline:
        """The current pipeline; waits for the first one while it loads.

        Raises:
            NotFoundError: If no model is published for one of the tasks.
            BusyError: If the models are not loaded in time.
        """
        if self._pipeline is None:
            self.refresh()
            self._raise_if_unpublished()
            with self._changed:
                self._changed.wait_for(
                    lambda: self._pipeline is not None or self._loading is None,
                    timeout=self._load_timeout_s,
                )
        pipeline = self._pipeline
        if pipeline is None:
            raise BusyError(f"the models are not loaded: {self.failure or 'still loading'}")
        return pipeline

    def _raise_if_unpublished(self) -> None:
        for task in TASKS:
            if self._models.serving(task) is None:
                raise NotFoundError(f"no {task} model is published yet (train one first)")

    def analyse(self, image: UltrasoundImage) -> Findings:
        """Findings of one image, with the ids of the very models that made them.

        Raises:
            NotFoundError: If no model is published for one of the tasks.
            BusyError: If the models are not loaded in time.
        """
        pipeline = self.pipeline()
        with self._running:
            return pipeline(image)

    def explain(self, image: UltrasoundImage, pathology: Pathology | None) -> Explanation:
        """Findings of one image, and what in it spoke for a pathology.

        Args:
            image: What is examined.
            pathology: What is explained; None is the most probable one.

        Raises:
            NotFoundError: If no model is published for one of the tasks.
            BusyError: If the models are not loaded in time.
            ConflictError: If the classifier offers no explanation.
            InvalidRequestError: If it does not tell this pathology.
        """
        pipeline: object = self.pipeline()
        if not isinstance(pipeline, Explains):
            raise ConflictError(NO_EXPLANATION)
        with self._running:
            return pipeline.explain(image, pathology)

    @property
    def unexplained(self) -> str | None:
        """Why :meth:`explain` has no answer now, or None when it has."""
        pipeline: object = self._pipeline
        return pipeline.unexplained if isinstance(pipeline, Explains) else NO_EXPLANATION

    @contextlib.contextmanager
    def admitted(self) -> Iterator[None]:
        """A place in the queue; must be taken before a thread is.

        Raises:
            BusyError: If :data:`MAX_WAITING` requests wait already.
        """
        with self._changed:
            if self._waiting >= MAX_WAITING:
                raise BusyError(f"{MAX_WAITING} inferences are waiting (try again in a moment)")
            self._waiting += 1
        try:
            yield
        finally:
            with self._changed:
                self._waiting -= 1


def slots_for(settings: PipelineSettings, cores: int) -> int:
    """Pipelines that may run at once.

    A pipeline that takes every core gains nothing from company; with ``threads`` set, as many fit
    as the cores have threads. On a GPU two run, so that one prepares while the other computes.

    Example:
        >>> slots_for(PipelineSettings(threads=2), cores=8), slots_for(PipelineSettings(), cores=8)
        (4, 1)
    """
    if settings.device.startswith("cuda"):
        return 2
    return max(1, cores // settings.threads) if settings.threads else 1
