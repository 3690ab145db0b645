"""Features of a frozen encoder for all images of a simulation, computed once and kept on disk."""

import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from sonoloop.geometry import Mask
from sonoloop.labels import PATHOLOGIES
from sonoloop.networks.proxy import STRIDE, FrozenEncoder
from sonoloop.records import LabelledImage
from sonoloop.training.examples import SegmentationExamples, segmentation_examples
from sonoloop.training.proxy_settings import ProxySettings
from sonoloop.transforms.augment import (
    AugmentationRanges,
    move,
    move_mask,
    random_affine,
    random_grey,
)

logger = logging.getLogger(__name__)

BLOCK: Final = 32
"""Images the encoder sees at once."""
UNKNOWN: Final = -1
"""Class of an image without pathology."""
SMALLEST_SPREAD: Final = 1e-3
"""Standard deviation below which a channel counts as constant."""
FORM: Final = 1
"""Of the files in the cache; another number and they are computed anew."""

Told = Callable[[int, int], None]
"""Told how many images are done, of how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyImages:
    """Images as the proxy sees them; row by row the same image in every field.

    Attributes:
        image_ids: Each once.
        masks: (N, S, S), the lesions.
        classes: (N,) index of the pathology in ``labels.PATHOLOGIES``; -1 where it is unknown.
        maps: Feature maps, fine to coarse, (V, N, C, s, s) float16 each.
        targets: (V, N, S/4, S/4) float16, share of lesion in each cell of the finest map.
        content: SHA-256 of pixels, masks and pathologies.
    """

    image_ids: tuple[str, ...]
    masks: Mask
    classes: npt.NDArray[np.int64]
    maps: tuple[Tensor, ...]
    targets: Tensor
    content: str

    def __len__(self) -> int:
        return len(self.image_ids)

    def standardised(self, scales: Sequence[tuple[Tensor, Tensor]]) -> "ProxyImages":
        """The same with every channel's mean, (C, 1, 1), taken away and its spread made one."""
        maps = tuple(
            torch.stack([((view.float() - mean) / spread).half() for view in views])
            for views, (mean, spread) in zip(self.maps, scales, strict=True)
        )
        return replace(self, maps=maps)

    def scales(self) -> list[tuple[Tensor, Tensor]]:
        """Mean and standard deviation of each channel over the first views, (C, 1, 1) each."""
        found = [torch.std_mean(maps[0].float(), (0, 2, 3)) for maps in self.maps]
        return [
            (mean[:, None, None], spread.clamp_min(SMALLEST_SPREAD)[:, None, None])
            for spread, mean in found
        ]


def proxy_images(
    items: Sequence[LabelledImage],
    settings: ProxySettings,
    encoder: FrozenEncoder,
    cache: Path,
    *,
    views: int,
    told: Told = lambda done, total: None,
) -> ProxyImages:
    """Features of every item whose outline is known.

    Args:
        items: Labelled images.
        settings: Size and preprocessing.
        encoder: Whose features.
        cache: Folder of feature files, by a hash of the pixels, the masks and the encoder.
        views: How many of each image: itself, its mirror image, then random ones.
        told: Of progress.

    Raises:
        TrainingError: If no outline is known.
    """
    examples = segmentation_examples(items, settings.size_px, preprocessing=settings.preprocessing)
    path = cache / f"{_key(examples, encoder, views)}.npz"
    if not path.is_file():
        _compute(examples, encoder, path, views, told)
    with np.load(path) as file:
        maps = [torch.from_numpy(file[f"maps{level}"]) for level in range(len(encoder.channels))]
        targets = torch.from_numpy(file["targets"])
    pathology = {item.image_id: item.pathology for item in items}
    classes = [pathology[name] for name in examples.image_ids]
    told_classes = " ".join(str(one) for one in classes)
    return ProxyImages(
        image_ids=examples.image_ids,
        masks=examples.masks.astype(bool),
        classes=np.array([UNKNOWN if c is None else PATHOLOGIES.index(c) for c in classes]),
        maps=tuple(maps),
        targets=targets,
        content=hashlib.sha256(f"{_content(examples)} {told_classes}".encode()).hexdigest(),
    )


def _key(examples: SegmentationExamples, encoder: FrozenEncoder, views: int) -> str:
    weights = hashlib.sha256()
    for tensor in encoder.state_dict().values():
        weights.update(tensor.contiguous().numpy().tobytes())
    named = [FORM, encoder.source, weights.hexdigest(), _content(examples), views]
    text = json.dumps([*named, examples.images.shape])
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _content(examples: SegmentationExamples) -> str:
    digest = hashlib.sha256(examples.images.tobytes())
    digest.update(examples.masks.tobytes())
    return digest.hexdigest()


def _compute(
    examples: SegmentationExamples, encoder: FrozenEncoder, path: Path, views: int, told: Told
) -> None:
    total = len(examples.images) * views
    maps: list[list[list[np.ndarray]]] = []
    targets: list[list[np.ndarray]] = []
    with torch.inference_mode():
        for view in range(views):
            maps.append([])
            targets.append([])
            for images, masks in _viewed(examples, view):
                maps[-1].append([one.half().numpy() for one in encoder(images)])
                targets[-1].append(functional.avg_pool2d(masks, STRIDE)[:, 0].half().numpy())
                told(view * len(examples.images) + sum(map(len, targets[-1])), total)
    levels = range(len(encoder.channels))
    arrays = {
        f"maps{level}": np.stack([np.concatenate([b[level] for b in blocks]) for blocks in maps])
        for level in levels
    }
    arrays["targets"] = np.stack([np.concatenate(blocks) for blocks in targets])
    _write(path, arrays)
    logger.info(
        "features of %s images, %s views each, are in %s", len(examples.images), views, path
    )


def _viewed(examples: SegmentationExamples, view: int) -> Iterator[tuple[Tensor, Tensor]]:
    """One view of all images, block by block: pictures (B, 1, S, S) in [0, 1], masks of 0 and 1."""
    generator, ranges = torch.Generator().manual_seed(view), AugmentationRanges()
    for begin in range(0, len(examples.images), BLOCK):
        chosen = slice(begin, begin + BLOCK)
        images = torch.from_numpy(examples.images[chosen])[:, None].float() / 255
        masks = torch.from_numpy(examples.masks[chosen])[:, None].float()
        if view == 1:
            images, masks = images.flip(3), masks.flip(3)
        elif view > 1:
            theta = random_affine(len(images), ranges, generator)
            images, masks = move(images, theta), move_mask(masks, theta)
            images = random_grey(images, ranges, generator)
        yield images, masks


def _write(path: Path, arrays: dict[str, np.ndarray]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.stem}.{os.getpid()}.part.npz")
    np.savez(part, **arrays)  # type: ignore[arg-type]
    os.replace(part, path)
