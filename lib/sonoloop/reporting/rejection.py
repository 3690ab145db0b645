"""What takes documents back: a rejection note, a Key Object Selection (PS3.3 A.35.4, TID 2010).

Nothing can be deleted from an archive over DICOMweb. Archives that follow IHE's Imaging Object
Change Management (RAD TF-3, 4.66.4.1.3.1) stop showing what a note titled "Rejected for Quality
Reasons" refers to; others keep the note beside it, where people and programs can read it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from highdicom import ko, sr
from pydicom import Dataset
from pydicom.uid import SegmentationStorage

from sonoloop.records import ImageRecord, InstanceAddress
from sonoloop.reporting import codes
from sonoloop.reporting.identity import (
    EQUIPMENT,
    blank_image,
    sign_over,
)
from sonoloop.reporting.observers import our_device
from sonoloop.reporting.segmentation import name_of_image

SERIES_NUMBER: Final = 9003
DESCRIPTION: Final = "The annotation was withdrawn: what is listed here counts no more."


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A document that is taken back."""

    sop_class_uid: str
    address: InstanceAddress


def write_rejection(
    header: Dataset,
    record: ImageRecord,
    rejected: Sequence[Rejected],
    address: InstanceAddress,
    *,
    number: int,
    at: datetime,
) -> Dataset:
    """The note that rejects documents on an image.

    Args:
        header: Of the image.
        record: The image.
        rejected: At least one, all of the image's study.
        address: What the new instance is called.
        number: InstanceNumber.
        at: When the annotation was withdrawn.
    """
    evidence = [_evidence(header, one) for one in rejected]
    note = ko.KeyObjectSelectionDocument(
        evidence=evidence,
        content=ko.KeyObjectSelection(
            document_title=sr.CodedConcept.from_code(codes.REJECTED),
            referenced_objects=evidence,
            observer_device_context=our_device(),
            description=DESCRIPTION,
        ),
        series_instance_uid=address.series,
        series_number=SERIES_NUMBER,
        sop_instance_uid=address.instance,
        instance_number=number,
        **EQUIPMENT,
        series_description=f"Withdrawn, {name_of_image(header, record)}",
    )
    sign_over(note, header, at)
    del note.ContentQualification  # no part of this kind of document
    return note


def _evidence(header: Dataset, rejected: Rejected) -> Dataset:
    """A document as far as a note refers to it: whose it is comes last."""
    evidence = blank_image(header)
    if rejected.sop_class_uid != SegmentationStorage:
        del evidence.Rows, evidence.Columns  # by these highdicom tells images from the rest
    evidence.SOPClassUID = rejected.sop_class_uid
    evidence.StudyInstanceUID = rejected.address.study
    evidence.SeriesInstanceUID = rejected.address.series
    evidence.SOPInstanceUID = rejected.address.instance
    return evidence
