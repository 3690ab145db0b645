"""NRRD and NIfTI volumes as images."""

import contextlib
import gzip
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sonoloop.errors import ImageReadError
from sonoloop.imaging.image import UltrasoundImage
from sonoloop.imaging.masks import encode_image
from sonoloop.imaging.read import read_image
from sonoloop.service.volumes import volume_as_png, volume_extension


def picture(spacing_mm: tuple[float, float] | None) -> UltrasoundImage:
    pixels = np.random.default_rng(1).integers(0, 256, (41, 63), dtype=np.uint8)
    return UltrasoundImage(pixels=pixels, spacing_mm=spacing_mm, source_format="png")


def nifti(voxels: np.ndarray, *, header: dict[str, Any] | None = None) -> bytes:
    make: Any = nibabel.Nifti1Image
    volume = make(voxels, np.eye(4))
    for name, value in (header or {}).items():
        volume.header[name] = value
    data: bytes = volume.to_bytes()
    return data


@pytest.mark.parametrize("extension", [".nrrd", ".nii", ".nii.gz"])
@pytest.mark.parametrize("spacing_mm", [(0.07, 0.11), None])
def test_what_the_server_gives_out_it_takes_back(
    tmp_path: Path, extension: str, spacing_mm: tuple[float, float] | None
) -> None:
    image, path = picture(spacing_mm), tmp_path / "image.png"

    found = volume_as_png(encode_image(image, extension), extension, path)

    np.testing.assert_array_equal(read_image(path).pixels, image.pixels)
    assert found == pytest.approx(spacing_mm)


def test_extensions_are_told_by_the_end_of_the_name() -> None:
    assert volume_extension("A.B.NII.GZ") == ".nii.gz"
    assert volume_extension("a.nii") == ".nii"
    assert volume_extension("a.png") is None


@pytest.mark.parametrize(
    ("data", "extension", "reason"),
    [
        (nifti(np.zeros((40, 50, 3), dtype=np.uint8)), ".nii", "one slice"),
        (nifti(np.full((40, 50, 1), 300, dtype=np.int16)), ".nii", "8-bit grey"),
        (nifti(np.full((40, 50, 1), 0.5, dtype=np.float32)), ".nii", "8-bit grey"),
        (nifti(np.zeros((40, 50, 1), dtype=np.uint8))[:500], ".nii", "8-bit grey"),
        (b"", ".nii", "not a NIfTI file"),
        (gzip.compress(b"x" * 400), ".nii.gz", "not a NIfTI file of one slice"),
        (b"NRRD0004\nsizes: 9 9 9\n\n", ".nrrd", "one slice"),
        (b"NRRD0004\nsizes: 99999 99999 1\n\n", ".nrrd", "1 to 8192 a side"),
        (b"NRRD0004\ntype: uint8\nsizes: 40 40 1\n\n", ".nrrd", "8-bit grey"),
    ],
)
def test_other_volumes_are_refused(
    tmp_path: Path, data: bytes, extension: str, reason: str
) -> None:
    path = tmp_path / "image.png"

    with pytest.raises(ImageReadError, match=reason):
        volume_as_png(data, extension, path)
    assert not path.exists()


@given(st.binary(max_size=400), st.sampled_from([".nrrd", ".nii", ".nii.gz"]))
def test_noise_is_refused_and_never_crashes(data: bytes, extension: str) -> None:
    with pytest.raises(ImageReadError, match=r"volume|size"):
        volume_as_png(data, extension, Path("/nonexistent/image.png"))


@given(st.integers(0, 400), st.integers(0, 255))
@example(111, 95)  # voxels begin at an impossible place
@example(111, 127)
def test_a_header_with_one_byte_changed_is_read_or_refused(position: int, value: int) -> None:
    data = bytearray(nifti(np.zeros((40, 50, 1), dtype=np.uint8)))
    data[position % len(data)] = value

    with contextlib.suppress(ImageReadError):
        volume_as_png(bytes(data), ".nii", Path("/dev/null"))
