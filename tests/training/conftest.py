"""A labelled set of bright and dark blobs, small enough to learn in seconds."""

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from sonoloop.labels import Pathology
from sonoloop.records import LabelledImage


@pytest.fixture(scope="session")
def blobs(tmp_path_factory: pytest.TempPathFactory) -> list[LabelledImage]:
    """24 images of 12 patients: malignant is tall, benign wide, normal nothing."""
    folder = tmp_path_factory.mktemp("blobs")
    rng = np.random.default_rng(0)
    items = []
    for index in range(24):
        pathology = tuple(Pathology)[index % 3]
        pixels = rng.normal(60, 8, (80, 100))
        mask = np.zeros((80, 100), bool)
        if pathology is not Pathology.NORMAL:
            high, wide = (36, 18) if pathology is Pathology.MALIGNANT else (18, 36)
            top, left = int(rng.integers(4, 40)), int(rng.integers(4, 60))
            mask[top : top + high, left : left + wide] = True
            pixels[mask] += 120
        image, label = folder / f"{index}.png", folder / f"{index}_mask.png"
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(image)
        Image.fromarray(mask.astype(np.uint8) * 255).save(label)
        items.append(
            LabelledImage(
                image_id=str(index),
                image_path=image,
                mask_paths=(label,),
                has_mask=True,
                pathology=pathology,
                patient=f"p{index // 2}",
            )
        )
    return items


@pytest.fixture
def small_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The default networks, with fewer channels."""
    from sonoloop.networks import build

    builders: dict[str, dict[str, Callable[..., object]]] = build._BUILDERS  # type: ignore[assignment]
    unet = builders["segmentation"]["attention_unet"]
    monkeypatch.setitem(
        builders["segmentation"], "attention_unet", lambda **_: unet(channels=(4, 8, 16))
    )
    monkeypatch.setitem(
        builders["classification"],
        "efficientnet_b0",
        builders["classification"]["mobilenetv3_small"],
    )
