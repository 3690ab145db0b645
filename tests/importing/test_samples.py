"""The committed sample data is what the generator makes, is valid, and is what it claims."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sonoloop.datasets.layouts import read_dataset
from sonoloop.importing.samples import plan, write_samples
from sonoloop.labels import Pathology

COMMITTED = Path(__file__).resolve().parents[2] / "sample-data"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sample data made anew."""
    folder = tmp_path_factory.mktemp("samples")
    write_samples(folder)
    return folder


def files(root: Path) -> set[str]:
    return {
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if path.is_file() and path.name != "README.md"
    }


@pytest.mark.slow
def test_the_committed_files_are_those_the_generator_makes(made: Path) -> None:
    assert files(made) == files(COMMITTED)
    manifests = [(root / "truth/manifest.csv").read_bytes() for root in (made, COMMITTED)]
    assert manifests[0] == manifests[1]


@pytest.mark.slow
def test_masks_made_anew_agree_with_those_committed(made: Path) -> None:
    masks = sorted(path for path in files(made) if path.endswith(".png"))

    for mask in masks:  # another processor may round a pixel of the outline the other way
        pair = [np.asarray(Image.open(root / mask)) for root in (made, COMMITTED)]
        assert (pair[0] != pair[1]).sum() <= 2, mask
    assert len(masks) == 27


def test_every_promised_variety_is_there() -> None:
    samples = plan()

    assert {sample.form for sample in samples} == {"jpeg", "raw", "screen", "cine"}
    assert {sample.calibrated for sample in samples} == {True, False}
    assert all(rows != columns for rows, columns in (sample.size for sample in samples))
    assert len({sample.patient for sample in samples}) == 20


def test_the_truth_reads_as_a_data_set() -> None:
    reading = read_dataset(COMMITTED / "truth")

    counts = {p: sum(image.pathology is p for image in reading.images) for p in Pathology}
    assert reading.skipped == ()
    assert len(reading.images) == 33
    assert min(counts.values()) >= 5
    assert all(image.has_mask for image in reading.images)


def test_sample_data_stays_small() -> None:
    size = sum((COMMITTED / path).stat().st_size for path in files(COMMITTED))

    assert size < 4_000_000


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (dicom3tools) is absent")
def test_every_sample_is_valid_dicom() -> None:
    studies = sorted((COMMITTED / "studies").rglob("*.dcm"))

    errors = [
        f"{path.name}: {line}"
        for path in studies
        for line in subprocess.run(
            ["dciodvfy", str(path)], capture_output=True, text=True, check=False
        ).stderr.splitlines()
        if line.startswith("Error")
    ]

    assert len(studies) == 28
    assert errors == []
