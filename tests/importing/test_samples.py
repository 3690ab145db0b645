"""The committed sample data is what the generator makes, is valid, and is what it claims."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from sonoloop.datasets.layouts import read_dataset
from sonoloop.imaging.read import read_image
from sonoloop.importing.samples import CINE_FRAMES, plan, write_samples
from sonoloop.labels import Pathology

COMMITTED = Path(__file__).resolve().parents[2] / "sample-data"


ONE_OF_EACH_FORM = ("phantom-02-2", "phantom-01-2", "phantom-05-2", "phantom-08-2")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sample data of one file of each form, made anew."""
    folder = tmp_path_factory.mktemp("samples")
    write_samples(folder, [sample for sample in plan() if sample.name in ONE_OF_EACH_FORM])
    return folder


def files(root: Path) -> set[str]:
    return {
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if path.is_file() and path.name != "README.md"
    }


def test_the_committed_files_are_those_of_the_plan() -> None:
    committed = {path.stem for path in (COMMITTED / "studies").rglob("*.*")}

    assert committed == {sample.name for sample in plan()}


def test_the_generator_makes_what_is_committed(made: Path) -> None:
    lines = (made / "truth/manifest.csv").read_text().splitlines()
    assert set(lines) <= set((COMMITTED / "truth/manifest.csv").read_text().splitlines())
    for name in sorted(files(made) - {"truth/manifest.csv"}):
        # another processor may round a pixel the other way, and JPEG may spread that
        pair = [read_image(root / name).pixels.astype(int) for root in (made, COMMITTED)]
        assert (np.abs(pair[0] - pair[1]) > 1).mean() < 1e-3, name
    assert len(files(made)) == 1 + 4 + 3 + CINE_FRAMES


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
