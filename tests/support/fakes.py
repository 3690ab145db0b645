"""Stand-ins for what is slow: a pipeline that thresholds, a worker that pretends to train."""

import sys
from pathlib import Path

import numpy as np

from sonoloop.geometry import bounding_box
from sonoloop.imaging.image import UltrasoundImage
from sonoloop.labels import Pathology
from sonoloop.networks.card import read_card
from sonoloop.records import Findings, Lesion, ModelTask
from sonoloop.service.inference import Pipeline
from sonoloop.settings import PipelineSettings

FAKE_WORKER = Path(__file__).parents[1] / "service" / "fake_worker.py"


def load_threshold(segmentation: Path, classification: Path, _: PipelineSettings) -> Pipeline:
    """A pipeline that calls everything brighter than 150 one malignant lesion."""
    ids: dict[ModelTask, str] = {
        "segmentation": read_card(segmentation).model_id,
        "classification": read_card(classification).model_id,
    }
    probabilities = {Pathology.NORMAL: 0.1, Pathology.BENIGN: 0.2, Pathology.MALIGNANT: 0.7}

    def pipeline(image: UltrasoundImage) -> Findings:
        mask = image.pixels > 150
        box = bounding_box(mask)
        lesion = box and Lesion(
            box=box,
            area_px=int(mask.sum()),
            area_mm2=None,
            probabilities=probabilities,
            confidence=0.9,
        )
        return Findings(
            mask=mask,
            probability_map=mask.astype(np.float32),
            lesions=(lesion,) if lesion else (),
            probabilities=probabilities,
            pathology=Pathology.MALIGNANT,
            spacing_mm=image.spacing_mm,
            models=ids,
            seconds=0.001,
        )

    return pipeline


def fake_worker(workspace: Path, job_id: str, *, mode: str = "train") -> list[str]:
    """How the pretended training is started; ``mode`` is what ``fake_worker.py`` shall do."""
    script = [sys.executable, str(FAKE_WORKER), mode]
    return [*script, "--workspace", str(workspace), "--job", job_id]
