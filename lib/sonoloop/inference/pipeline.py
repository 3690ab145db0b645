"""Segment, separate, crop, classify: what Sonoloop says of one image."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sonoloop.errors import ConflictError, InvalidRequestError, ModelError
from sonoloop.geometry import Box, Mask, ProbabilityMap, SpacingMm, bounding_box, lesion_area_mm2
from sonoloop.imaging.image import UltrasoundImage
from sonoloop.inference.components import lesion_masks
from sonoloop.inference.doubt import disagreement, mask_doubt, normalised_entropy
from sonoloop.inference.engine import Batch, Engine
from sonoloop.inference.explain import Explanation, heat_map, maps_of, why_unexplained
from sonoloop.inference.looks import Looks, crop_boxes, put_back, spread, told_apart
from sonoloop.labels import PATHOLOGIES, Pathology
from sonoloop.records import Findings, Lesion
from sonoloop.settings import PipelineSettings
from sonoloop.transforms.crop import crop_box
from sonoloop.transforms.letterbox import GreyPixels, Placement, letterbox
from sonoloop.transforms.preprocess import placed

NORMAL = PATHOLOGIES.index(Pathology.NORMAL)
MALIGNANT = PATHOLOGIES.index(Pathology.MALIGNANT)


@dataclass(frozen=True, slots=True)
class _Outline:
    """Lesion probabilities on the image's grid, and how far two views disagree."""

    probability_map: ProbabilityMap
    disagreement: float | None


@dataclass(frozen=True, slots=True)
class _Crops:
    """What the classifier sees: squares (N, 1, S, S), how they were made, and from where."""

    batch: Batch
    placements: tuple[Placement, ...]
    boxes: tuple[Box, ...]


@dataclass(frozen=True, slots=True)
class _Marks:
    """What is marked, where, and the pathology of each mark; one row of the image if none is."""

    masks: list[Mask]
    tight: list[Box]
    rows: Batch
    vetoed: bool

    @property
    def leading(self) -> Batch:
        """Probabilities (3,) of the mark most likely malignant."""
        leading: Batch = self.rows[int(np.argmax(self.rows[:, MALIGNANT]))]
        return leading


