"""Folders laid out like the published data sets; the images are empty files."""

from collections.abc import Callable
from pathlib import Path

import pytest

Lay = Callable[..., Path]


@pytest.fixture
def lay(tmp_path: Path) -> Lay:
    """Lay out files below a folder: ``lay("a/b.png", table="text of table.csv")``."""

    def make(*names: str, root: str = "data", **tables: str) -> Path:
        folder = tmp_path / root
        for name in names:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        for name, text in tables.items():
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{name.replace('__', '-')}.csv").write_text(text, encoding="utf-8")
        return folder

    return make


@pytest.fixture
def busi(lay: Lay) -> Path:
    """Two lesions of one group, one of two masks, one normal image."""
    return lay(
        "benign/benign (2).png",
        "benign/benign (2)_mask.png",
        "benign/benign (2)_mask_1.png",
        "malignant/malignant (10).png",
        "malignant/malignant (10)_mask.png",
        "normal/normal (1).png",
        "normal/normal (1)_mask.png",
        near_duplicate_groups=(
            "file,class,group,group_size,label_conflict\n"
            "benign (2).png,benign,7,2,1\n"
            "malignant (10).png,malignant,7,2,1\n"
        ),
    )


@pytest.fixture
def busbra(lay: Lay) -> Path:
    """Two images of one patient and one of another."""
    names = ("0001-l", "0001-r", "0003-s")
    return lay(
        *(f"Images/bus_{name}.png" for name in names),
        *(f"Masks/mask_{name}.png" for name in names),
        bus_data=(
            "ID,Case,Pathology,BIRADS,Device\n"
            "bus_0001-l,1,malignant,4,Scanner A\n"
            "bus_0001-r,1,benign,3,Scanner A\n"
            "bus_0003-s,3,benign,2,\n"
        ),
        **{"5__fold__cv": "ID,kFold\nbus_0001-l,3\nbus_0001-r,3\nbus_0003-s,4\n"},
    )
