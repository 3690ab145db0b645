"""Small drawn images, real trainings on them, and the gate as the worker uses it."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from sonoloop.inference.engine import Engine, TorchEngine
from sonoloop.labels import Pathology
from sonoloop.networks.card import read_card
from sonoloop.records import LabelledImage, ModelRecord, ModelTask
from sonoloop.service import gate as gate_module
from sonoloop.service.gate import Gate, locked_split
from sonoloop.settings import GateSettings, PipelineSettings, TrainingSettings
from sonoloop.store import Store
from sonoloop.store.gates import GateResult
from sonoloop.training.classification import train_classification
from sonoloop.training.segmentation import train_segmentation

PATIENTS = 100
SHAPE = (64, 80)
LOCKED_SHARE = 0.35
KINDS = (Pathology.BENIGN, Pathology.MALIGNANT, Pathology.BENIGN, Pathology.MALIGNANT, None)

SETTINGS: dict[ModelTask, TrainingSettings] = {
    "segmentation": TrainingSettings(
        architecture="attention_unet",
        architecture_options={"channels": [8, 16, 32]},
        input_size_px=64,
        batch_size=8,
        learning_rate=3e-3,
        validation_fraction=0.15,
        ema_decay=0.7,
        tracking="none",
        precision="float32",
        threads=1,
        device="cpu",
    ),
    "classification": TrainingSettings(
        architecture="mobilenetv3_small",
        input_size_px=64,
        batch_size=8,
        learning_rate=1e-3,
        validation_fraction=0.15,
        ema_decay=0.7,
        tracking="none",
        precision="float32",
        threads=1,
        device="cpu",
    ),
}


def draw(seed: int, kind: Pathology | None) -> tuple[np.ndarray, np.ndarray]:
    """Speckle in layers; a dark lesion, wide and smooth or tall, ragged and with a shadow."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    tissue = 90 + 25 * np.sin(rows / rng.uniform(6, 10) + rng.uniform(0, 6))
    mask = np.zeros(SHAPE, dtype=bool)
    if kind is not None:
        tall = kind is Pathology.MALIGNANT
        high, wide = (rng.uniform(11, 15), rng.uniform(7, 10))
        high, wide = (high, wide) if tall else (wide, high)
        top, left = rng.uniform(22, 38), rng.uniform(24, 56)
        angle = np.arctan2(rows - top, columns - left)
        ragged = 1 + (0.22 * np.sin(7 * angle + rng.uniform(0, 6)) if tall else 0)
        mask = ((rows - top) / high) ** 2 + ((columns - left) / wide) ** 2 < ragged**2
        tissue = np.where(mask, tissue * rng.uniform(0.3, 0.6), tissue)
        if tall:
            shadow = (rows > top + high) & (np.abs(columns - left) < wide)
            tissue = np.where(shadow, tissue * 0.6, tissue)
    speckle = ndimage.gaussian_filter(rng.rayleigh(0.8, SHAPE), 0.8)
    return np.clip(tissue * speckle, 0, 255).astype(np.uint8), mask


def labelled(folder: Path, number: int, kind: Pathology | None) -> LabelledImage:
    pixels, mask = draw(number, kind)
    image, label = folder / f"{number}.png", folder / f"{number}_mask.png"
    Image.fromarray(pixels).save(image)
    Image.fromarray(mask.astype(np.uint8) * 255).save(label)
    return LabelledImage(
        image_id=f"i{number}",
        image_path=image,
        mask_paths=(label,),
        has_mask=True,
        pathology=kind or Pathology.NORMAL,
        patient=f"p{number}",
    )


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[LabelledImage]:
    """An image of each of 100 patients, a fifth of them normal."""
    folder = tmp_path_factory.mktemp("drawn")
    return [labelled(folder, n, KINDS[n % len(KINDS)]) for n in range(PATIENTS)]


@dataclass
class Site:
    """A store with labelled images, and trainings that the gate judges.

    Attributes:
        trainable, locked: The images, divided once.
    """

    store: Store
    folder: Path
    trainable: list[LabelledImage]
    locked: list[LabelledImage]
    trainings: int = 0

    def train(
        self,
        task: ModelTask,
        images: Sequence[LabelledImage] | None = None,
        *,
        initial: ModelRecord | None = None,
        **settings: object,
    ) -> Path:
        """A real training, on the trainable images unless others are given."""
        self.trainings += 1
        train = train_segmentation if task == "segmentation" else train_classification
        chosen = dataclasses.replace(SETTINGS[task], **settings)  # type: ignore[arg-type]
        if initial:
            chosen = dataclasses.replace(chosen, architecture="", architecture_options={})
        return train(
            self.trainable if images is None else images,
            chosen,
            self.folder / f"run-{self.trainings}",
            initial=initial.directory if initial else None,
        )

    def register(self, folder: Path) -> ModelRecord:
        return self.store.models.register(read_card(folder).as_dict(), folder)

    def judge(self, folder: Path, locked: Sequence[LabelledImage] | None = None) -> GateResult:
        """What the gate says of a trained model."""
        gate = Gate(
            self.store,
            self.locked if locked is None else locked,
            settings=GateSettings(locked_share=LOCKED_SHARE),
            pipeline=PipelineSettings(device="cpu", threads=1),
        )
        return gate.judge(self.register(folder))


def _eager(folder: Path, _settings: PipelineSettings) -> Engine:
    return TorchEngine(folder, device="cpu")


@pytest.fixture
def make_site(
    images: list[LabelledImage], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], Site]]:
    """Makes sites; networks run as they are, for compiling each would take longer than training."""
    monkeypatch.setattr(gate_module, "load_engine", _eager)
    opened: list[Store] = []

    def making() -> Site:
        folder = tmp_path / f"site-{len(opened)}"
        store = Store.open(folder / "workspace")
        opened.append(store)
        split = locked_split(store, images, share=LOCKED_SHARE)
        return Site(store, folder, list(split.trainable), list(split.locked))

    yield making
    for store in opened:
        store.close()
