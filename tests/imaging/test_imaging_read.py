"""Every readable input gives the picture it was made from."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sonoloop.errors import ImageReadError
from sonoloop.imaging.read import is_candidate, read_header, read_image
from sonoloop.imaging.vocabulary import FLAGS, Flag

Write = Callable[..., Path]


def test_the_grey_picture_is_what_was_put_in(
    good_name: str, good_inputs: dict[str, Any], write: Write
) -> None:
    good = good_inputs[good_name]
    path = write(good.content, f"image{good.suffix}")

    image = read_image(path, frame=good.frame)

    assert image.pixels.dtype == np.uint8
    assert image.shape == good.grey.shape
    difference = np.abs(image.pixels.astype(int) - good.grey)
    assert difference.mean() <= good.tolerance
    assert set(image.flags) == good.flags


def test_the_header_says_the_same_as_the_image(
    good_name: str, good_inputs: dict[str, Any], write: Write
) -> None:
    good = good_inputs[good_name]
    path = write(good.content, f"image{good.suffix}")
    image, header = read_image(path, frame=good.frame), read_header(path)

    assert (header.rows, header.columns) == image.shape
    assert header.frame_count == image.frame_count
    assert header.spacing_mm == image.spacing_mm
    assert header.identity == image.identity
    assert header.source_format == image.source_format
    assert set(header.flags) <= set(image.flags)


def test_pixels_cannot_be_written_to(builders: Any, write: Write) -> None:
    image = read_image(write(builders.saved(builders.dataset(builders.GREY))))

    with pytest.raises(ValueError, match="read-only"):
        image.pixels[0, 0] = 1


def test_identity_comes_from_the_file(builders: Any, write: Write) -> None:
    ds = builders.dataset(builders.GREY, patient_id="P 7 ", study_date="20240131")
    image = read_image(write(builders.saved(ds)))

    assert image.identity.patient_id == "P 7"
    assert image.identity.study_date == "20240131"
    assert image.identity.sop_instance_uid == ds.SOPInstanceUID
    assert image.identity.modality == "US"


def test_pictures_have_no_identity_and_no_scale(builders: Any, write: Write) -> None:
    png = builders.good_inputs()["png_grey"].content
    image = read_image(write(png, "a.png"))

    assert image.identity.sop_instance_uid is None
    assert image.identity.patient_id is None
    assert image.spacing_mm is None
    assert image.region is None


@pytest.mark.parametrize(
    ("charset", "text"),
    [("ISO_IR 192", "Zoë"), ("ISO_IR 100", "Zoë"), ("GB18030", "王"), ("ISO_IR 144", "Анна")],
)
def test_patient_ids_keep_their_letters(
    builders: Any, write: Write, charset: str, text: str
) -> None:
    ds = builders.dataset(builders.GREY)
    ds.SpecificCharacterSet = charset
    ds.PatientID = text

    assert read_image(write(builders.saved(ds))).identity.patient_id == text


def test_odd_strings_do_no_harm(bad_builders: Any, write: Write) -> None:
    change = bad_builders.setting(PatientID="A" * 5000, PatientName="漢字=漢字=漢字")
    image = read_image(write(bad_builders.changed(change)))

    assert image.identity.patient_id == "A" * 5000


def test_a_file_that_may_show_a_name_is_flagged(builders: Any, write: Write) -> None:
    silent = builders.dataset(builders.GREY)
    del silent.BurnedInAnnotation

    for ds in (silent, builders.dataset(builders.GREY, burned_in_annotation=True)):
        path = write(builders.saved(ds))
        assert read_image(path).flags == ("burned_in_annotation",)
        assert read_header(path).flags == ("burned_in_annotation",)


def test_a_wrong_group_length_of_the_meta_information_does_no_harm(
    bad_builders: Any, builders: Any, write: Write
) -> None:
    content = builders.saved(builders.dataset(builders.GREY))
    longer = bad_builders.relabelled(content, "1.2.840.10008.1.2.1" + "\0" * 8)

    assert np.array_equal(read_image(write(longer)).pixels, builders.GREY)


def test_explicit_elements_under_an_implicit_label_are_still_read_right(
    bad_builders: Any, builders: Any, write: Write
) -> None:
    content = builders.saved(builders.dataset(builders.GREY))
    path = write(bad_builders.relabelled(content, "1.2.840.10008.1.2"))

    with pytest.warns(UserWarning, match="Expected implicit VR, but found explicit VR"):
        image = read_image(path)
    assert np.array_equal(image.pixels, builders.GREY)


def test_the_content_decides_and_not_the_name(builders: Any, write: Write) -> None:
    dicom = write(builders.saved(builders.dataset(builders.GREY)), "image.png")

    assert read_image(dicom).source_format == "dicom"


def test_a_folder_is_not_an_image(tmp_path: Path) -> None:
    with pytest.raises(ImageReadError, match="unreadable: the file cannot be opened"):
        read_image(tmp_path)


def test_a_missing_file_is_not_an_image(tmp_path: Path) -> None:
    with pytest.raises(ImageReadError, match="No such file"):
        read_header(tmp_path / "none.dcm")


def test_messages_name_neither_patients_nor_paths(
    bad_builders: Any, builders: Any, write: Write
) -> None:
    ds = builders.dataset(builders.GREY, patient_name="Doe^Jane", patient_id="SECRET7")
    bad_builders.setting(BitsAllocated=32)(ds)

    with pytest.raises(ImageReadError, match="pixel_module") as caught:
        read_image(write(builders.saved(ds), "SECRET7.dcm"))
    assert "SECRET7" not in str(caught.value)
    assert "Jane" not in str(caught.value)


@pytest.mark.parametrize("name", ["a.dcm", "a.PNG", "a.jpg", "a.jpeg", "a.bmp", "a.tif", "a.tiff"])
def test_image_suffixes_are_candidates(name: str) -> None:
    assert is_candidate(Path(name))


@pytest.mark.parametrize("name", ["._a.dcm", ".a.png", "notes.txt", "mask.nii.gz", "a.dcm.part"])
def test_other_names_are_not(name: str) -> None:
    assert not is_candidate(Path(name))


@pytest.mark.parametrize("name", ["IM000001", "1.2.840.113619.2.5"])
def test_names_without_a_suffix_are_looked_into(builders: Any, write: Write, name: str) -> None:
    dicom = write(builders.saved(builders.dataset(builders.GREY)), name)

    assert is_candidate(dicom)
    dicom.write_bytes(b"not DICOM")
    assert not is_candidate(dicom)


def test_every_flag_is_explained() -> None:
    assert set(FLAGS) == set(Flag)
