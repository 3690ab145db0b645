"""Where the models lie that come with Sonoloop."""

import os
from pathlib import Path
from typing import Final

from sonoloop.records import ModelTask

SHIPPED_MODELS: Final = Path(
    os.environ.get("SONOLOOP_SHIPPED_MODELS")
    or Path(__file__).resolve().parents[3] / "apps" / "breast_ultrasound" / "model"
)
"""Folder with ``segmentation/`` and ``classification/``, each a model folder; a site that wants
to begin with models of its own names theirs in ``SONOLOOP_SHIPPED_MODELS``."""


def shipped_model(task: ModelTask) -> Path:
    """The model folder of one task."""
    return SHIPPED_MODELS / task
