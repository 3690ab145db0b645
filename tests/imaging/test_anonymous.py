"""Files rebuilt without identity: the pixels get across, and no word of whose they are does."""

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom import Dataset
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.sequence import Sequence

from sonoloop.errors import ImageReadError
from sonoloop.imaging.anonymous import is_anonymous, write_anonymous
from sonoloop.imaging.read import read_header, read_image
from sonoloop.imaging.write_dicom import UltrasoundDicom, write_ultrasound_dicom

PLANTED = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientAddress", "PatientComments",
    "OtherPatientIDs", "StudyDate", "StudyTime", "StudyDescription", "StudyID", "StudyComments",
    "SeriesDescription", "SeriesDate", "AccessionNumber", "InstitutionName", "InstitutionAddress",
    "ReferringPhysicianName", "OperatorsName", "PerformingPhysicianName", "StationName",
    "DeviceSerialNumber", "RequestedProcedureDescription", "ImageComments", "AcquisitionDateTime",
    "ContentDate", "ProtocolName", "DerivationDescription",
)  # fmt: skip
"""Attributes that tell, or may be misused to tell, whose an image is."""

VALUES = {"DA": "19310203", "TM": "123456.77", "DT": "19310203123456"}
SECRET = b"ZZPLANTEDZZ"


def write(path: Path, *, frames: int = 0, colour: bool = False, **facts: Any) -> np.ndarray:
    shape = ((frames,) if frames else ()) + (40, 48) + ((3,) if colour else ())
    pixels = np.random.default_rng(7).integers(0, 255, shape, dtype=np.uint8)
    settings: dict[str, Any] = {
        "sop_instance_uid": "1.2.3",
        "series_instance_uid": "1.2.3.1",
        "study_instance_uid": "1.2.3.2",
        "patient_id": "p1",
        "spacing_mm": (0.1, 0.2),
    }
    write_ultrasound_dicom(path, pixels, UltrasoundDicom(**(settings | facts)), cine=frames > 0)
    return pixels


def plant(path: Path) -> None:
    """Write identity wherever a file can hold it."""
    dataset = pydicom.dcmread(path)
    secret = SECRET.decode()
    for keyword in PLANTED:
        vr = dictionary_VR(tag_for_keyword(keyword) or 0)
        setattr(dataset, keyword, VALUES.get(vr, secret))
    dataset.private_block(0x0011, secret, create=True).add_new(1, "LO", secret)
    item = Dataset()
    item.CodeMeaning = secret
    item.private_block(0x0013, secret, create=True).add_new(1, "LO", secret)
    dataset.ProcedureCodeSequence = Sequence([item])
    for region in dataset.get("SequenceOfUltrasoundRegions", ()):
        region.private_block(0x0013, secret, create=True).add_new(1, "LO", secret)
        region.PixelComponentMask = 1
    dataset.BurnedInAnnotation = secret
    dataset.add_new(0xFFFCFFFC, "OB", SECRET + b" ")
    dataset.preamble = SECRET.ljust(128, b"\0")
    dataset.file_meta.SourceApplicationEntityTitle = secret
    dataset.save_as(path)


KINDS: dict[str, dict[str, Any]] = {
    "grey": {},
    "colour": {"colour": True},
    "jpeg": {"colour": True, "jpeg_quality": 90},
    "cine": {"frames": 3},
    "jpeg cine": {"frames": 3, "colour": True, "jpeg_quality": 80},
    "without calibration": {"spacing_mm": None},
}


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_planted_gets_across_and_every_pixel_does(tmp_path: Path, kind: str) -> None:
    original, rebuilt = tmp_path / "original.dcm", tmp_path / "rebuilt.dcm"
    write(original, **KINDS[kind])
    plant(original)
    assert SECRET in original.read_bytes()
    assert b"19310203" in original.read_bytes()

    write_anonymous(original, rebuilt)

    content = rebuilt.read_bytes()
    assert SECRET not in content
    assert b"19310203" not in content
    assert b"123456.77" not in content
    for frame in range(read_header(original).frame_count):
        before, after = read_image(original, frame=frame), read_image(rebuilt, frame=frame)
        np.testing.assert_array_equal(after.pixels, before.pixels)
        assert (after.spacing_mm, after.region, after.flags) == (
            before.spacing_mm,
            before.region,
            before.flags,
        )
    assert pydicom.dcmread(rebuilt).PixelData == pydicom.dcmread(original).PixelData


def test_only_the_three_uids_say_what_it_is(tmp_path: Path) -> None:
    write(tmp_path / "a.dcm")
    plant(tmp_path / "a.dcm")

    write_anonymous(tmp_path / "a.dcm", tmp_path / "b.dcm")

    dataset = pydicom.dcmread(tmp_path / "b.dcm")
    texts = {
        element.keyword
        for element in dataset.iterall()
        if element.VR in ("UI", "PN", "LO", "SH", "LT", "ST", "UT", "DA", "TM", "DT", "UC", "AS")
    }
    assert texts == {"SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"}
    assert dataset.PatientIdentityRemoved == "YES"


def test_a_rebuilt_file_is_known_by_its_preamble(tmp_path: Path) -> None:
    write(tmp_path / "a.dcm")

    write_anonymous(tmp_path / "a.dcm", tmp_path / "b.dcm")

    assert is_anonymous(tmp_path / "b.dcm")
    assert not is_anonymous(tmp_path / "a.dcm")
    assert not is_anonymous(tmp_path / "nothing.dcm")


@pytest.mark.parametrize("keep", [0, 131, 400, 1000, -1])
def test_a_file_that_cannot_be_read_leaves_nothing_behind(tmp_path: Path, keep: int) -> None:
    write(tmp_path / "a.dcm")
    (tmp_path / "a.dcm").write_bytes((tmp_path / "a.dcm").read_bytes()[:keep])

    with pytest.raises(ImageReadError, match=r"truncated|malformed|no_pixel_data"):
        write_anonymous(tmp_path / "a.dcm", tmp_path / "b.dcm")

    assert not (tmp_path / "b.dcm").exists()


@pytest.mark.shared_data
def test_real_files_look_as_before(tmp_path: Path, shared_data: Path) -> None:
    files = sorted((shared_data / "us-dicom").glob("*.dcm"))
    assert files

    for number, path in enumerate(files):
        rebuilt = tmp_path / f"{number}.dcm"
        write_anonymous(path, rebuilt)
        last = read_header(path).frame_count - 1
        before, after = read_image(path, frame=last), read_image(rebuilt, frame=last)
        np.testing.assert_array_equal(after.pixels, before.pixels)
        assert after.spacing_mm == before.spacing_mm
        names = [str(pydicom.dcmread(path).get(k) or "") for k in ("PatientName", "PatientID")]
        content = rebuilt.read_bytes()
        assert not any(name.encode() in content for name in names if len(name) > 3), path.name
