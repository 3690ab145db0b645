"""What the documents of a reading say, and how they follow one another."""

import io
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom import Dataset

from sonoloop.errors import DocumentError
from sonoloop.labels import Pathology
from sonoloop.reporting.documents import (
    Document,
    DocumentOptions,
    documents_for,
    read_documents,
)
from sonoloop.reporting.foreign import read_segmentation
from sonoloop.reporting.identity import person_name


def parsed(document: Document | None) -> Dataset:
    assert document is not None
    return pydicom.dcmread(io.BytesIO(document.data))


def content(report: Dataset) -> list[Dataset]:
    """Every content item, depth first."""

    def walk(item: Dataset) -> list[Dataset]:
        return [item, *(deep for child in item.get("ContentSequence", ()) for deep in walk(child))]

    return walk(report)[1:]


def said(report: Dataset, meaning: str) -> list[Dataset]:
    """Content items of that concept."""
    return [
        item
        for item in content(report)
        if item.get("ConceptNameCodeSequence")
        and item.ConceptNameCodeSequence[0].CodeMeaning == meaning
    ]


@pytest.fixture
def mono(make: Any) -> Dataset:
    image: Dataset = make.images["mono"]()
    return image


def test_equal_readings_give_equal_bytes(mono: Dataset, make: Any) -> None:
    first, second = (documents_for(mono, make.reading(mono)) for _ in range(2))

    assert first.all == second.all


def test_any_other_word_is_another_instance_in_the_same_series(mono: Dataset, make: Any) -> None:
    first = documents_for(mono, make.reading(mono))
    changes: list[dict[str, Any]] = [
        {"birads": "5"},
        {"reader": "Roe^Richard"},
        {"pathology": Pathology.BENIGN},
        {"probabilities": {Pathology.MALIGNANT: 0.1}},
        {"mask": make.one_lesion()},
        {"models": {"segmentation": "seg-2"}},
    ]
    others = [documents_for(mono, make.reading(mono, **change)) for change in changes]
    instances = {one.address.instance for documents in others for one in documents.all}

    assert len(instances | {one.address.instance for one in first.all}) == 2 * len(changes) + 2
    assert {tuple(one.address.series for one in documents.all) for documents in others} == {
        tuple(one.address.series for one in first.all)
    }


def test_frames_of_a_cine_have_series_of_their_own(make: Any) -> None:
    cine = make.images["cine"]()
    found = [documents_for(cine, make.reading(cine, frame)) for frame in (0, 1)]
    references = [
        parsed(documents.segmentation).PerFrameFunctionalGroupsSequence[0]
        .DerivationImageSequence[0].SourceImageSequence[0]
        for documents in found
    ]  # fmt: skip

    assert len({one.address.series for documents in found for one in documents.all}) == 4
    assert [one.ReferencedFrameNumber for one in references] == [1, 2]
    assert {one.ReferencedSOPClassUID for one in references} == {cine.SOPClassUID}


def test_revisions_count_up_and_name_their_predecessor(mono: Dataset, make: Any) -> None:
    draft = documents_for(mono, make.reading(mono, state="draft", reader=""))
    kept = read_documents(*(one.data for one in draft.all))
    final = documents_for(mono, make.reading(mono), previous=kept)
    third = documents_for(mono, make.reading(mono, birads="5"), previous=final)
    report = parsed(third.report)
    (study,) = report.PredecessorDocumentsSequence
    named = study.ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID

    assert [documents.number for documents in (draft, kept, final, third)] == [1, 1, 2, 3]
    assert final.report is not None
    assert named == final.report.address.instance
    assert [one.address.series for one in third.all] == [one.address.series for one in draft.all]
    assert [a.tracking_uid for a in third.lesions] == [a.tracking_uid for a in draft.lesions]
    assert "PredecessorDocumentsSequence" not in parsed(draft.report)


def test_numbers_go_on_over_a_revision_without_a_lesion(mono: Dataset, make: Any) -> None:
    first = documents_for(mono, make.reading(mono))
    none = documents_for(mono, make.reading(mono, **make.no_lesion), previous=first)
    again = documents_for(mono, make.reading(mono), previous=read_documents(None, none.all[0].data))

    assert none.segmentation is None
    assert [one.number for one in again.all] == [3, 3]


