"""Segmentations of other programs: read exactly where they can be understood, else refused."""

import base64
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.sr.coding import Code

from sonoloop.errors import DocumentError
from sonoloop.reporting.foreign import (
    Elsewhere,
    ForeignSegment,
    each_segment,
    read_segmentation,
)
from sonoloop.reporting.packed import unpack_bits

Found = dict[tuple[str, int], npt.NDArray[np.uint8]]
RLE, LABEL_MAP = "1.2.840.10008.1.2.5", "1.2.840.10008.5.1.4.1.1.66.7"
RNG = np.random.default_rng(7)
EVEN = (RNG.random((40, 64)) < 0.3).astype(np.uint8)
ODD = (RNG.random((37, 53)) < 0.3).astype(np.uint8)


def found_in(data: bytes) -> Found:
    """Segment number of every pixel, by image and frame."""
    found: Found = {}
    for one in read_segmentation(data):
        empty = np.zeros(one.mask.shape, np.uint8)
        found.setdefault((one.image_sop_uid, one.frame), empty)[one.mask] = one.segment
    return found


def assert_found(data: bytes, wanted: Found) -> None:
    found = found_in(data)

    assert set(found) == set(wanted)
    for image, label_map in wanted.items():
        np.testing.assert_array_equal(found[image], label_map)


@pytest.mark.parametrize("rle", [False, True], ids=["native", "rle"])
@pytest.mark.parametrize("apart", [False, True], ids=["together", "apart"])
@pytest.mark.parametrize("mask", [EVEN, ODD], ids=["even", "odd"])
def test_single_bits_are_read_however_they_are_packed(
    mask: npt.NDArray[np.uint8], apart: bool, rle: bool, foreign: Any
) -> None:
    other, third = np.roll(mask, 5), np.roll(mask, 11)
    frames = [(mask, "1.2.1", 1, 1), (other, "1.2.2", None, 1), (third, "1.2.3", 4, 1)]
    for count in (1, 2, 3):
        data = foreign.saved(foreign.segmentation(frames[:count], rle=rle, apart=apart))

        assert_found(
            data,
            dict([(("1.2.1", 0), mask), (("1.2.2", 0), other), (("1.2.3", 3), third)][:count]),
        )


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("rle", [False, True], ids=["native", "rle"])
def test_label_maps_are_read(bits: int, rle: bool, foreign: Any) -> None:
    label_map = EVEN.astype(np.uint16) * 3
    label_map[:10] *= 60 if bits == 8 else 100
    segments = {3: "three", 180: "first rows", 300: "first rows"}
    dataset = foreign.segmentation(
        [(label_map, "1.2.1", None, None)], bits=bits, rle=rle, kind="LABELMAP", segments=segments
    )
    found = {one.segment: one for one in read_segmentation(foreign.saved(dataset))}

    assert set(found) == {3, 180 if bits == 8 else 300}
    for number, one in found.items():
        np.testing.assert_array_equal(one.mask, label_map == number)
        assert one.label == segments[number]


def test_of_fractions_more_than_half_counts(foreign: Any) -> None:
    values = RNG.integers(0, 201, (40, 64)).astype(np.uint8)
    dataset = foreign.segmentation([(values, "1.2.1", None, 1)], bits=8, kind="FRACTIONAL")
    (one,) = read_segmentation(foreign.saved(dataset))

    np.testing.assert_array_equal(one.mask, values > 100)


def test_what_is_told_of_a_segment_is_kept(foreign: Any) -> None:
    dataset = foreign.segmentation(
        [(EVEN, "1.2.1", 7, 2)], segments={1: "other", 2: "Mass left"}, meaning="Malignant neoplasm"
    )
    (one,) = read_segmentation(foreign.saved(dataset))

    assert (one.frame, one.segment, one.label, one.algorithm) == (6, 2, "Mass left", "MANUAL")
    assert one.codes[1] == ("4147007", "SCT", "Malignant neoplasm")
    assert one.source.creator == "Roe Rita"
    assert one.source.manufacturer == "Unspecified"
    assert one.source.instance_uid == "1.2.3.99"
    assert not one.source.ours


def test_segments_that_overlap_are_read_apart(foreign: Any) -> None:
    other = np.roll(EVEN, 3, axis=0)
    frames = [(EVEN, "1.2.1", None, 1), (other, "1.2.1", None, 2)]
    first, second = read_segmentation(
        foreign.saved(foreign.segmentation(frames, segments={1: "a", 2: "b"}))
    )

    np.testing.assert_array_equal(first.mask, EVEN)
    np.testing.assert_array_equal(second.mask, other)


def test_empty_frames_are_left_out(foreign: Any) -> None:
    frames = [(EVEN * 0, "1.2.1", None, 1), (EVEN, "1.2.2", None, 1)]

    assert_found(foreign.saved(foreign.segmentation(frames)), {("1.2.2", 0): EVEN})


