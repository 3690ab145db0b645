"""Real ultrasound files give the picture that pydicom's own decoders give."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import pixel_array

from sonoloop.imaging.read import read_header, read_image
from sonoloop.imaging.sandbox import SANDBOX

pytestmark = pytest.mark.shared_data

FRAMES_SPACING_AND_REGION = {
    "cine_jpeg_ybr_full_422_65frames_acuson": (65, 0.52478, True),
    "mono_jpeg_lossless": (1, 0.25477, True),
    "mono_jpeg_ls": (1, None, False),
    "mono_philips_burned_in_text": (1, 0.06490, True),
    "palette": (1, 0.26229, True),
    "palette_rle_2frame": (2, 0.26229, True),
    "palette_rle_no_spacing": (1, 0.33054, True),
    "rgb_jpeg2000": (1, None, False),
    "rgb_uncompressed": (1, None, False),
    "ybr_full_422_uncompressed_esaote": (1, 0.06160, True),
}


@pytest.fixture(params=FRAMES_SPACING_AND_REGION)
def real(request: pytest.FixtureRequest, shared_data: Path) -> Path:
    return shared_data / "us-dicom" / f"{request.param}.dcm"


def oracle(path: Path, frame: int) -> Any:
    """Luminance as pydicom, its palette, and Pillow make it; None where pydicom has no decoder."""
    ds = pydicom.dcmread(path)
    if ds.file_meta.TransferSyntaxUID in ("1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.90"):
        return None
    if ds.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.50":
        stream = pydicom.encaps.get_frame(ds.PixelData, frame, number_of_frames=65)
        return np.asarray(Image.open(io.BytesIO(stream)).convert("L"))
    pixels = pixel_array(ds, index=frame)
    if ds.PhotometricInterpretation == "PALETTE COLOR":
        pixels = (apply_color_lut(pixels, ds) >> 8).astype(np.uint8)
    return np.asarray(Image.fromarray(pixels).convert("L"))


def test_header_and_image_agree_with_what_is_known(real: Path) -> None:
    frames, spacing, region = FRAMES_SPACING_AND_REGION[real.stem]
    header, image = read_header(real), read_image(real)

    assert header.frame_count == image.frame_count == frames
    expected = None if spacing is None else pytest.approx((spacing, spacing), abs=1e-5)
    assert header.spacing_mm == image.spacing_mm == expected
    assert (image.region is not None) == region
    assert 5 < image.pixels.mean() < 100


def test_every_frame_is_the_one_that_pydicom_gives(real: Path) -> None:
    frames = FRAMES_SPACING_AND_REGION[real.stem][0]
    for frame in {0, frames // 2, frames - 1}:
        expected = oracle(real, frame)
        if expected is not None:
            difference = np.abs(read_image(real, frame=frame).pixels.astype(int) - expected)
            assert difference.mean() < 0.6
            assert (difference > 2).mean() < 0.01  # colours beyond RGB, which the oracle clips


def test_jpeg_2000_is_the_picture_that_is_there_uncompressed(shared_data: Path) -> None:
    folder = shared_data / "us-dicom"
    lossless = read_image(folder / "rgb_jpeg2000.dcm").pixels

    np.testing.assert_array_equal(lossless, read_image(folder / "rgb_uncompressed.dcm").pixels)


def test_jpeg_lossless_is_what_pylibjpeg_free_gdcm_gives_in_process(shared_data: Path) -> None:
    gdcm = pytest.importorskip("gdcm")
    path = shared_data / "us-dicom" / "mono_jpeg_lossless.dcm"
    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    assert reader.Read()
    raw = reader.GetImage().GetBuffer().encode("utf-8", "surrogateescape")

    assert read_image(path).pixels.tobytes() == raw


def test_the_flags_of_every_file(shared_data: Path) -> None:
    flags = {
        path.stem: " ".join(read_image(path).flags)
        for path in sorted((shared_data / "us-dicom").glob("*.dcm"))
    }

    assert set(flags) == set(FRAMES_SPACING_AND_REGION)
    assert {name for name, text in flags.items() if "color_overlay" in text} == {
        "cine_jpeg_ybr_full_422_65frames_acuson",
        "palette",
        "palette_rle_2frame",
        "rgb_jpeg2000",
        "rgb_uncompressed",
        "ybr_full_422_uncompressed_esaote",
    }
    assert {name for name, text in flags.items() if "burned_in_annotation" not in text} == {
        "mono_jpeg_lossless",
        "ybr_full_422_uncompressed_esaote",
    }


def test_a_picture_of_a_published_data_set(shared_data: Path) -> None:
    path = shared_data / "Dataset_BUSI_with_GT" / "benign" / "benign (100).png"

    image = read_image(path)

    np.testing.assert_array_equal(image.pixels, np.asarray(Image.open(path).convert("L")))
    assert image.source_format == "png"


@pytest.fixture(autouse=True, scope="module")
def _end_decoders() -> Any:
    yield
    SANDBOX.close()