def test_drafts_are_signed_by_the_device_alone(mono: Dataset, make: Any) -> None:
    documents = documents_for(mono, make.reading(mono, state="draft", reader=""))
    report, segmentation = parsed(documents.report), parsed(documents.segmentation)
    observers = [item.ConceptCodeSequence[0].CodeMeaning for item in said(report, "Observer Type")]

    assert observers == ["Device"]
    assert (report.CompletionFlag, report.PreliminaryFlag) == ("COMPLETE", "PRELIMINARY")
    assert report.VerificationFlag == "UNVERIFIED"
    assert segmentation.SegmentSequence[0].SegmentAlgorithmType == "AUTOMATIC"
    assert segmentation.get("ContentCreatorName") in (None, "")


def test_final_reports_are_verified_by_the_reader(mono: Dataset, make: Any) -> None:
    options = DocumentOptions(organization="Clinic")
    report = parsed(documents_for(mono, make.reading(mono), options=options).report)
    (verified,) = report.VerifyingObserverSequence
    observers = [item.ConceptCodeSequence[0].CodeMeaning for item in said(report, "Observer Type")]

    assert observers == ["Person", "Device"]
    assert (report.PreliminaryFlag, report.VerificationFlag) == ("FINAL", "VERIFIED")
    assert verified.VerifyingObserverName == "Doe^Jane"
    assert verified.VerifyingOrganization == "Clinic"


def test_how_the_mask_was_made_is_told(mono: Dataset, make: Any) -> None:
    mask = make.two_lesions()
    changes: dict[str, dict[str, Any]] = {
        "MANUAL": {"models": {"classification": "cls-1"}},
        "AUTOMATIC": {"proposed": mask.astype(bool)},
        "SEMIAUTOMATIC": {"proposed": np.roll(mask, 1)},
    }
    for origin, change in changes.items():
        documents = documents_for(mono, make.reading(mono, **change))
        segment = parsed(documents.segmentation).SegmentSequence[0]

        assert segment.SegmentAlgorithmType == origin
        assert ("SegmentAlgorithmName" in segment) == (origin != "MANUAL")


def test_millimetres_are_told_only_where_the_image_is_calibrated(mono: Dataset, make: Any) -> None:
    calibrated = parsed(documents_for(mono, make.reading(mono)).report)
    documents = documents_for(mono, make.reading(mono, spacing_mm=None))
    report, segmentation = parsed(documents.report), parsed(documents.segmentation)
    measures = segmentation.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]

    assert len(said(calibrated, "Long Axis")) == 2
    assert [item for item in content(report) if "MeasuredValueSequence" in item] == [
        *said(report, "Pixel Data Rows"),
        *said(report, "Pixel Data Columns"),
        *said(report, "Probability of cancer"),
    ]
    assert list(measures.PixelSpacing) == [1, 1]


def test_probabilities_are_of_the_lesion_they_were_given_for(mono: Dataset, make: Any) -> None:
    report = parsed(documents_for(mono, make.reading(mono)).report)
    lone = make.reading(mono, mask=make.one_lesion(), lesions=())
    of_image = parsed(documents_for(mono, lone).report)
    (first,) = said(report, "Probability of cancer")
    (whole,) = said(of_image, "Probability of cancer")
    models = [item.TextValue for item in said(report, "Algorithm Parameters")]

    assert first.MeasuredValueSequence[0].NumericValue == 70
    assert whole.MeasuredValueSequence[0].NumericValue == 80
    assert models == ["classification: cls-1", "segmentation: seg-1"]


def test_a_normal_image_is_reported_as_normal(mono: Dataset, make: Any) -> None:
    report = parsed(documents_for(mono, make.reading(mono, **make.no_lesion)).report)
    (finding,) = said(report, "Finding")
    (category,) = said(report, "Assessment Category")

    assert finding.ConceptCodeSequence[0].CodeMeaning == "Ultrasound scan normal"
    assert category.ConceptCodeSequence[0].CodeValue == "397140005"
    assert said(report, "Long Axis") == []


def test_an_image_that_cannot_be_assessed_is_not_called_normal(mono: Dataset, make: Any) -> None:
    words = make.no_lesion | {"pathology": None, "birads": None, "not_assessable": "no contact"}
    report = parsed(documents_for(mono, make.reading(mono, **words)).report)

    assert said(report, "Finding") == []
    assert said(report, "Comment")[0].TextValue == "no contact"
    assert said(report, "Quality Assessment")[0].ConceptCodeSequence[0].CodeMeaning == (
        "Image not assessable"
    )


def test_sides_are_carried(make: Any) -> None:
    for kind, side in (("rgb", "Left"), ("jpeg", "Right")):
        image = make.images[kind]()
        report = parsed(documents_for(image, make.reading(image)).report)
        (laterality, *_) = said(report, "Laterality")

        assert laterality.ConceptCodeSequence[0].CodeMeaning == side


