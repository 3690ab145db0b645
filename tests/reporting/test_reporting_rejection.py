"""The note that takes documents back."""

import io
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import highdicom as hd
import pydicom
import pytest
from pydicom import Dataset

from sonoloop.errors import DocumentError
from sonoloop.reporting.documents import Document, Documents, documents_for, rejection_of

WHEN = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def note_of(image: Dataset, make: Any, **said: Any) -> tuple[Documents, Document]:
    """Documents on an image, and what takes them back."""
    frame = make.frame_of(image)
    documents = documents_for(image, make.reading(image, frame, **said))
    kinds: dict[Any, Any] = {"segmentation": documents.segmentation, "report": documents.report}
    where = {kind: one.address for kind, one in kinds.items()}
    record = make.record(image, frame)
    return documents, rejection_of(image, record, where, number=3, at=WHEN)


def test_it_lists_what_it_takes_back_by_its_kind(image: Dataset, make: Any) -> None:
    documents, note = note_of(image, make)
    told = pydicom.dcmread(io.BytesIO(note.data))
    read = hd.ko.KeyObjectSelectionDocument.from_dataset(told)

    assert told.ConceptNameCodeSequence[0].CodeValue == "113001"
    assert [
        (item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID)
        for group in read.content.get_references()
        for item in group.ReferencedSOPSequence
    ] == [(one.sop_class_uid, one.address.instance) for one in documents.all]
    assert [group.ValueType for group in read.content.get_references()] == ["IMAGE", "COMPOSITE"]
    for one in documents.all:
        assert read.resolve_reference(one.address.instance) == (
            one.address.study,
            one.address.series,
            one.address.instance,
        )


def test_it_is_about_the_same_patient_and_study(image: Dataset, make: Any) -> None:
    _, note = note_of(image, make)
    told = pydicom.dcmread(io.BytesIO(note.data))

    assert told.StudyInstanceUID == image.StudyInstanceUID
    assert told.PatientID == image.PatientID
    assert str(told.get("PatientName", "")) == str(image.get("PatientName", ""))
    assert (told.Modality, told.InstanceNumber) == ("KO", 3)
    assert told.SeriesDescription.startswith("Withdrawn, image ")


def test_it_is_the_same_each_time_and_another_for_other_documents(make: Any) -> None:
    first, again, other = (
        note_of(make.images["mono"](), make, reader=reader)[1] for reader in ("Doe", "Doe", "Roe")
    )

    assert first == again
    assert first.address.instance != other.address.instance


def test_of_another_image_there_is_none(make: Any) -> None:
    image, other = make.images["mono"](), make.images["mono"]()
    other.SOPInstanceUID = "1.2.3.4.5"
    documents = documents_for(image, make.reading(image))
    assert documents.report is not None

    with pytest.raises(DocumentError, match=r"the header is of image 1\.2\.3\.4\.5"):
        rejection_of(
            other, make.record(image), {"report": documents.report.address}, number=1, at=WHEN
        )


@pytest.mark.dciodvfy
def test_it_is_valid(image: Dataset, make: Any, validate: Callable[[bytes], list[str]]) -> None:
    assert validate(note_of(image, make)[1].data) == []