class DualStagePipeline:
    """Lesion masks and pathology probabilities of ultrasound images.

    Every network gets the image after the preprocessing that its card names.

    Args:
        segmenter: Engine of a segmentation model.
        classifier: Engine of a classification model.
        settings: Thresholds and margins.

    Raises:
        ModelError: If an engine holds a model of the other task, or the classifier tells apart
            what are no pathologies.
    """

    def __init__(self, segmenter: Engine, classifier: Engine, settings: PipelineSettings) -> None:
        for engine, task in ((segmenter, "segmentation"), (classifier, "classification")):
            if engine.card.task != task:
                raise ModelError(
                    f"{engine.card.model_id} is a {engine.card.task} model, the pipeline needs a "
                    f"{task} model there"
                )
        self._segmenter, self._classifier, self.settings = segmenter, classifier, settings
        self._places = told_apart(classifier.card)

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

    @property
    def unexplained(self) -> str | None:
        """Why :meth:`explain` has no answer, or None when it has."""
        return why_unexplained(self._classifier)

    def __call__(self, image: UltrasoundImage) -> Findings:
        """Findings of one image, on its own grid.

        Where the classifier vetoes every mark as normal, nothing is marked, and the image-level
        probabilities stay those of the vetoed mark most likely malignant; the doubt of the empty
        mask is then that of the veto, the probability that the least normal mark is not normal.
        """
        return self._examine(image)[0]

    def explain(self, image: UltrasoundImage, pathology: Pathology | None = None) -> Explanation:
        """Findings of one image, and what in it spoke for a pathology.

        Args:
            image: What is examined.
            pathology: What is explained; None is the most probable one.

        Raises:
            ConflictError: If the classifier offers no explanation.
            InvalidRequestError: If it does not tell this pathology.
        """
        if self.unexplained:
            raise ConflictError(self.unexplained)
        findings, looks, tight = self._examine(image)
        pathology = pathology or findings.pathology
        known = [PATHOLOGIES[place] for place in self._places]
        if pathology not in known:
            raise InvalidRequestError(
                f"{self.classification_model} does not tell {pathology} (it tells "
                f"{', '.join(known)})"
            )
        crops = self._crops(looks, tight)
        maps = maps_of(self._classifier, crops.batch)[:, known.index(pathology)]
        size_px = self._classifier.card.input_size_px
        heat = heat_map(maps, crops.placements, crops.boxes, size_px=size_px, shape=image.shape)
        return Explanation(heat=heat, pathology=pathology, boxes=crops.boxes, findings=findings)

    def probability_map(self, pixels: GreyPixels) -> ProbabilityMap:
        """Lesion probability of every pixel, (H, W) float32, of a grey image (H, W) uint8."""
        return self._outline(Looks(pixels)).probability_map

    def classify(self, pixels: GreyPixels, tight: Sequence[Box]) -> Batch:
        """Pathology probabilities, (N, 3), of lesions in tight boxes; of the whole image if none.

        Args:
            pixels: (H, W) uint8.
            tight: Boxes without margin; the margin the classifier was trained with is added. A
                classifier of whole images says the same of every lesion.
        """
        return self._classify(Looks(pixels), tight)

    def judge(self, pixels: GreyPixels, probability_map: ProbabilityMap) -> Batch:
        """Image-level pathology probabilities, (3,), of an image whose lesions a map tells.

        Args:
            pixels: (H, W) uint8.
            probability_map: (H, W) lesion probability.
        """
        return self._marks(Looks(pixels), probability_map).leading

    def _examine(self, image: UltrasoundImage) -> tuple[Findings, Looks, list[Box]]:
        """Findings, with what they come from: the image's looks and the boxes that were judged."""
        began = time.perf_counter()
        looks = Looks(image.pixels)
        outline = self._outline(looks)
        marks = self._marks(looks, outline.probability_map)
        leading = marks.leading
        mask = _union(marks.masks, image.pixels.shape)
        doubt = mask_doubt(outline.probability_map, mask, disagreement=outline.disagreement)
        findings = Findings(
            mask=mask,
            probability_map=outline.probability_map,
            lesions=_lesions(marks, outline.probability_map, image.spacing_mm),
            probabilities=_named(leading),
            pathology=PATHOLOGIES[int(np.argmax(leading))],
            spacing_mm=image.spacing_mm,
            models={
                "segmentation": self.segmentation_model,
                "classification": self.classification_model,
            },
            seconds=time.perf_counter() - began,
            flags=tuple(image.flags),
            uncertainty=1.0 - float(marks.rows[:, NORMAL].min()) if marks.vetoed else doubt,
            pathology_uncertainty=normalised_entropy(leading, len(self._places)),
        )
        return findings, looks, marks.tight

    def _outline(self, looks: Looks) -> _Outline:
        card = self._segmenter.card
        pixels, part = looks.after(card.preprocessing)
        square, placement = letterbox(pixels, card.input_size_px)
        shape = (looks.pixels.shape[0], looks.pixels.shape[1])
        if not self.settings.test_time_flips:
            output = self._segmenter(square[None, None])[0, 0]
            return _Outline(put_back(placement.restore(output), part, shape), None)
        straight, mirrored = self._segmenter(np.stack([square, square[:, ::-1]])[:, None])[:, 0]
        mirrored = mirrored[:, ::-1]
        mean = placement.restore((straight + mirrored) / 2)
        return _Outline(put_back(mean, part, shape), disagreement(straight, mirrored))

    def _marks(self, looks: Looks, probability_map: ProbabilityMap) -> _Marks:
        settings = self.settings
        masks = lesion_masks(
            probability_map,
            threshold=settings.mask_threshold,
            min_fraction=settings.min_component_fraction,
            min_relative=settings.min_relative_component,
            max_lesions=settings.max_lesions,
        )
        tight = [box for box in map(bounding_box, masks) if box is not None]
        rows = self._classify(looks, tight)
        kept = self._kept(rows) if masks else []
        vetoed = bool(masks) and not kept
        if kept:
            rows, tight = rows[kept], [tight[index] for index in kept]
        return _Marks([masks[index] for index in kept], tight, rows, vetoed)

    def _classify(self, looks: Looks, tight: Sequence[Box]) -> Batch:
        crops = self._crops(looks, tight).batch
        if self.settings.test_time_flips:
            both = self._classifier(np.concatenate([crops, crops[..., ::-1]]))
            views = both.reshape(2, len(crops), -1)
            rows = spread(views.mean(axis=0, dtype=np.float32), self._places)
        else:
            rows = spread(self._classifier(crops), self._places)
        repeats = max(1, len(tight)) // len(rows)
        return np.repeat(rows, repeats, axis=0)

    def _crops(self, looks: Looks, tight: Sequence[Box]) -> _Crops:
        card = self._classifier.card
        pixels, part = looks.after(card.preprocessing)
        boxes = crop_boxes(card, part, tight, margin=self.settings.crop_margin)
        squares, placements = zip(
            *(letterbox(crop_box(pixels, box), card.input_size_px) for box in boxes), strict=True
        )
        return _Crops(
            np.stack(squares)[:, None], placements, tuple(placed(box, part) for box in boxes)
        )

    def _kept(self, rows: Batch) -> list[int]:
        """Which marks the classifier does not veto."""
        veto = self.settings.normal_veto
        return [index for index, row in enumerate(rows) if veto >= 1 or row[NORMAL] < veto]


def _union(masks: Sequence[Mask], shape: tuple[int, ...]) -> Mask:
    if len(masks) == 1:
        return masks[0]
    union: Mask = np.zeros(shape, dtype=bool)
    for mask in masks:
        union |= mask
    return union


def _named(row: Batch) -> dict[Pathology, float]:
    return {pathology: float(p) for pathology, p in zip(PATHOLOGIES, row, strict=True)}


def _lesions(
    marks: _Marks, probability_map: ProbabilityMap, spacing_mm: SpacingMm | None
) -> tuple[Lesion, ...]:
    # Without a mask there is one row, of the image.
    found = zip(marks.masks, marks.tight, marks.rows, strict=False)
    return tuple(_lesion(mask, box, probability_map, spacing_mm, row) for mask, box, row in found)


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
