"""Ultrasound images of every kind, readings of them, and the programs that judge what we write."""

import dataclasses
import importlib.util
import io
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom import Dataset

from sonoloop.geometry import Box, LabelMap
from sonoloop.labels import Pathology
from sonoloop.records import ImageRecord, Lesion
from sonoloop.reporting.reading import Reading

CORNERSTONE = Path(__file__).with_name("cornerstone")
WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ROWS, COLUMNS = 96, 128
SPACING_MM = (0.08, 0.1)


def _load(path: Path) -> Any:
    """A helper module by path: tests are no packages."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    known = sys.modules.get(path.stem)
    if known is not None:
        return known
    module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


BUILDERS = _load(Path(__file__).parents[1] / "imaging" / "good_inputs.py")
FOREIGN = _load(Path(__file__).with_name("foreign_files.py"))


def two_lesions() -> LabelMap:
    """An L and a speck: asymmetric in every direction, so that a turned mask is noticed."""
    mask = np.zeros((ROWS, COLUMNS), np.uint8)
    mask[20:50, 30:90] = mask[40:60, 30:50] = mask[70:80, 100:120] = 1
    return mask


def one_lesion() -> LabelMap:
    mask = two_lesions()
    mask[70:80] = 0
    return mask


def _korean() -> Dataset:
    dataset: Dataset = BUILDERS.dataset(BUILDERS.GREY, study_id="1", study_time="101500")
    dataset.SpecificCharacterSet = ["", "ISO 2022 IR 149"]
    dataset.PatientName = "Hong^Gildong=洪^吉洞=홍^길동"
    return pydicom.dcmread(io.BytesIO(BUILDERS.saved(dataset)))


def _chinese() -> Dataset:
    dataset: Dataset = BUILDERS.dataset(BUILDERS.GREY)
    dataset.SpecificCharacterSet = "GB18030"
    dataset.PatientName = "Wang^XiaoDong=王^小东"
    return pydicom.dcmread(io.BytesIO(BUILDERS.saved(dataset)))


def _bare() -> Dataset:
    """An image that tells as little as the server still reads."""
    dataset: Dataset = BUILDERS.dataset(BUILDERS.GREY)
    for keyword in ("StudyID", "PatientBirthDate", "PatientSex", "AccessionNumber", "PatientName"):
        del dataset[keyword]
    del dataset.ReferringPhysicianName, dataset.SpecificCharacterSet, dataset.StudyTime
    return dataset


def _inverted() -> Dataset:
    dataset: Dataset = BUILDERS.dataset(255 - BUILDERS.GREY)
    dataset.PhotometricInterpretation = "MONOCHROME1"
    return dataset


def _placed() -> Dataset:
    dataset: Dataset = BUILDERS.dataset(BUILDERS.GREY)
    dataset.FrameOfReferenceUID = "1.2.3.4"
    dataset.ImagePositionPatient = [10.0, 20.0, 30.0]
    dataset.ImageOrientationPatient = [0.0, 1.0, 0.0, 0.0, 0.0, -1.0]
    return dataset


IMAGES: dict[str, Callable[[], Dataset]] = {
    "mono": lambda: BUILDERS.dataset(BUILDERS.GREY),
    "rgb": lambda: BUILDERS.dataset(BUILDERS.RGB, laterality="L"),
    "jpeg": lambda: BUILDERS.dataset(BUILDERS.RGB, jpeg_quality=90, laterality="R"),
    "palette": lambda: BUILDERS.with_palette(BUILDERS.GREY, BUILDERS.tinted(), bits=16),
    "monochrome1": _inverted,
    "cine": lambda: BUILDERS.dataset(np.stack([BUILDERS.GREY] * 7), cine=True),
    "colour_cine": lambda: BUILDERS.dataset(
        np.stack([BUILDERS.RGB] * 4), cine=True, jpeg_quality=90
    ),
    "korean": _korean,
    "chinese": _chinese,
    "bare": _bare,
    "placed": _placed,
}
"""Every kind of image that documents are written about."""


def record_of(
    image: Dataset, frame: int = 0, spacing_mm: tuple[float, float] | None = SPACING_MM
) -> ImageRecord:
    frames = int(image.get("NumberOfFrames") or 1)
    suffix = f"_f{frame}" if frames > 1 else ""
    return ImageRecord(
        image_id=f"{image.SOPInstanceUID}{suffix}",
        source="folder",
        locator="image.dcm",
        frame=frame,
        frame_count=frames,
        rows=int(image.Rows),
        columns=int(image.Columns),
        spacing_mm=spacing_mm,
        patient_id="P1",
        study_instance_uid=str(image.StudyInstanceUID),
        series_instance_uid=str(image.SeriesInstanceUID),
        sop_instance_uid=str(image.SOPInstanceUID),
    )


def reading_of(
    image: Dataset,
    frame: int = 0,
    *,
    spacing_mm: tuple[float, float] | None = SPACING_MM,
    **changes: Any,
) -> Reading:
    """A radiologist's word on an image, with what the models said before."""
    lesion = Lesion(
        box=Box(20, 30, 60, 90),
        area_px=2000,
        area_mm2=None,
        probabilities={Pathology.BENIGN: 0.3, Pathology.MALIGNANT: 0.7},
        confidence=0.9,
    )
    values: dict[str, Any] = {
        "mask": two_lesions(),
        "state": "final",
        "reader": "Doe^Jane",
        "assessed_at": WHEN,
        "pathology": Pathology.MALIGNANT,
        "birads": "4B",
        "models": {"segmentation": "seg-1", "classification": "cls-1"},
        "probabilities": {Pathology.BENIGN: 0.2, Pathology.MALIGNANT: 0.8},
        "lesions": (lesion,),
    }
    return Reading(record=record_of(image, frame, spacing_mm), **values | changes)


