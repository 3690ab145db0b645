"""What a training keeps in memory: letterboxed pictures, masks and lesion crops as uint8."""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from sonoloop.errors import ImageReadError, LabelReadError, TrainingError
from sonoloop.geometry import Box, Mask, bounding_box
from sonoloop.imaging.labelled import read_labelled
from sonoloop.labels import PATHOLOGIES, Pathology
from sonoloop.records import LabelledImage
from sonoloop.settings import ClassifierTask, TrainingSettings
from sonoloop.training.jitter import Surroundings, stack, with_surroundings
from sonoloop.transforms.crop import crop_box, lesion_crop_box
from sonoloop.transforms.letterbox import letterbox_mask, letterbox_pixels
from sonoloop.transforms.preprocess import preprocess

logger = logging.getLogger(__name__)

Pixels = npt.NDArray[np.uint8]
Example = TypeVar("Example")

NORMAL_CROPS = 3
"""Random crops taken of every normal image, besides the whole image."""

TASK_CLASSES: dict[ClassifierTask, tuple[Pathology, ...]] = {
    "pathology": PATHOLOGIES,
    "benign-malignant": (Pathology.BENIGN, Pathology.MALIGNANT),
}
"""What a classifier of each task tells apart, in the order of its outputs."""


@dataclass(frozen=True, slots=True)
class SegmentationExamples:
    """Pictures and masks, (N, S, S) uint8; masks hold 0 and 1."""

    images: Pixels
    masks: Pixels
    image_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClassificationExamples:
    """Lesion crops, (N, S, S) uint8, and the index of their pathology, (N,) int64.

    ``surroundings`` holds N crops with what lies around them; None unless crops are jittered.
    """

    crops: Pixels
    classes: npt.NDArray[np.int64]
    image_ids: tuple[str, ...]
    surroundings: Surroundings | None = None


def for_classifier(
    items: Sequence[LabelledImage], settings: TrainingSettings
) -> tuple[list[LabelledImage], dict[str, int]]:
    """Items a classifier can be trained on, and how many are left out for which reason.

    No file is opened.

    Raises:
        TrainingError: If lesions are to be cropped and no image has an outline.
    """
    names = TASK_CLASSES[settings.task]
    reasons: Counter[str] = Counter()
    usable = []
    for item in items:
        if item.pathology is None:
            reasons["without pathology"] += 1
        elif item.pathology not in names:
            reasons[f"{item.pathology}, which {settings.task} does not tell apart"] += 1
        elif settings.crop == "lesion" and not _can_be_cropped(item):
            reasons["without lesion outline"] += 1
        else:
            usable.append(item)
    if reasons["without lesion outline"] and all(i.pathology is Pathology.NORMAL for i in usable):
        raise TrainingError(
            f"none of {reasons['without lesion outline']} benign and malignant images has a lesion "
            "outline to crop (train on whole images with --crop whole)"
        )
    return usable, {reason: count for reason, count in reasons.items() if count}


def _can_be_cropped(item: LabelledImage) -> bool:
    return bool(item.mask_paths) or item.pathology is Pathology.NORMAL


def _gather(
    items: Sequence[LabelledImage], make: Callable[[LabelledImage], list[Example]]
) -> list[Example]:
    """``make`` of every item; an unreadable one is logged and left out."""

    def attempt(item: LabelledImage) -> list[Example]:
        try:
            return make(item)
        except (ImageReadError, LabelReadError) as error:
            logger.warning("left out of the training: %s (%s)", item.image_id, error)
            return []

    with ThreadPoolExecutor(max_workers=4) as pool:
        return [example for examples in pool.map(attempt, items) for example in examples]


def _read(item: LabelledImage, steps: Sequence[str]) -> tuple[Pixels, Mask]:
    """Picture and mask after the preprocessing ``steps``, on one grid."""
    image, mask = read_labelled(item)
    pixels, kept = preprocess(image.pixels, steps)
    return pixels, mask[kept.top : kept.bottom, kept.left : kept.right]


