"""The serving pipeline: loaded in the background, swapped when a model is published.

Requests in flight finish on the pipeline they began with, whose models were published together,
and every finding carries the ids of the models that made it. No more pipelines run at once than
the processor bears; the others wait in a queue of limited length.
"""

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal, Protocol, TypeAlias, get_args, runtime_checkable

from sonoloop.errors import (
    BusyError,
    CompilationEndedError,
    ConflictError,
    NotFoundError,
    SonoloopError,
)
from sonoloop.geometry import ProbabilityMap
from sonoloop.imaging.image import UltrasoundImage
from sonoloop.inference.engine import Batch
from sonoloop.inference.explain import Explains, Explanation
from sonoloop.labels import Pathology
from sonoloop.records import Findings, ModelTask
from sonoloop.settings import PipelineSettings
from sonoloop.store.models import Models
from sonoloop.store.publications import Generation
from sonoloop.transforms.letterbox import GreyPixels

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


@dataclass(frozen=True, slots=True)
class Served:
    """What answers at one moment; replaced as a whole, never changed.

    Attributes:
        pipeline: Both models of one generation.
        ids: Theirs, in the order of :data:`TASKS`.
        generation: Number of the newest publication it stands for.
    """

    pipeline: Pipeline
    ids: ServingIds
    generation: int


def load_compiled() -> PipelineLoader:
    """Loads pipelines compiled for this machine, and keeps those that served last ready."""
    shelf: PipelineLoader | None = None

    def load(
        segmentation_dir: Path, classification_dir: Path, settings: PipelineSettings
    ) -> Pipeline:
        nonlocal shelf
        if shelf is None:
            # Here: the loader thread pays for the runtime's import, not the start of the server.
            from sonoloop.inference.shelf import EngineShelf

            shelf = EngineShelf()
        return shelf(segmentation_dir, classification_dir, settings)

    return load


@runtime_checkable
class Judges(Protocol):
    """A pipeline that tells what an outlined image is."""

    def judge(self, pixels: GreyPixels, probability_map: ProbabilityMap) -> Batch:
        """See :meth:`~sonoloop.inference.pipeline.DualStagePipeline.judge`."""
        ...


NO_EXPLANATION: Final = "the serving pipeline offers no explanation (it is not a dual-stage one)"