NO_LESION: dict[str, Any] = {
    "mask": np.zeros((ROWS, COLUMNS), np.uint8),
    "pathology": Pathology.NORMAL,
    "birads": "1",
    "lesions": (),
}


def frame_of(image: Dataset) -> int:
    """A frame of a cine that is not its first."""
    return 2 if "NumberOfFrames" in image else 0


def source_of(image: Dataset) -> dict[str, Any]:
    """An image as the scripts of ``cornerstone`` know it."""
    return {
        "study": str(image.StudyInstanceUID),
        "series": str(image.SeriesInstanceUID),
        "sop": str(image.SOPInstanceUID),
        "sopClass": str(image.SOPClassUID),
        "rows": int(image.Rows),
        "columns": int(image.Columns),
        "frames": int(image.get("NumberOfFrames") or 1),
    }


@dataclasses.dataclass(frozen=True)
class Makers:
    """What tests of this room make things with."""

    builders: Any = BUILDERS
    images: Any = dataclasses.field(default_factory=lambda: IMAGES)
    reading: Callable[..., Reading] = reading_of
    record: Callable[..., ImageRecord] = record_of
    no_lesion: Any = dataclasses.field(default_factory=lambda: NO_LESION)
    one_lesion: Callable[[], LabelMap] = one_lesion
    two_lesions: Callable[[], LabelMap] = two_lesions
    frame_of: Callable[[Dataset], int] = frame_of
    source_of: Callable[[Dataset], dict[str, Any]] = source_of


@pytest.fixture(scope="session")
def make() -> Makers:
    """Builders of images and readings."""
    return Makers()


@pytest.fixture(scope="session")
def foreign() -> Any:
    """The functions of ``foreign_files.py``."""
    return FOREIGN


@pytest.fixture(params=IMAGES)
def image(request: pytest.FixtureRequest) -> Dataset:
    """An image of every kind."""
    return IMAGES[request.param]()


@pytest.fixture
def validate(tmp_path: Path) -> Callable[[bytes], list[str]]:
    """Errors that dciodvfy finds in a file; the test is skipped where it is absent."""
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy (dicom3tools) is absent")

    def errors(data: bytes) -> list[str]:
        path = tmp_path / "document.dcm"
        path.write_bytes(data)
        run = subprocess.run(
            ["dciodvfy", "-new", str(path)], capture_output=True, text=True, check=False
        )
        assert "\n" in run.stderr, "dciodvfy said nothing at all"
        return [line for line in run.stderr.splitlines() if line.startswith("Error")]

    return errors


def _node(script: str, jobs: list[dict[str, Any]]) -> list[Any]:
    if shutil.which("node") is None:
        pytest.skip("Node is absent")
    if not (CORNERSTONE / "node_modules" / "@cornerstonejs" / "adapters").is_dir():
        pytest.skip("@cornerstonejs/adapters is absent (npm ci in tests/reporting/cornerstone)")
    run = subprocess.run(
        ["node", str(CORNERSTONE / script)],
        input=json.dumps(jobs),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    answers: list[Any] = json.loads(run.stdout)
    return answers


@pytest.fixture(scope="session")
def cornerstone() -> Callable[[str, list[dict[str, Any]]], list[Any]]:
    """Runs ``read.mjs`` or ``write.mjs`` on jobs; the test is skipped where they cannot run."""
    return _node