def segmentation_examples(
    items: Sequence[LabelledImage], size_px: int, *, preprocessing: Sequence[str] = ()
) -> SegmentationExamples:
    """Every item whose outline is known, after ``preprocessing``, letterboxed to ``size_px``.

    Raises:
        TrainingError: If none is left.
    """

    def make(item: LabelledImage) -> list[tuple[Pixels, Pixels, str]]:
        pixels, mask = _read(item, preprocessing)
        return [
            (
                letterbox_pixels(pixels, size_px)[0],
                letterbox_mask(mask, size_px),
                item.image_id,
            )
        ]

    examples = _gather([item for item in items if item.has_mask], make)
    if not examples:
        raise TrainingError("no image with a known lesion outline (label some images first)")
    images, masks, ids = zip(*examples, strict=True)
    return SegmentationExamples(np.stack(images), np.stack(masks), ids)


def classification_examples(
    items: Sequence[LabelledImage],
    settings: TrainingSettings,
    *,
    classes: Sequence[Pathology] = PATHOLOGIES,
    jitter: float = 0.0,
    min_pathologies: int = 2,
) -> ClassificationExamples:
    """The lesion crop of every item with a pathology; of normal images the whole and random crops.

    Args:
        items: Those without pathology, or malignant or benign without a lesion outline where one
            is needed, are left out.
        settings: Preprocessing, size, crop, margin and seed.
        classes: Pathologies that are told apart, in the order of the network's outputs.
        jitter: Farthest a side of a crop will move; 0 stores no surroundings.
        min_pathologies: How many different ones there must be.

    Raises:
        TrainingError: If fewer pathologies are left.
    """
    size_px = settings.input_size_px

    def make(item: LabelledImage) -> list[tuple[Pixels, int, str, Surroundings | None]]:
        if item.pathology not in classes:
            return []
        pixels, mask = _read(item, settings.preprocessing)
        index = classes.index(item.pathology)
        return [
            (
                letterbox_pixels(crop_box(pixels, box), size_px)[0],
                index,
                item.image_id,
                with_surroundings(
                    pixels, box, margin=settings.crop_margin, jitter=jitter, size_px=size_px
                )
                if jitter
                else None,
            )
            for box in _boxes(item, mask, settings)
        ]

    examples = _gather(items, make)
    found = {index for _, index, _, _ in examples}
    if len(found) < min_pathologies:
        names = ", ".join(classes[index] for index in sorted(found)) or "none"
        raise TrainingError(
            f"a classifier needs images of at least {min_pathologies} pathologies to train on, "
            f"got {names}"
        )
    crops, indices, ids, around = zip(*examples, strict=True)
    kept = [one for one in around if one is not None]
    return ClassificationExamples(
        np.stack(crops),
        np.array(indices, dtype=np.int64),
        ids,
        stack(kept) if kept else None,
    )


def _boxes(item: LabelledImage, mask: Mask, settings: TrainingSettings) -> list[Box]:
    height, width = mask.shape
    whole = Box(0, 0, height, width)
    if settings.crop == "whole":
        return [whole]
    if item.pathology is Pathology.NORMAL:
        key = [settings.seed, *item.image_id.encode()]
        rng = np.random.default_rng(key)
        return [whole, *_random_boxes((height, width), rng)]
    tight = bounding_box(mask)
    if tight is None:
        return []
    return [lesion_crop_box(tight, margin=settings.crop_margin, within=(height, width))]


def _random_boxes(shape: tuple[int, int], rng: np.random.Generator) -> list[Box]:
    """Boxes of a fifth to two thirds of either side.

    Lesions of BUS-BRA folds 1-3 with their margin take 0.18-0.73 of the height and 0.28-1 of the
    width (5th to 95th percentile).
    """
    boxes = []
    for _ in range(NORMAL_CROPS):
        sides = [max(16, int(side * rng.uniform(0.2, 0.67))) for side in shape]
        height, width = (min(side, full) for side, full in zip(sides, shape, strict=True))
        top = int(rng.integers(0, shape[0] - height + 1))
        left = int(rng.integers(0, shape[1] - width + 1))
        boxes.append(Box(top, left, top + height, left + width))
    return boxes