class InferenceService:
    """Runs the pipeline of the models that are served now."""

    def __init__(
        self,
        models: Models,
        settings: PipelineSettings,
        *,
        load: PipelineLoader | None = None,
        load_timeout_s: float = 120.0,
    ) -> None:
        self._models = models
        self._settings = settings
        self._load = load or load_compiled()
        self._load_timeout_s = load_timeout_s
        self.slots = slots_for(settings, os.cpu_count() or 1)
        self._running = threading.BoundedSemaphore(self.slots)
        self._changed = threading.Condition()
        self._served: Served | None = None
        self._loading: ServingIds | None = None
        self._failure: tuple[ServingIds, str, float] | None = None
        self._waiting = 0

    @property
    def model_ids(self) -> dict[ModelTask, str]:
        """Ids of the models that answer now; empty before the first are loaded."""
        served = self._served
        return dict(zip(TASKS, served.ids, strict=True)) if served else {}

    @property
    def generation(self) -> int:
        """Number of the newest publication that answers; 0 before the first is loaded."""
        served = self._served
        return served.generation if served else 0

    @property
    def settings(self) -> PipelineSettings:
        """Thresholds, margins and device of what serves."""
        return self._settings

    @property
    def is_dual_stage(self) -> bool:
        """Whether what serves now judges outlines, as strategies ask for."""
        served = self._served
        return served is not None and isinstance(served.pipeline, Judges)

    @property
    def state(self) -> PipelineState:
        """Whether requests can be answered."""
        if self._served:
            return "ready"
        if self._loading:
            return "loading"
        return "failed" if self._failure else "empty"

    @property
    def failure(self) -> str | None:
        """Why the latest models could not be loaded, or None."""
        return self._failure[1] if self._failure else None

    def refresh(self) -> None:
        """Begin to load the models that are published now, unless they are loaded already.

        Cheap and quick: one indexed look-up; the loading happens in a thread.
        """
        generation = self._models.generation()
        wanted = ids_of(generation)
        if wanted is None:
            return
        with self._changed:
            if self._loading or self._is_hopeless(wanted):
                return
            if self._served and self._served.ids == wanted:
                self._served = replace(self._served, generation=generation.number)
                return
            self._loading = wanted
        threading.Thread(
            target=self._swap, args=(generation, wanted), name="load-models", daemon=True
        ).start()

    def wait_for(self, generation: int, *, timeout_s: float) -> bool:
        """Begin to load what is published, and wait until ``generation`` answers.

        Returns:
            Whether it does; False when it could not be loaded or took too long.
        """
        self.refresh()
        with self._changed:
            self._changed.wait_for(
                lambda: self.generation >= generation or self._loading is None, timeout_s
            )
        return self.generation >= generation

    def _is_hopeless(self, wanted: ServingIds) -> bool:
        if self._failure is None:
            return False
        ids, _, when = self._failure
        return ids == wanted and time.monotonic() - when < RETRY_S

    def _swap(self, generation: Generation, ids: ServingIds) -> None:
        """Load, then let the new pipeline answer; again while something newer is published."""
        newest: tuple[Generation, ServingIds] | None = (generation, ids)
        while newest:
            newest = self._swapped(*newest)

    def _swapped(
        self, generation: Generation, ids: ServingIds
    ) -> tuple[Generation, ServingIds] | None:
        """Let one generation answer; the next one to load, or None."""
        folders = [generation.models[task].directory for task in TASKS]
        pipeline, reason = None, "loading ended unexpectedly (see the server log)"
        following, level = None, logging.ERROR
        try:
            pipeline = self._load(folders[0], folders[1], self._settings)
            following = self._newer_than(ids)
        except CompilationEndedError as error:
            reason, level = str(error), logging.INFO
        except SonoloopError as error:
            reason = str(error)
        finally:
            with self._changed:
                if pipeline is None:
                    self._failure = (ids, reason, time.monotonic())
                    logger.log(level, "models %s are not loaded: %s", ", ".join(ids), reason)
                else:
                    self._served = Served(pipeline, ids, generation.number)
                    self._failure = None
                    logger.info("now serving %s", ", ".join(ids))
                self._loading = following[1] if following else None
                self._changed.notify_all()
        return following

    def _newer_than(self, ids: ServingIds) -> tuple[Generation, ServingIds] | None:
        generation = self._models.generation()
        wanted = ids_of(generation)
        return None if wanted in (None, ids) else (generation, wanted)

    def pipeline(self) -> Pipeline:
        """The current pipeline; waits for the first one while it loads.

        Raises:
            NotFoundError: If no model is published for one of the tasks.
            BusyError: If the models are not loaded in time.
        """
        if self._served is None:
            self.refresh()
            self._raise_if_unpublished()
            with self._changed:
                self._changed.wait_for(
                    lambda: self._served is not None or self._loading is None,
                    timeout=self._load_timeout_s,
                )
        served = self._served
        if served is None:
            raise BusyError(f"the models are not loaded: {self.failure or 'still loading'}")
        return served.pipeline

    def _raise_if_unpublished(self) -> None:
        published = self._models.generation().models
        for task in TASKS:
            if task not in published:
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
        served = self._served
        pipeline: object = served.pipeline if served else None
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


def ids_of(generation: Generation) -> ServingIds | None:
    """Ids of both models, or None while one is missing."""
    if not all(task in generation.models for task in TASKS):
        return None
    segmentation, classification = (generation.models[task].model_id for task in TASKS)
    return segmentation, classification


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
