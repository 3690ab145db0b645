"""A study folder, a store beside it, and builders of what lies in the folder."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from PIL import Image

from sonoloop.imaging.write_dicom import UltrasoundDicom, write_ultrasound_dicom
from sonoloop.store import Store

WriteDicom: TypeAlias = Callable[..., str]
WritePicture: TypeAlias = Callable[..., None]

SHAPE = (40, 48)


@pytest.fixture
def studies(tmp_path: Path) -> Path:
    """An empty study folder."""
    folder = tmp_path / "studies"
    folder.mkdir()
    return folder


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    return tmp_path / "workspace"


@pytest.fixture
def store(workspace: Path) -> Iterator[Store]:
    with Store.open(workspace) as opened:
        yield opened


def write_dicom_file(path: Path, uid: str, *, frames: int = 0, **changes: Any) -> str:
    """An ultrasound image of 40 x 48 pixels; returns its SOPInstanceUID.

    Args:
        frames: 0 writes a single-frame image, otherwise a cine of so many.
    """
    facts: dict[str, Any] = {
        "sop_instance_uid": uid,
        "series_instance_uid": f"{uid}.1",
        "study_instance_uid": f"{uid}.2",
        "patient_id": "p1",
        "study_date": "20260102",
        "spacing_mm": (0.1, 0.2),
    }
    rng = np.random.default_rng(sum(map(ord, uid)))
    shape = (frames, *SHAPE) if frames else SHAPE
    pixels = rng.integers(0, 255, shape, dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_ultrasound_dicom(path, pixels, UltrasoundDicom(**(facts | changes)), cine=frames > 0)
    return uid


@pytest.fixture
def write_dicom(studies: Path) -> WriteDicom:
    """Writes ``studies/<name>`` with :func:`write_dicom_file`."""

    def write(name: str, uid: str, **changes: Any) -> str:
        return write_dicom_file(studies / name, uid, **changes)

    return write


@pytest.fixture
def write_picture(studies: Path) -> WritePicture:
    """Writes an ordinary grey image, 40 x 48 unless told otherwise."""

    def write(name: str, value: int = 7, shape: tuple[int, int] = SHAPE) -> None:
        path = studies / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full(shape, value, np.uint8)).save(path)

    return write
