"""Engines that stay ready: a model that serves again need not be loaded again."""

import threading
from collections import OrderedDict
from pathlib import Path
from typing import Final, TypeAlias

from sonoloop.inference.engine import Engine
from sonoloop.inference.load import load_engine, load_pipeline
from sonoloop.inference.pipeline import DualStagePipeline
from sonoloop.networks.card import read_card
from sonoloop.settings import PipelineSettings

KEPT: Final = 2
"""Engines of a task that are kept: the serving one and the one before it."""

Key: TypeAlias = tuple[Path, str, float]


class EngineShelf:
    """Loads pipelines, and keeps the engines of those that served last.

    What is kept is found by folder, hash of the weights and temperature: other weights in the same
    folder are loaded anew.
    """

    def __init__(self, *, kept: int = KEPT) -> None:
        self._kept = kept
        self._engines: dict[str, OrderedDict[Key, Engine]] = {}
        self._lock = threading.Lock()

    def __call__(
        self, segmentation_dir: Path, classification_dir: Path, settings: PipelineSettings
    ) -> DualStagePipeline:
        """The pipeline of two model folders.

        Raises:
            ModelError: If a folder is incomplete, corrupt, or of the wrong task.
            ConfigError: If a GPU is asked for that is not there.
        """
        with self._lock:
            return load_pipeline(
                segmentation_dir, classification_dir, settings, engine_of=self._engine
            )

    def _engine(self, folder: Path, settings: PipelineSettings) -> Engine:
        card = read_card(folder)
        key = (folder, card.weights_sha256, card.temperature)
        shelf = self._engines.setdefault(card.task, OrderedDict())
        if key not in shelf:
            shelf[key] = load_engine(folder, settings)
        shelf.move_to_end(key)
        while len(shelf) > self._kept:
            shelf.popitem(last=False)
        return shelf[key]
