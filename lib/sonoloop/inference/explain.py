"""Where in the image the classifier sees what speaks for a pathology: Grad-CAM on its grid.

The maps come from the network itself (:mod:`sonoloop.networks.explain`), as a second output.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from PIL import Image

from sonoloop.errors import ConflictError
from sonoloop.geometry import Box, ProbabilityMap
from sonoloop.imaging.image import UltrasoundImage
from sonoloop.inference.engine import Batch, Engine
from sonoloop.labels import Pathology
from sonoloop.networks.card import ModelCard
from sonoloop.records import Findings
from sonoloop.transforms.letterbox import NetworkInput, Placement


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What in an image spoke for a pathology.

    Attributes:
        heat: (H, W) float32 in [0, 1], 1 where most spoke for it, 0 outside of the boxes; all 0
            when nothing spoke for it.
        pathology: What is explained.
        boxes: What the classifier looked at, on the image's own grid.
        findings: The answer that is explained.
    """

    heat: ProbabilityMap
    pathology: Pathology
    boxes: tuple[Box, ...]
    findings: Findings


@runtime_checkable
class Explains(Protocol):
    """A pipeline that can explain itself."""

    def explain(self, image: UltrasoundImage, pathology: Pathology | None = None) -> Explanation:
        """See :meth:`~sonoloop.inference.pipeline.DualStagePipeline.explain`."""
        ...

    @property
    def unexplained(self) -> str | None:
        """Why no explanation can be had, or None when it can."""
        ...


@runtime_checkable
class MappingEngine(Protocol):
    """An engine whose network gives class maps."""

    card: ModelCard

    @property
    def has_maps(self) -> bool:
        """Whether it does: that depends on the network."""
        ...

    def class_maps(self, batch: Batch) -> Batch:
        """Maps (N, classes, h, w), of both signs, of a batch (N, 1, S, S)."""
        ...


def why_unexplained(classifier: Engine) -> str | None:
    """Why a classifier offers no explanation; None when it does."""
    if isinstance(classifier, MappingEngine) and classifier.has_maps:
        return None
    card = classifier.card
    return (
        f"{card.model_id} offers no explanation: the head of {card.architecture} is not average "
        "pooling with layers whose derivative is known (efficientnet_b0 has one)"
    )


def maps_of(classifier: Engine, batch: Batch) -> Batch:
    """Class maps of a batch.

    Raises:
        ConflictError: If the classifier offers no explanation.
    """
    if not isinstance(classifier, MappingEngine) or not classifier.has_maps:
        raise ConflictError(why_unexplained(classifier) or "no explanation")
    return classifier.class_maps(batch)


def heat_map(
    maps: Batch,
    placements: Sequence[Placement],
    boxes: Sequence[Box],
    *,
    size_px: int,
    shape: tuple[int, int],
) -> ProbabilityMap:
    """Maps of crops as one heat map of the image, the hottest place 1.

    Crops share one scale, so that those of two lesions can be compared; where they overlap, the
    hotter one counts.

    Args:
        maps: (N, h, w), of both signs, one for each crop.
        placements: Where each crop lies in the square that the network saw.
        boxes: Each crop on the image's own grid.
        size_px: Side of that square.
        shape: (H, W) of the image.
    """
    heat = np.zeros(shape, dtype=np.float32)
    hottest = float(maps.max(initial=0.0))
    if hottest <= 0:
        return heat
    for crop, placement, box in zip(np.maximum(maps, 0) / hottest, placements, boxes, strict=True):
        inside = heat[box.top : box.bottom, box.left : box.right]
        np.maximum(inside, placement.restore(_enlarged(crop, size_px)), out=inside)
    return heat


def _enlarged(crop: ProbabilityMap, size_px: int) -> NetworkInput:
    """(h, w) as (S, S), bilinear between the centres of the network's coarse places."""
    picture = Image.fromarray(np.ascontiguousarray(crop, dtype=np.float32))
    resized = picture.resize((size_px, size_px), Image.Resampling.BILINEAR)
    return np.asarray(resized, dtype=np.float32)