@pytest.mark.parametrize("kind", ["korean", "chinese", "bare", "mono"])
def test_documents_belong_to_the_patient_and_study_of_the_image(kind: str, make: Any) -> None:
    image = make.images[kind]()
    for document in documents_for(image, make.reading(image)).all:
        written = parsed(document)

        assert written.SpecificCharacterSet == "ISO_IR 192"
        for keyword in ("PatientName", "PatientID", "PatientBirthDate", "StudyDate", "StudyID"):
            assert str(written[keyword].value or "") == str(image.get(keyword) or "")
        assert written.StudyInstanceUID == image.StudyInstanceUID
        assert written.ContentQualification == "RESEARCH"


def test_the_metadata_of_a_pacs_is_header_enough(make: Any) -> None:
    for kind in ("korean", "cine", "jpeg"):
        image = make.images[kind]()
        del image.PixelData
        told = Dataset.from_json(image.to_json_dict())
        reading = make.reading(image, make.frame_of(image))

        assert documents_for(told, reading).all == documents_for(image, reading).all


def test_odd_headers_are_carried_as_they_are(mono: Dataset, make: Any) -> None:
    odd: dict[str, Any] = {
        "PatientID": ["A", "B"],
        "PatientName": "No Caret",
        "PatientSex": "X",
        "PatientBirthDate": "sometime",
        "StudyDate": "2024",
        "StudyTime": "25:61",
        "StudyID": "longer than the sixteen characters of SH",
        "Laterality": "middle",
        "InstanceNumber": None,
        "FrameOfReferenceUID": "1.2.3",
        "ImagePositionPatient": [0, "1"],
        "ImageOrientationPatient": [1, 0, 0],
    }
    for keyword, value in odd.items():
        setattr(mono, keyword, value)
    for document in documents_for(mono, make.reading(mono)).all:
        written = parsed(document)

        for keyword in list(odd)[:7]:
            assert written[keyword].value == mono[keyword].value
        assert written.get("FrameOfReferenceUID") != "1.2.3"


@pytest.mark.parametrize("keyword", ["Rows", "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID"])
def test_a_header_without_what_is_needed_is_refused(keyword: str, mono: Dataset, make: Any) -> None:
    reading = make.reading(mono)
    del mono[keyword]

    with pytest.raises(DocumentError, match=r"no UID|tells Nonex128 pixels"):
        documents_for(mono, reading)


def test_a_value_that_cannot_be_parsed_is_refused(mono: Dataset, make: Any) -> None:
    reading = make.reading(mono)
    raw = pydicom.dataelem.RawDataElement(pydicom.tag.Tag("Rows"), "US", 3, b"one", 0, False, True)
    mono._dict[raw.tag] = raw

    with pytest.raises(DocumentError, match="Rows of the image cannot be parsed"):
        documents_for(mono, reading)


def test_geometry_is_the_images_own_where_it_tells_all_of_it(make: Any) -> None:
    own, mono = make.images["placed"](), make.images["mono"]()
    placed = parsed(documents_for(own, make.reading(own)).segmentation)
    invented = parsed(documents_for(mono, make.reading(mono)).segmentation)
    plain = parsed(
        documents_for(
            mono, make.reading(mono), options=DocumentOptions(geometry="none")
        ).segmentation
    )
    orientation = placed.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0]

    assert placed.FrameOfReferenceUID == "1.2.3.4"
    assert list(orientation.ImageOrientationPatient) == [0, 1, 0, 0, 0, -1]
    assert invented.FrameOfReferenceUID.startswith("2.25.")
    assert "FrameOfReferenceUID" not in plain
    assert plain.PatientOrientation in (None, "")


@pytest.mark.parametrize("position", [[0, 1, "nowhere"], [0, 1, float("inf")], [0, 1]])
def test_half_a_place_in_the_patient_is_none(position: list[Any], make: Any) -> None:
    image = make.images["placed"]()
    image.add(pydicom.DataElement("ImagePositionPatient", "LO", [str(one) for one in position]))
    segmentation = parsed(documents_for(image, make.reading(image)).segmentation)

    assert segmentation.FrameOfReferenceUID.startswith("2.25.")


def test_invented_frames_of_reference_are_shared_by_no_two_images(make: Any) -> None:
    cine, mono = make.images["cine"](), make.images["mono"]()
    other = make.builders.dataset(make.builders.GREY, sop_instance_uid="1.2.3")
    readings = [(cine, 0), (cine, 1), (mono, 0), (other, 0)]
    frames = {
        parsed(documents_for(image, make.reading(image, frame)).segmentation).FrameOfReferenceUID
        for image, frame in readings
    }

    assert len(frames) == 3  # the cine and the single image of these builders have one UID


