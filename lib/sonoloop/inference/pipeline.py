"""Segment, separate, crop, classify: what Sonoloop says of one image."""

import time
from collections.abc import Sequence

import numpy as np

from sonoloop.errors import ModelError
from sonoloop.geometry import Box, Mask, ProbabilityMap, SpacingMm, bounding_box, lesion_area_mm2
from sonoloop.imaging.image import UltrasoundImage
from sonoloop.inference.components import lesion_masks
from sonoloop.inference.engine import Batch, Engine
from sonoloop.labels import PATHOLOGIES, Pathology
from sonoloop.records import Findings, Lesion
from sonoloop.settings import PipelineSettings
from sonoloop.transforms.crop import crop_box, lesion_crop_box
from sonoloop.transforms.letterbox import GreyPixels, letterbox


class DualStagePipeline:
    """Lesion masks and pathology probabilities of ultrasound images.

    Args:
        segmenter: Engine of a segmentation model.
        classifier: Engine of a classification model.
        settings: Thresholds and margins.

    Raises:
        ModelError: If an engine holds a model of the other task.
    """

    def __init__(self, segmenter: Engine, classifier: Engine, settings: PipelineSettings) -> None:
        for engine, task in ((segmenter, "segmentation"), (classifier, "classification")):
            if engine.card.task != task:
                raise ModelError(
                    f"{engine.card.model_id} is a {engine.card.task} model, the pipeline needs a "
                    f"{task} model there"
                )
        self._segmenter, self._classifier, self.settings = segmenter, classifier, settings

    @property
    def engines(self) -> tuple[Engine, Engine]:
        """Segmenter and classifier."""
        return self._segmenter, self._classifier

    @property
    def segmentation_model(self) -> str:
        """Id of the segmenter."""
        return self._segmenter.card.model_id

    @property
    def classification_model(self) -> str:
        """Id of the classifier."""
        return self._classifier.card.model_id

    def __call__(self, image: UltrasoundImage) -> Findings:
        """Findings of one image, on its own grid."""
        began = time.perf_counter()
        probability_map = self.probability_map(image.pixels)
        settings = self.settings
        masks = lesion_masks(
            probability_map,
            threshold=settings.mask_threshold,
            min_fraction=settings.min_component_fraction,
            max_lesions=settings.max_lesions,
        )
        tight = [box for box in map(bounding_box, masks) if box is not None]
        probabilities = self.classify(image.pixels, tight)
        lesions = tuple(
            _lesion(mask, box, probability_map, image.spacing_mm, row)
            for mask, box, row in zip(masks, tight, probabilities, strict=False)
        )
        leading = max(probabilities, key=lambda row: row[PATHOLOGIES.index(Pathology.MALIGNANT)])
        return Findings(
            mask=_union(masks, image.pixels.shape),
            probability_map=probability_map,
            lesions=lesions,
            probabilities=_named(leading),
            pathology=PATHOLOGIES[int(np.argmax(leading))],
            spacing_mm=image.spacing_mm,
            models={
                "segmentation": self.segmentation_model,
                "classification": self.classification_model,
            },
            seconds=time.perf_counter() - began,
            flags=tuple(image.flags),
        )

    def probability_map(self, pixels: GreyPixels) -> ProbabilityMap:
        """Lesion probability of every pixel, (H, W) float32, of a grey image (H, W) uint8."""
        square, placement = letterbox(pixels, self._segmenter.card.input_size_px)
        views = [square]
        if self.settings.test_time_flips:
            views.append(square[:, ::-1])
        outputs = self._segmenter(np.stack(views)[:, None])[:, 0]
        if self.settings.test_time_flips:
            return placement.restore((outputs[0] + outputs[1][:, ::-1]) / 2)
        return placement.restore(outputs[0])

    def classify(self, pixels: GreyPixels, tight: Sequence[Box]) -> Batch:
        """Pathology probabilities, (N, 3), of lesions in tight boxes; of the whole image if none.

        Args:
            pixels: (H, W) uint8.
            tight: Boxes without margin; the margin the classifier was trained with is added. A
                classifier of whole images says the same of every lesion.
        """
        card = self._classifier.card
        shape = (pixels.shape[0], pixels.shape[1])
        margin = self.settings.crop_margin if card.crop_margin is None else card.crop_margin
        boxes = [lesion_crop_box(box, margin=margin, within=shape) for box in tight]
        repeats = 1
        if card.crop == "whole" or not boxes:
            boxes, repeats = [Box(0, 0, *shape)], max(1, len(tight))
        crops = [letterbox(crop_box(pixels, box), card.input_size_px)[0] for box in boxes]
        return np.repeat(self._classifier(np.stack(crops)[:, None]), repeats, axis=0)


def _union(masks: Sequence[Mask], shape: tuple[int, ...]) -> Mask:
    if len(masks) == 1:
        return masks[0]
    union: Mask = np.zeros(shape, dtype=bool)
    for mask in masks:
        union |= mask
    return union


def _named(row: Batch) -> dict[Pathology, float]:
    return {pathology: float(p) for pathology, p in zip(PATHOLOGIES, row, strict=True)}


def _lesion(
    mask: Mask,
    box: Box,
    probability_map: ProbabilityMap,
    spacing_mm: SpacingMm | None,
    probabilities: Batch,
) -> Lesion:
    inside = (slice(box.top, box.bottom), slice(box.left, box.right))
    return Lesion(
        box=box,
        area_px=int(mask[inside].sum()),
        area_mm2=lesion_area_mm2(mask[inside], spacing_mm),
        probabilities=_named(probabilities),
        confidence=float(probability_map[inside][mask[inside]].mean()),
    )
