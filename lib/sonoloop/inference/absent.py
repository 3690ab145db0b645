"""A stand-in for a model that there is not."""

import numpy as np

from sonoloop.inference.engine import Batch
from sonoloop.labels import PATHOLOGIES
from sonoloop.networks.card import ModelCard
from sonoloop.records import ModelTask


class Absent:
    """An engine in the place of a model that is missing: marks nothing, knows nothing.

    Args:
        task: Which model is absent.
    """

    def __init__(self, task: ModelTask) -> None:
        classes = tuple(PATHOLOGIES) if task == "classification" else ("lesion",)
        self.card = ModelCard(
            model_id="none", task=task, architecture="none", input_size_px=32, classes=classes
        )

    def __call__(self, batch: Batch) -> Batch:
        """See :class:`sonoloop.inference.engine.Engine`."""
        if self.card.task == "segmentation":
            return np.zeros_like(batch)
        return np.full((len(batch), len(PATHOLOGIES)), 1 / len(PATHOLOGIES), dtype=np.float32)
