"""Small data sets with real pictures in them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sonoloop.datasets.layouts import read_dataset
from sonoloop.datasets.reading import DatasetReading

Picture = Callable[..., Path]
ROWS, COLUMNS = 40, 60


@pytest.fixture
def picture(tmp_path: Path) -> Picture:
    """Write a picture of 40 x 60 pixels below the data set: ``picture("a.png", seed=1)``."""

    def write(name: str, *, seed: int = 0, root: str = "data") -> Path:
        path = tmp_path / root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        grey = np.random.default_rng(seed).integers(0, 255, (ROWS, COLUMNS), dtype=np.uint8)
        Image.fromarray(grey).save(path)
        return path

    return write


@pytest.fixture
def mask(tmp_path: Path) -> Picture:
    """Write a black and white mask: ``mask("m.png", rows=(5, 10))``; no rows: all black."""

    def write(
        name: str,
        *,
        rows: tuple[int, int] = (0, 0),
        shape: tuple[int, int] = (ROWS, COLUMNS),
        root: str = "data",
    ) -> Path:
        path = tmp_path / root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        white = np.zeros(shape, dtype=np.uint8)
        white[rows[0] : rows[1], 10:20] = 255
        Image.fromarray(white).save(path)
        return path

    return write


@pytest.fixture
def busi(tmp_path: Path, picture: Picture, mask: Picture) -> DatasetReading:
    """Four images: a benign one with two masks, two near-duplicates, a normal one."""
    picture("benign/benign (1).png", seed=1)
    mask("benign/benign (1)_mask.png", rows=(5, 10))
    mask("benign/benign (1)_mask_1.png", rows=(20, 30))
    picture("benign/benign (2).png", seed=2)
    mask("benign/benign (2)_mask.png", rows=(5, 10))
    picture("malignant/malignant (1).png", seed=3)
    mask("malignant/malignant (1)_mask.png", rows=(6, 11))
    picture("normal/normal (1).png", seed=4)
    mask("normal/normal (1)_mask.png")
    (tmp_path / "data" / "near_duplicate_groups.csv").write_text(
        "file,class,group,group_size,label_conflict\n"
        "benign (2).png,benign,9,2,1\nmalignant (1).png,malignant,9,2,1\n"
    )
    return read_dataset(tmp_path / "data", "busi")
