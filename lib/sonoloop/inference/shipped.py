"""Where the models lie that come with Sonoloop."""

from pathlib import Path
from typing import Final

from sonoloop.records import ModelTask

SHIPPED_MODELS: Final = Path(__file__).resolve().parents[3] / "apps" / "breast_ultrasound" / "model"
"""Folder with ``segmentation/`` and ``classification/``, each a model folder."""


def shipped_model(task: ModelTask) -> Path:
    """The model folder of one task."""
    return SHIPPED_MODELS / task
