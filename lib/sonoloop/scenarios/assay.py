"""Models on test images: the pipeline as it is, or the classifier with an outline that is given."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from sonoloop.errors import ImageReadError, LabelReadError
from sonoloop.evaluation.cases import Case, evaluate_case
from sonoloop.geometry import Mask, bounding_box
from sonoloop.imaging.image import UltrasoundImage
from sonoloop.imaging.labelled import read_labelled
from sonoloop.inference.absent import Absent
from sonoloop.inference.compile import compile_model, is_compiled
from sonoloop.inference.components import lesion_masks
from sonoloop.inference.engine import Batch, Engine
from sonoloop.inference.load import load_engine, uses_gpu
from sonoloop.inference.pipeline import DualStagePipeline
from sonoloop.labels import PATHOLOGIES, Pathology
from sonoloop.records import Findings, LabelledImage, ModelTask
from sonoloop.scenarios.plan import Crop
from sonoloop.settings import PipelineSettings

Examine = Callable[[UltrasoundImage, Mask], Findings]
"""Findings of an image, given its true mask."""

Failure = tuple[str, str]
"""Image id and why it could not be read."""


class WithMargin:
    """A classifier that is shown crops of another margin than it was trained with."""

    def __init__(self, engine: Engine, margin: float) -> None:
        self._engine = engine
        self.card = dataclasses.replace(engine.card, crop_margin=margin)

    def __call__(self, batch: Batch) -> Batch:
        """See :class:`sonoloop.inference.engine.Engine`."""
        return self._engine(batch)


def engine_of(
    folder: Path | None, task: ModelTask, settings: PipelineSettings, *, margin: float | None = None
) -> Engine:
    """The engine of a model folder; of none, one that stands in for it.

    Raises:
        ModelError: If the folder is incomplete or corrupt.
    """
    if folder is None:
        return Absent(task)
    # In this process, which has loaded torch for the trainings: a child would load it once more.
    if not uses_gpu(settings.device) and not is_compiled(folder):
        compile_model(folder)
    engine = load_engine(folder, settings)
    return engine if margin is None else WithMargin(engine, margin)


def examiner(pipeline: DualStagePipeline, crop: Crop) -> Examine:
    """How an image is examined when the classifier sees that crop."""
    if crop == "predicted":
        return lambda image, truth: pipeline(image)
    return lambda image, truth: _with_outline(
        pipeline, image, truth if crop == "true" else np.zeros_like(truth)
    )


def _with_outline(pipeline: DualStagePipeline, image: UltrasoundImage, outline: Mask) -> Findings:
    """What the classifier says where the outline is given; of the whole image if it is empty."""
    began = time.perf_counter()
    settings = pipeline.settings
    masks = lesion_masks(
        outline.astype(np.float32),
        threshold=settings.mask_threshold,
        min_fraction=0,
        max_lesions=settings.max_lesions,
    )
    boxes = [box for box in map(bounding_box, masks) if box is not None]
    rows = pipeline.classify(image.pixels, boxes)
    leading = rows[int(np.argmax(rows[:, PATHOLOGIES.index(Pathology.MALIGNANT)]))]
    return Findings(
        mask=outline,
        probability_map=outline.astype(np.float32),
        lesions=(),
        probabilities={name: float(p) for name, p in zip(PATHOLOGIES, leading, strict=True)},
        pathology=PATHOLOGIES[int(np.argmax(leading))],
        spacing_mm=image.spacing_mm,
        models={"classification": pipeline.classification_model},
        seconds=time.perf_counter() - began,
        flags=tuple(image.flags),
    )


def assay(examine: Examine, items: Sequence[LabelledImage]) -> tuple[list[Case], list[Failure]]:
    """Cases of every item that can be read, and the ones that cannot."""
    cases: list[Case] = []
    failures: list[Failure] = []
    for item in items:
        try:
            image, truth = read_labelled(item)
        except (ImageReadError, LabelReadError) as error:
            failures.append((item.image_id, str(error)))
            continue
        cases.append(evaluate_case(item, truth if item.has_mask else None, examine(image, truth)))
    return cases, failures
