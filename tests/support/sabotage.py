"""Ways to spoil a training: bad labels, bad settings, bad weights."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from sonoloop.labels import Pathology
from sonoloop.networks.weights import load_model, save_model
from sonoloop.records import LabelledImage

ChangeMask = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def relabelled(
    images: Sequence[LabelledImage], folder: Path, change: ChangeMask
) -> list[LabelledImage]:
    """The images with other masks."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    changed = []
    for image in images:
        mask = np.asarray(Image.open(image.mask_paths[0])) > 0
        path = folder / f"{image.image_id}.png"
        Image.fromarray(change(mask, rng).astype(np.uint8) * 255).save(path)
        pathology = image.pathology
        if pathology is Pathology.NORMAL:
            pathology = None  # a mask on a normal image would be refused as contradicting
        changed.append(dataclasses.replace(image, mask_paths=(path,), pathology=pathology))
    return changed


def inverted(mask: np.ndarray, _: np.random.Generator) -> np.ndarray:
    return ~mask


def noise(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.random(mask.shape) < 0.3


def elsewhere(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The outline, moved to where the lesion is not."""
    return np.roll(mask, (mask.shape[0] // 2, int(rng.integers(20, 60))), axis=(0, 1))


def everything(mask: np.ndarray, _: np.random.Generator) -> np.ndarray:
    return np.ones_like(mask)


def a_dot(mask: np.ndarray, _: np.random.Generator) -> np.ndarray:
    """The lesion's middle pixels alone."""
    dot = np.zeros_like(mask)
    if mask.any():
        row, column = (int(axis.mean()) for axis in np.nonzero(mask))
        dot[row - 1 : row + 2, column - 1 : column + 2] = True
    return dot


def with_classes(
    images: Sequence[LabelledImage], change: Callable[[Pathology, np.random.Generator], Pathology]
) -> list[LabelledImage]:
    """The images with other classes; normal ones keep theirs."""
    rng = np.random.default_rng(0)
    return [
        dataclasses.replace(image, pathology=change(image.pathology, rng))
        if image.pathology not in (None, Pathology.NORMAL)
        else image
        for image in images
    ]


def swapped(pathology: Pathology, _: np.random.Generator) -> Pathology:
    return Pathology.BENIGN if pathology is Pathology.MALIGNANT else Pathology.MALIGNANT


def drawn_by_lot(_: Pathology, rng: np.random.Generator) -> Pathology:
    return Pathology.BENIGN if rng.random() < 0.5 else Pathology.MALIGNANT


def reweighted(model: Path, folder: Path, change: Callable[[torch.Tensor], torch.Tensor]) -> Path:
    """A copy of a model whose weights were changed."""
    network, card = load_model(model)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(change(parameter))
    model_id = f"{card.task}-{folder.name}"
    save_model(network, dataclasses.replace(card, model_id=model_id, parent_id=None), folder)
    return folder


def all_zero(tensor: torch.Tensor) -> torch.Tensor:
    return torch.zeros_like(tensor)


def no_number(tensor: torch.Tensor) -> torch.Tensor:
    return torch.full_like(tensor, float("nan"))


def forgotten(tensor: torch.Tensor) -> torch.Tensor:
    return torch.randn_like(tensor) * 0.05
