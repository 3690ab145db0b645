"""A store in a temporary workspace, and builders of what goes into it."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest

from sonoloop.geometry import LabelMap
from sonoloop.records import ImageRecord
from sonoloop.store import Store

MakeRecord: TypeAlias = Callable[..., ImageRecord]
MakeMask: TypeAlias = Callable[..., LabelMap]
StartChild: TypeAlias = Callable[..., "subprocess.Popen[str]"]

CHILD = Path(__file__).with_name("child.py")
SHAPE = (12, 16)


@pytest.fixture(params=[None], ids=["sqlite"])
def database_url(request: pytest.FixtureRequest) -> str | None:
    """Every database the store must work on; another joins by being listed."""
    url: str | None = request.param
    return url


@pytest.fixture
def store(tmp_path: Path, database_url: str | None) -> Iterator[Store]:
    with Store.open(tmp_path / "workspace", url=database_url) as opened:
        yield opened


@pytest.fixture
def make_record() -> MakeRecord:
    """Builds an image of 12 x 16 pixels."""

    def make(image_id: str, **changes: Any) -> ImageRecord:
        facts: dict[str, Any] = {
            "image_id": image_id,
            "source": "folder",
            "locator": f"{image_id}.dcm",
            "frame": 0,
            "frame_count": 1,
            "rows": SHAPE[0],
            "columns": SHAPE[1],
            "spacing_mm": (0.1, 0.2),
            "patient_id": "p1",
            "study_instance_uid": "1.2",
            "series_instance_uid": "1.2.3",
            "sop_instance_uid": image_id,
        }
        return ImageRecord(**(facts | changes))

    return make


@pytest.fixture
def make_mask() -> MakeMask:
    """Builds a 12 x 16 label map that is its own for every seed."""

    def make(seed: int = 0) -> LabelMap:
        return np.random.default_rng(seed).integers(0, 2, SHAPE, dtype=np.uint8)

    return make


@pytest.fixture
def start_child() -> Iterator[StartChild]:
    """Starts ``child.py`` in a process of its own; what still runs at the end is killed."""
    children: list[subprocess.Popen[str]] = []

    def start(*arguments: object) -> "subprocess.Popen[str]":
        child = subprocess.Popen(
            [sys.executable, str(CHILD), *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        children.append(child)
        return child

    yield start
    for child in children:
        child.kill()
        child.communicate()
