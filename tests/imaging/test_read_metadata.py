"""The metadata of a PACS say of an image what its file says."""

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from sonoloop.errors import ImageReadError
from sonoloop.imaging.metadata import read_metadata
from sonoloop.imaging.read import read_header
from sonoloop.imaging.write_dicom import UltrasoundDicom, write_ultrasound_dicom


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A calibrated cine of two frames."""
    file = tmp_path / "cine.dcm"
    settings = UltrasoundDicom(
        sop_instance_uid="1.2.3",
        series_instance_uid="1.2.3.1",
        study_instance_uid="1.2.3.2",
        patient_id="p1",
        study_date="20260102",
        spacing_mm=(0.1, 0.2),
    )
    write_ultrasound_dicom(file, np.zeros((2, 40, 48), np.uint8), settings, cine=True)
    return file


@pytest.fixture
def metadata(path: Path) -> dict[str, Any]:
    dataset = pydicom.dcmread(path, stop_before_pixels=True)
    told: dict[str, Any] = dataset.to_json_dict()
    return told


def tag(keyword: str) -> str:
    number = pydicom.datadict.tag_for_keyword(keyword)
    assert number is not None
    return f"{number:08X}"


def test_they_say_what_the_file_says(path: Path, metadata: dict[str, Any]) -> None:
    assert read_metadata(metadata) == read_header(path)


def test_numbers_may_be_text(path: Path, metadata: dict[str, Any]) -> None:
    for keyword in ("Rows", "Columns", "NumberOfFrames"):
        metadata[tag(keyword)]["Value"] = [str(metadata[tag(keyword)]["Value"][0])]

    assert read_metadata(metadata) == read_header(path)


@pytest.mark.parametrize(
    ("keyword", "value", "code"),
    [
        ("SOPClassUID", ["1.2.840.10008.5.1.4.1.1.2"], "sop_class"),
        ("SOPClassUID", None, "sop_class"),
        ("SOPInstanceUID", ["../1"], "bad_uid"),
        ("StudyInstanceUID", [None], "bad_uid"),
        ("Rows", None, "pixel_module"),
        ("Rows", [-1], "pixel_module"),
        ("Rows", [1e99], "pixel_module"),
        ("Rows", [True], "pixel_module"),
        ("Rows", [{"a": 1}], "pixel_module"),
        ("Columns", [70000], "pixel_module"),
        ("Columns", [5], "dimensions"),
        ("NumberOfFrames", ["many"], "pixel_module"),
        ("NumberOfFrames", [10**9], "dimensions"),
    ],
)
def test_what_is_malformed_is_refused(
    metadata: dict[str, Any], keyword: str, value: list[Any] | None, code: str
) -> None:
    metadata[tag(keyword)] = {"vr": "US"} if value is None else {"vr": "US", "Value": value}

    with pytest.raises(ImageReadError, match=code):
        read_metadata(metadata)


@pytest.mark.parametrize("broken", ["x", 5, None, [], {"Value": 7}, {"Value": ["x", 3, None]}])
def test_regions_that_are_none_leave_the_scale_unknown(
    metadata: dict[str, Any], broken: object
) -> None:
    metadata[tag("SequenceOfUltrasoundRegions")] = broken

    assert read_metadata(metadata).spacing_mm is None