def test_without_a_segmentation_the_report_names_none(mono: Dataset, make: Any) -> None:
    options = DocumentOptions(segmentation=False)
    report = parsed(documents_for(mono, make.reading(mono), options=options).report)

    assert said(report, "Referenced Segmentation Frame") == []
    assert len(said(report, "Tracking Unique Identifier")) == 2
    assert len(said(report, "Long Axis")) == 2


def test_no_name_is_told_while_documents_are_made(
    make: Any, caplog: pytest.LogCaptureFixture
) -> None:
    image = make.images["mono"]()
    image.PatientName = "Onlyfamily"
    image.PatientID = "Toolongforanid" * 6
    image = pydicom.dcmread(io.BytesIO(make.builders.saved(image)))
    with caplog.at_level("DEBUG"):
        documents = documents_for(image, make.reading(image, reader="Mononym"))

    assert "Onlyfamily" not in caplog.text
    assert "Toolong" not in caplog.text
    assert "Mononym" not in caplog.text
    assert parsed(documents.segmentation).PatientName == "Onlyfamily"


def test_a_header_of_another_image_is_refused(mono: Dataset, make: Any) -> None:
    reading = make.reading(mono)
    other = make.builders.dataset(make.builders.GREY, sop_instance_uid="1.2.3")
    small = make.builders.dataset(make.builders.scan(64, 64))
    broken = make.images["mono"]()
    broken.StudyInstanceUID = "not a uid"

    with pytest.raises(DocumentError, match=r"the header is of image 1\.2\.3"):
        documents_for(other, reading)
    with pytest.raises(DocumentError, match="tells 64x64 pixels"):
        documents_for(small, reading)
    with pytest.raises(DocumentError, match="StudyInstanceUID of the image is 'not a uid'"):
        documents_for(broken, reading)


def test_files_of_others_are_no_documents_of_ours(mono: Dataset, make: Any) -> None:
    documents = documents_for(mono, make.reading(mono))
    segmentation, report = (one.data for one in documents.all)
    foreign = pydicom.dcmread(io.BytesIO(segmentation))
    foreign.Manufacturer = "Somebody"
    stream = io.BytesIO()
    foreign.save_as(stream)

    for files in ((stream.getvalue(), None), (None, segmentation), (None, b"x"), (report, None)):
        with pytest.raises(DocumentError, match=r"of ours|no segmentation"):
            read_documents(*files)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"mask": np.zeros((3, 4), np.uint8)}, "the mask of shape"),
        ({"proposed": np.zeros((3, 4), np.uint8)}, "the proposed mask of shape"),
        ({"state": "draft"}, "a draft reading has the reader"),
        ({"reader": ""}, "a final reading has the reader ''"),
        ({"not_assessable": "no contact"}, "not assessable, and yet 2200 pixels"),
    ],
)
def test_a_reading_that_contradicts_itself_is_refused(
    changes: dict[str, Any], problem: str, mono: Dataset, make: Any
) -> None:
    with pytest.raises(DocumentError, match=problem):
        make.reading(mono, **changes)


def test_a_time_without_a_zone_is_refused(mono: Dataset, make: Any) -> None:
    naive = make.reading(mono).assessed_at.replace(tzinfo=None)

    with pytest.raises(DocumentError, match="tells no time zone"):
        make.reading(mono, assessed_at=naive)


@pytest.mark.parametrize(
    ("reader", "name"),
    [
        ("Doe^Jane", "Doe^Jane"),
        ("a\\b=c", "a b c^"),
        ("王" * 40, "王" * 21 + "^"),
        (" x\x00 ", "x^"),
    ],
)
def test_readers_become_names_that_dicom_can_hold(reader: str, name: str) -> None:
    assert person_name(reader) == name


def test_our_own_reader_reads_them_exactly(image: Dataset, make: Any) -> None:
    frame = make.frame_of(image)
    documents = documents_for(image, make.reading(image, frame))
    assert documents.segmentation is not None
    found = read_segmentation(documents.segmentation.data)

    assert {(one.image_sop_uid, one.frame) for one in found} == {(image.SOPInstanceUID, frame)}
    assert [(one.segment, one.label, one.tracking_uid) for one in found] == [
        (one.segment, one.tracking_id, one.tracking_uid) for one in documents.lesions
    ]
    for one, lesion in zip(found, documents.lesions, strict=True):
        np.testing.assert_array_equal(one.mask, lesion.mask)
        assert one.source.ours
