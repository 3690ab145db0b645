"""Two small data sets of phantoms, and settings that train in seconds."""

import csv
from pathlib import Path

import pytest
from PIL import Image

from listening import Listener
from sonoloop.phantoms.phantom import make_phantom
from sonoloop.phantoms.spec import LesionKind, random_spec
from sonoloop.records import ModelTask
from sonoloop.scenarios.catalogue import Setup
from sonoloop.scenarios.data import open_set
from sonoloop.settings import TrainingSettings

KINDS: tuple[LesionKind | None, ...] = ("cyst", "carcinoma", "fibroadenoma", "carcinoma", None)
QUICK = {
    "input_size_px": 64,
    "max_epochs": 1,
    "batch_size": 4,
    "validation_fraction": 0.3,
    "tracking": "none",
    "precision": "float32",
    "threads": 1,
    "device": "cpu",
}
BASE: dict[ModelTask, TrainingSettings] = {
    "segmentation": TrainingSettings.from_conf(
        {**QUICK, "architecture_options": {"channels": [4, 8]}}
    ),
    "classification": TrainingSettings.from_conf({**QUICK, "architecture": "mobilenetv3_small"}),
}


def write_set(folder: Path, *, seed: int, patients: int = 10) -> Path:
    """A data set of one phantom for each patient, in splits 1 and 2; split 2 is every third."""
    folder.mkdir()
    rows = [("image", "mask", "pathology", "patient", "split")]
    for index in range(patients):
        phantom = make_phantom(random_spec(seed + index, KINDS[index % 5], rows=80, columns=96))
        Image.fromarray(phantom.pixels).save(folder / f"{index}.png")
        Image.fromarray(phantom.mask.astype("uint8") * 255).save(folder / f"{index}_mask.png")
        name = f"{folder.name}-{index}"
        split = "2" if index % 3 == 0 else "1"
        rows.append((f"{index}.png", f"{index}_mask.png", phantom.pathology, name, split))
    with (folder / "manifest.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    return folder


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """``north`` and ``south``."""
    root = tmp_path_factory.mktemp("sets")
    return {
        name: write_set(root / name, seed=seed) for name, seed in (("north", 50), ("south", 90))
    }


@pytest.fixture
def setup(folders: dict[str, Path]) -> Setup:
    """Both sets, one epoch at 64 pixels, one seed."""
    return Setup(sets={n: open_set(n, folder) for n, folder in folders.items()}, base=BASE)


@pytest.fixture
def listener() -> Listener:
    """A watch that remembers."""
    return Listener()
