"""The documents of one reading: a segmentation, when there is a lesion, and a report.

Each image (and each frame of a cine) has one series of segmentations and one of reports; a
revision is a new instance of both, whose number counts up. Series keep their UIDs, lesions their
tracking UIDs. An instance's UID depends on all it says, so the same reading made twice is the same
instance, and another never has its UID.
"""

import dataclasses
import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.filewriter import dcmwrite
from pydicom.uid import (
    UID,
    Comprehensive3DSRStorage,
    KeyObjectSelectionDocumentStorage,
    SegmentationStorage,
)

from sonoloop import __version__
from sonoloop.errors import DocumentError
from sonoloop.imaging.dicom_header import PARSE_ERRORS
from sonoloop.imaging.write_dicom import stable_uid
from sonoloop.labels import Pathology
from sonoloop.records import ImageRecord, InstanceAddress
from sonoloop.reporting.foreign import read_segmentation
from sonoloop.reporting.identity import checked_header, is_ours
from sonoloop.reporting.reading import Reading
from sonoloop.reporting.tracking import TrackedLesion as TrackedLesion
from sonoloop.reporting.tracking import lesion_masks, track

Geometry = Literal["synthetic", "none"]
DocumentKind = Literal["segmentation", "report", "rejection"]
SOP_CLASSES: Final[Mapping[DocumentKind, str]] = {
    "segmentation": SegmentationStorage,
    "report": Comprehensive3DSRStorage,
    "rejection": KeyObjectSelectionDocumentStorage,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentOptions:
    """What is written, and how.

    Attributes:
        segmentation: Write the DICOM SEG.
        report: Write the DICOM SR.
        geometry: ``synthetic`` gives images without a frame of reference an invented one, which
            viewers need to show a segmentation; ``none`` leaves it out, as the standard allows.
        organization: Who vouches for final reports (VerifyingOrganization).
    """

    segmentation: bool = True
    report: bool = True
    geometry: Geometry = "synthetic"
    organization: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One DICOM file.

    Attributes:
        data: The file, with preamble.
        sop_class_uid: Segmentation, Comprehensive 3D SR or Key Object Selection Document Storage.
        number: InstanceNumber; later revisions have higher ones.
    """

    data: bytes
    address: InstanceAddress
    sop_class_uid: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Documents:
    """What is said of one image, as DICOM.

    Attributes:
        segmentation: None when there is no lesion, or none is wanted.
        report: None when none is wanted.
        lesions: In the order of the segments.
    """

    segmentation: Document | None
    report: Document | None
    lesions: tuple[TrackedLesion, ...]

    @property
    def number(self) -> int:
        """InstanceNumber of both; 0 when there is neither."""
        return max((one.number for one in (self.segmentation, self.report) if one), default=0)

    @property
    def all(self) -> tuple[Document, ...]:
        """What there is, the segmentation first: the report refers to it."""
        return tuple(one for one in (self.segmentation, self.report) if one)


def documents_for(
    header: Dataset,
    reading: Reading,
    *,
    previous: Documents | None = None,
    options: DocumentOptions | None = None,
) -> Documents:
    """The documents of a reading.

    Args:
        header: What DICOM says of the image, without its pixels; of a cine, of the whole of it.
        reading: What is said of it.
        previous: Documents of the revision before, if there was one: from the call that made
            them, or from :func:`read_documents`.
        options: What is written; the defaults write everything.

    Raises:
        DocumentError: If the header is not that of the reading's image, or too broken to refer to.
    """
    from sonoloop.reporting.report import write_report  # highdicom takes seconds to import
    from sonoloop.reporting.segmentation import write_segmentation

    options = options or DocumentOptions()
    known = checked_header(header, reading.record)
    number = (previous.number if previous else 0) + 1
    digest = _digest(reading, number, previous, options)
    lesions = track(lesion_masks(reading.mask), previous.lesions if previous else (), seed=digest)
    segmentation = report = None
    if lesions and options.segmentation:
        segmentation = write_segmentation(
            known,
            reading,
            lesions,
            _address(known, reading, "segmentation", digest),
            number=number,
            synthetic=options.geometry == "synthetic",
        )
    if options.report:
        report = write_report(
            known,
            reading,
            lesions,
            _address(known, reading, "report", digest),
            number=number,
            segmentation=segmentation,
            predecessor=previous.report.address if previous and previous.report else None,
            organization=options.organization,
        )
    return Documents(
        segmentation=_document(segmentation, number),
        report=_document(report, number),
        lesions=lesions,
    )


def rejection_of(
    header: Dataset,
    record: ImageRecord,
    rejected: Mapping[DocumentKind, InstanceAddress],
    *,
    number: int,
    at: datetime,
) -> Document:
    """The note that takes documents of a reading back; see :mod:`sonoloop.reporting.rejection`.

    Args:
        header: As of :func:`documents_for`.
        record: The image.
        rejected: Where the documents are, at least one.
        number: InstanceNumber: the revision that was withdrawn.
        at: When it was withdrawn.

    Raises:
        DocumentError: If the header is not that of the image, or too broken to refer to.
    """
    from sonoloop.reporting.rejection import Rejected, write_rejection  # as above

    known = checked_header(header, record)
    said = [
        Rejected(sop_class_uid=SOP_CLASSES[kind], address=address)
        for kind, address in rejected.items()
    ]
    instances = [one.address.instance for one in said]
    address = InstanceAddress(
        study=str(known.StudyInstanceUID),
        series=series_uid(record, "rejection"),
        instance=stable_uid("sonoloop rejection", *instances),
    )
    note = write_rejection(known, record, said, address, number=number, at=at)
    return _written(note, number)


def read_documents(segmentation: bytes | None, report: bytes | None) -> Documents:
    """Documents this module wrote, from their files; what ``previous`` is made of.

    Raises:
        DocumentError: If a file is none of ours.
    """
    lesions: tuple[TrackedLesion, ...] = ()
    if segmentation is not None:
        found = read_segmentation(segmentation)
        lesions = tuple(
            TrackedLesion(
                segment=one.segment,
                tracking_uid=one.tracking_uid,
                tracking_id=one.label,
                mask=one.mask,
            )
            for one in found
        )
    return Documents(
        segmentation=_read(segmentation, SegmentationStorage),
        report=_read(report, Comprehensive3DSRStorage),
        lesions=lesions,
    )


def _digest(
    reading: Reading, number: int, previous: Documents | None, options: DocumentOptions
) -> str:
    """Of everything the documents say; the header is left out, since a SOP instance keeps it."""
    said = {
        "image": [reading.record.sop_instance_uid, reading.record.frame, reading.spacing_mm],
        "mask": hashlib.sha256(np.ascontiguousarray(reading.mask, np.uint8).tobytes()).hexdigest(),
        "state": [reading.state, reading.reader, reading.origin, reading.assessed_at.isoformat()],
        "words": [reading.pathology, reading.birads, reading.not_assessable],
        "models": dict(reading.models),
        "probabilities": _plain(reading.probabilities or {}),
        "lesions": [[one.box.as_list(), _plain(one.probabilities)] for one in reading.lesions],
        "number": number,
        "previous": [one.address.instance for one in previous.all] if previous else [],
        "options": dataclasses.asdict(options),
        "version": __version__,
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def series_uid(record: ImageRecord, kind: DocumentKind) -> str:
    """SeriesInstanceUID of all segmentations, or of all reports, of an image."""
    image = (record.sop_instance_uid or record.image_id, str(record.frame))
    return stable_uid(f"sonoloop {kind} series", *image)


def _plain(probabilities: Mapping[Pathology, float]) -> dict[str, float]:
    return {str(pathology): value for pathology, value in probabilities.items()}


def _address(header: Dataset, reading: Reading, kind: DocumentKind, digest: str) -> InstanceAddress:
    image = (str(header.SOPInstanceUID), str(reading.record.frame))
    return InstanceAddress(
        study=str(header.StudyInstanceUID),
        series=series_uid(reading.record, kind),
        instance=stable_uid(f"sonoloop {kind}", *image, digest),
    )


def _document(dataset: Dataset | None, number: int) -> Document | None:
    return None if dataset is None else _written(dataset, number)


def _written(dataset: Dataset, number: int) -> Document:
    stream = io.BytesIO()
    dcmwrite(stream, dataset, enforce_file_format=True)
    return Document(
        data=stream.getvalue(),
        address=_address_of(dataset),
        sop_class_uid=str(dataset.SOPClassUID),
        number=number,
    )


def _read(data: bytes | None, sop_class: str) -> Document | None:
    if data is None:
        return None
    try:
        dataset = dcmread(io.BytesIO(data), stop_before_pixels=True)
        if not is_ours(dataset) or dataset.SOPClassUID != sop_class:
            raise DocumentError(f"a file of {len(data)} bytes is no {UID(sop_class).name} of ours")
        return Document(
            data=data,
            address=_address_of(dataset),
            sop_class_uid=sop_class,
            number=int(dataset.InstanceNumber),
        )
    except PARSE_ERRORS as error:
        if isinstance(error, DocumentError):
            raise
        raise DocumentError(
            f"a file of {len(data)} bytes is no document of ours: {type(error).__name__}"
        ) from error


def _address_of(dataset: Dataset) -> InstanceAddress:
    return InstanceAddress(
        study=str(dataset.StudyInstanceUID),
        series=str(dataset.SeriesInstanceUID),
        instance=str(dataset.SOPInstanceUID),
    )
