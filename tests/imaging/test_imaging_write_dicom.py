"""What is written is read again, valid, and the same every time."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonoloop.errors import GeometryError
from sonoloop.geometry import Box
from sonoloop.imaging.read import read_image
from sonoloop.imaging.write_dicom import UltrasoundDicom, stable_uid, write_ultrasound_dicom

GREY = np.random.default_rng(0).integers(0, 256, (61, 83), dtype=np.uint8)  # odd sizes on purpose
RGB = np.stack([GREY, GREY, 255 - GREY], axis=-1)


def settings(**changes: Any) -> UltrasoundDicom:
    values: dict[str, Any] = {
        "sop_instance_uid": stable_uid("sop"),
        "series_instance_uid": stable_uid("series"),
        "study_instance_uid": stable_uid("study"),
        "patient_id": "P1",
    }
    return UltrasoundDicom(**values | changes)


CASES: dict[str, tuple[npt.NDArray[np.uint8], bool, UltrasoundDicom]] = {
    "grey": (GREY, False, settings()),
    "calibrated": (GREY, False, settings(spacing_mm=(0.08, 0.09), laterality="L")),
    "rgb": (RGB, False, settings(spacing_mm=(0.1, 0.1), region=Box(2, 3, 50, 60))),
    "jpeg": (GREY, False, settings(jpeg_quality=90, derived=True)),
    "rgb_jpeg": (RGB, False, settings(jpeg_quality=90)),
    "cine": (np.stack([GREY] * 3), True, settings(burned_in_annotation=True)),
    "rgb_cine_jpeg": (np.stack([RGB] * 3), True, settings(jpeg_quality=90, spacing_mm=(1, 1))),
    "lossy_source": (GREY, False, settings(lossy=True, derived=True)),
    "names": (
        GREY,
        False,
        settings(
            patient_name="Müller^Zoë",
            study_date="20240131",
            study_time="101500",
            patient_sex="F",
            patient_birth_date="19700101",
            manufacturer="M",
            manufacturer_model_name="L12",
            study_description="US breast",
        ),
    ),
}


@pytest.fixture(params=CASES)
def written(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str]:
    pixels, cine, what = CASES[request.param]
    path = tmp_path / "image.dcm"
    write_ultrasound_dicom(path, pixels, what, cine=cine)
    return path, request.param


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (dicom3tools) is absent")
def test_the_validator_finds_no_error(written: tuple[Path, str]) -> None:
    run = subprocess.run(
        ["dciodvfy", "-new", str(written[0])], capture_output=True, text=True, check=False
    )

    assert [line for line in run.stderr.splitlines() if line.startswith("Error")] == []


def test_what_was_written_is_read_again(written: tuple[Path, str]) -> None:
    path, name = written
    pixels, cine, what = CASES[name]
    image = read_image(path, frame=2 if cine else 0)

    assert image.spacing_mm == (None if what.spacing_mm is None else pytest.approx(what.spacing_mm))
    assert image.identity.sop_instance_uid == what.sop_instance_uid
    assert image.frame_count == (3 if cine else 1)
    assert ("burned_in_annotation" in image.flags) == what.burned_in_annotation
    assert ("lossy" in image.flags) == (what.lossy or what.jpeg_quality is not None)
    if pixels.shape[-1] != 3 and what.jpeg_quality is None:
        np.testing.assert_array_equal(image.pixels, pixels[2] if cine else pixels)


def test_equal_input_gives_equal_bytes(written: tuple[Path, str]) -> None:
    path, name = written
    first = path.read_bytes()
    pixels, cine, what = CASES[name]
    write_ultrasound_dicom(path, pixels, what, cine=cine)

    assert path.read_bytes() == first
    assert [p.name for p in path.parent.iterdir()] == ["image.dcm"]


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "image.dcm"
    path.write_bytes(b"old")

    with pytest.raises(TypeError, match="patient"):
        write_ultrasound_dicom(path, GREY, settings(patient_birth_date=7, patient=1))
    with pytest.raises(GeometryError, match="cannot write pixels"):
        write_ultrasound_dicom(path, GREY.astype(float), settings())
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("pixels", "cine"), [(GREY[0], False), (GREY, True), (RGB[..., :2], False), (RGB, True)]
)
def test_other_shapes_are_refused(
    tmp_path: Path, pixels: npt.NDArray[np.uint8], cine: bool
) -> None:
    if pixels is RGB:
        pixels = np.stack([RGB[..., [0, 1]]])
    with pytest.raises(GeometryError, match="cannot write pixels of shape"):
        write_ultrasound_dicom(tmp_path / "a.dcm", pixels, settings(), cine=cine)


def test_a_region_outside_the_image_is_refused(tmp_path: Path) -> None:
    what = settings(spacing_mm=(0.1, 0.1), region=Box(0, 0, 62, 83))

    with pytest.raises(GeometryError, match="does not lie in the image of 61x83"):
        write_ultrasound_dicom(tmp_path / "a.dcm", GREY, what)


@given(st.lists(st.text(max_size=20), max_size=4))
def test_stable_uids_are_valid_and_depend_on_every_part(parts: list[str]) -> None:
    uid = stable_uid(*parts)

    assert uid.startswith("2.25.")
    assert uid.removeprefix("2.25.").isdigit()
    assert len(uid) <= 64
    assert stable_uid(*parts, "x") != uid