def test_a_segment_told_for_all_frames_counts_for_each(foreign: Any) -> None:
    dataset = foreign.segmentation([(EVEN, "1.2.1", None, None)], segments={1: "a", 4: "b"})
    with pytest.raises(DocumentError, match="does not say which segment"):
        read_segmentation(foreign.saved(dataset))
    shared = dataset.SharedFunctionalGroupsSequence[0]
    shared.SegmentIdentificationSequence = [foreign.item(ReferencedSegmentNumber=4)]

    assert [one.segment for one in read_segmentation(foreign.saved(dataset))] == [4]


def test_a_file_that_names_one_image_speaks_of_that(foreign: Any) -> None:
    dataset = foreign.segmentation([(EVEN, "1.2.1", None, 1)])
    del dataset.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence
    assert read_segmentation(foreign.saved(dataset)) == ()

    instance = foreign.item(ReferencedSOPInstanceUID="1.2.77")
    dataset.ReferencedSeriesSequence = [foreign.item(ReferencedInstanceSequence=[instance])]
    assert_found(foreign.saved(dataset), {("1.2.77", 0): EVEN})


def test_images_that_are_not_asked_for_are_told_without_their_masks(foreign: Any) -> None:
    empty = np.zeros_like(EVEN)
    frames = [(EVEN, "1.2.1", 1, 1), (EVEN, "1.2.1", 2, 1), (EVEN, "1.2.2", 1, 1)]
    data = foreign.saved(foreign.segmentation([*frames, (empty, "1.2.3", 1, 1)]))

    first, asked_for, other = each_segment(data, {("1.2.1", 1)})

    assert isinstance(asked_for, ForeignSegment)
    assert (asked_for.image_sop_uid, asked_for.frame) == ("1.2.1", 1)
    for one, uid in ((first, "1.2.1"), (other, "1.2.2")):
        assert isinstance(one, Elsewhere)
        assert (one.image_sop_uid, one.source) == (uid, asked_for.source)


def test_a_frame_that_names_several_images_is_left_out(foreign: Any) -> None:
    frames = [(EVEN, "1.2.1", None, 1), (EVEN, "1.2.2", None, 1)]
    dataset = foreign.segmentation(frames)
    first = dataset.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence[0]
    first.SourceImageSequence.append(foreign.item(ReferencedSOPInstanceUID="1.2.9"))

    assert_found(foreign.saved(dataset), {("1.2.2", 0): EVEN})


def test_a_reference_to_several_frames_is_left_out_and_to_one_is_taken(foreign: Any) -> None:
    several: Any = [3, 4]
    frames = [(EVEN, "1.2.1", several, 1), (EVEN, "1.2.2", 3, 1)]

    assert_found(foreign.saved(foreign.segmentation(frames)), {("1.2.2", 2): EVEN})


def test_run_lengths_may_hold_bytes_that_mean_nothing() -> None:
    assert unpack_bits(bytes([128, 1, 7, 8, 128, 254, 5, 128]), 10) == b"\x07\x08\x05\x05\x05"


@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP", "FRACTIONAL"])
def test_highdicom_with_many_frames_and_segments_is_read(kind: str, make: Any) -> None:
    images = []
    for number in range(5):
        image = make.images["placed"]()
        image.SOPInstanceUID = f"1.2.3.{number + 1}"
        image.PixelSpacing, image.SliceThickness = [1.0, 1.0], 1.0
        image.ImagePositionPatient = [float(number), 0.0, 0.0]
        images.append(image)
    labels = RNG.integers(0, 4, (5, image.Rows, image.Columns)).astype(np.uint8)
    labels[2, labels[2] == 3] = 0
    pixels = np.stack([labels == n for n in (1, 2, 3)], axis=-1)
    described = [
        hd.seg.SegmentDescription(
            segment_number=number,
            segment_label=f"part {number}",
            segmented_property_category=Code("49755003", "SCT", "Abnormal"),
            segmented_property_type=Code("4147007", "SCT", "Mass"),
            algorithm_type="MANUAL",
        )
        for number in (1, 2, 3)
    ]
    written = hd.seg.Segmentation(
        source_images=images,
        pixel_array=labels if kind != "FRACTIONAL" else pixels.astype(np.float32),
        segmentation_type=kind,
        segment_descriptions=described,
        series_instance_uid="1.2.3.100",
        series_number=1,
        sop_instance_uid="1.2.3.101",
        instance_number=1,
        manufacturer="Lab",
        manufacturer_model_name="Tool",
        software_versions="1",
        device_serial_number="1",
    )
    stream = io.BytesIO()
    written.save_as(stream)

    assert_found(stream.getvalue(), {(f"1.2.3.{n + 1}", 0): labels[n] for n in range(len(images))})


@pytest.mark.adapters
def test_exports_of_ohif_are_read(
    make: Any, cornerstone: Callable[[str, list[dict[str, Any]]], list[Any]], tmp_path: Path
) -> None:
    mono, cine = make.images["mono"](), make.images["cine"]()
    other = make.builders.dataset(make.builders.GREY, sop_instance_uid="1.2.3.4.5")
    odd = make.builders.dataset(make.builders.scan(61, 83))
    two = make.two_lesions()
    two[70:80] *= 2
    blot = np.zeros((61, 83), np.uint8)
    blot[5:20, 4:30] = 1
    cases: dict[str, tuple[list[Dataset], dict[tuple[int, int], npt.NDArray[np.uint8]]]] = {
        "mono": ([mono], {(0, 1): two}),
        "cine": ([cine], {(0, 3): two, (0, 5): np.roll(two, 3)}),
        "pair": ([mono, other], {(0, 1): two, (1, 1): np.roll(two, 9)}),
        "odd": ([odd], {(0, 1): blot}),
    }
    forms = {"": {}, "rle": {"syntax": RLE}, "map": {"sopClass": LABEL_MAP}}
    forms["map_rle"] = forms["rle"] | forms["map"]
    jobs = [
        {
            "file": str(tmp_path / f"{name}{form}.dcm"),
            "sources": [make.source_of(image) for image in images],
            "masks": {
                f"{n}/{k}": base64.b64encode(m.tobytes()).decode() for (n, k), m in masks.items()
            },
            **options,
        }
        for name, (images, masks) in cases.items()
        for form, options in forms.items()
    ]

    assert cornerstone("write.mjs", jobs) == [None] * len(jobs)
    for name, (images, masks) in cases.items():
        wanted = {(str(images[n].SOPInstanceUID), k - 1): mask for (n, k), mask in masks.items()}
        for form in forms:
            assert_found((tmp_path / f"{name}{form}.dcm").read_bytes(), wanted)


CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "an image": ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.6.1"}, "is no segmentation"),
    "no rows": ({"Rows": 0}, "0x64 pixels is not read"),
    "many frames": ({"NumberOfFrames": 2_000_000}, "2000000 frames of 40x64"),
    "more frames than pixels": ({"NumberOfFrames": 2}, "describes 1 of them"),
    "12 bits": ({"BitsAllocated": 12}, "12 bits a pixel"),
    "no pixels": ({"PixelData": b""}, "without pixel data"),
    "few pixels": ({"PixelData": bytes(8)}, "needs 320 bytes of pixels, has 8"),
    "words for numbers": ({"NumberOfFrames": "many"}, "cannot be read: ValueError"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_cannot_be_understood_is_refused(change: str, foreign: Any) -> None:
    values, message = CHANGES[change]
    dataset = foreign.segmentation([(EVEN, "1.2.1", None, 1)])
    data = foreign.saved(dataset)
    changed = pydicom.dcmread(io.BytesIO(data))
    for keyword, value in values.items():
        if keyword == "NumberOfFrames":
            changed._dict[pydicom.tag.Tag(keyword)] = pydicom.DataElement(keyword, "LO", str(value))
        else:
            setattr(changed, keyword, value)
    stream = io.BytesIO()
    changed.save_as(stream)

    with pytest.raises(DocumentError, match=message):
        read_segmentation(stream.getvalue())


def test_broken_run_lengths_are_refused(foreign: Any) -> None:
    for data, message in (
        (foreign.run_lengths([b"\0" * 320, b"\0" * 320]), "has 2 planes"),
        (foreign.run_lengths([b"\0" * 100]), "end before its 320 bytes"),
        (b"\0" * 30, "has only 30 bytes"),
    ):
        dataset = foreign.segmentation([(EVEN, "1.2.1", None, 1)], rle=True)
        dataset.PixelData = pydicom.encaps.encapsulate([data])

        with pytest.raises(DocumentError, match=message):
            read_segmentation(foreign.saved(dataset))


def test_what_is_no_dicom_is_refused() -> None:
    for data in (b"", b"PK\3\4" * 100, bytes(200)):
        with pytest.raises(DocumentError, match="no DICOM file"):
            read_segmentation(data)


@pytest.mark.parametrize(
    "syntax", ["1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.4.90", "1.2.3"]
)
def test_other_transfer_syntaxes_are_refused_unread(syntax: str, foreign: Any) -> None:
    dataset = foreign.segmentation([(EVEN, "1.2.1", None, 1)], rle=syntax.endswith("90"))
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.preamble = bytes(128)
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, dataset, implicit_vr=False, little_endian=True, force_encoding=True)

    with pytest.raises(DocumentError, match=r"transfer syntax .* is not read"):
        read_segmentation(stream.getvalue())


@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=8))
def test_mangled_files_are_read_or_refused_but_never_crash(
    foreign: Any, place: int, bytes_there: bytes
) -> None:
    frames = [(EVEN, "1.2.1", None, 1), (EVEN, "1.2.2", 3, 1)]
    data = bytearray(foreign.saved(foreign.segmentation(frames, rle=place % 2 == 0)))
    place %= len(data)
    data[place : place + len(bytes_there)] = bytes_there
    try:
        found = read_segmentation(bytes(data))
    except DocumentError:
        return

    assert all(one.mask.dtype == bool for one in found)


def test_files_cut_anywhere_are_read_or_refused(foreign: Any) -> None:
    data = foreign.saved(foreign.segmentation([(EVEN, "1.2.1", None, 1)]))
    refused = 0
    for length in range(0, len(data), 7):
        try:
            read_segmentation(data[:length])
        except DocumentError:
            refused += 1

    assert refused == len(range(0, len(data), 7))
