"""An archive in memory that can be away, refuse, forget and change, and documents for it."""

import io
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydicom import Dataset, FileDataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, RawDataStorage

from sonoloop.errors import DocumentError, InstanceRefusedError, NotFoundError, PacsError
from sonoloop.pacs.port import ArchiveState
from sonoloop.records import Annotation, ImageRecord, InstanceAddress
from sonoloop.reporting.reading import Reading
from sonoloop.service.reported import Files, MadeDocument
from sonoloop.settings import WriteBackSettings
from sonoloop.store.outbox_entries import DocumentKind


def fake_document(reading: Reading, kind: DocumentKind, previous: bytes | None) -> MadeDocument:
    """A small DICOM file that tells who said what, with another UID every time."""
    said = f"{kind} {reading.record.image_id} {reading.reader} {reading.assessed_at.isoformat()}"
    number = dcmread(io.BytesIO(previous)).InstanceNumber + 1 if previous else 1
    return _file(kind, reading.record, said, f"2.25.{uuid.uuid4().int}", number=number)


def fake_rejection(
    _header: Any,
    record: ImageRecord,
    annotation: Annotation,
    said: Mapping[DocumentKind, InstanceAddress],
) -> MadeDocument:
    """A small DICOM file that tells what it takes back, the same each time."""
    taken = " ".join(address.instance for address in said.values())
    told = f"rejection {record.image_id} {annotation.reader} {taken}"
    instance = f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, taken).int}"
    return _file("rejection", record, told, instance, number=annotation.revision)


def _file(
    kind: DocumentKind, record: ImageRecord, said: str, instance: str, *, number: int
) -> MadeDocument:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = RawDataStorage
    meta.MediaStorageSOPInstanceUID = UID(instance)
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPInstanceUID = instance
    dataset.StudyInstanceUID = record.study_instance_uid
    dataset.SeriesInstanceUID = f"2.25.{len(kind)}"
    dataset.PatientComments = said
    dataset.InstanceNumber = number
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    address = InstanceAddress(
        study=str(record.study_instance_uid),
        series=str(dataset.SeriesInstanceUID),
        instance=instance,
    )
    return MadeDocument(kind=kind, address=address, data=buffer.getvalue())


def make_fakes(
    header: Any, reading: Reading, previous: Files, settings: WriteBackSettings
) -> tuple[MadeDocument, ...]:
    """Both documents of a reading, a segmentation only of a lesion."""
    if header.get("Manufacturer") == "broken":
        raise DocumentError("the header is too broken to refer to")
    if header.get("Manufacturer") == "unheard of":
        raise IndexError("a mistake of ours")
    kinds: list[DocumentKind] = (
        ["segmentation"] if settings.write_seg and reading.mask.any() else []
    )
    kinds += ["report"] if settings.write_sr else []
    before: Mapping[Any, bytes] = previous
    return tuple(fake_document(reading, kind, before.get(kind)) for kind in kinds)


@dataclass
class FakeArchive:
    """An archive that keeps what it is given, as the tests have it.

    Attributes:
        kept: Files by SOPInstanceUID, in the order in which they came.
        stored: Times each instance was sent.
        away: It does not answer.
        refuses: It takes nothing.
        refuses_doubles: It refuses what it has.
        forgets: It says it has kept what it has not.
        changes: Applied to what it is given.
        since: When it went away or came back.
        header_of: What it says of an image.
    """

    kept: dict[str, bytes] = field(default_factory=dict)
    stored: dict[str, int] = field(default_factory=dict)
    away: bool = False
    refuses: bool = False
    refuses_doubles: bool = False
    forgets: bool = False
    changes: Callable[[bytes], bytes] = lambda data: data
    since: float = 1_700_000_000.0
    header_of: Callable[[ImageRecord], Dataset] = lambda _record: Dataset()

    def _answer(self) -> None:
        if self.away:
            raise PacsError("the PACS does not answer")

    def header(self, record: ImageRecord) -> Dataset:
        self._answer()
        return self.header_of(record)

    def instances(self, study: str, modality: Literal["SEG", "SR", "US"]) -> list[InstanceAddress]:
        raise AssertionError(f"the outbox knows its addresses, and asked for {modality} of {study}")

    def retrieve(self, address: InstanceAddress) -> bytes:
        self._answer()
        if address.instance not in self.kept:
            raise NotFoundError(f"no instance {address.instance}")
        return self.kept[address.instance]

    def store(self, study: str, instances: Sequence[bytes]) -> None:
        self._answer()
        for data in instances:
            uid = str(dcmread(io.BytesIO(data)).SOPInstanceUID)
            if self.refuses or (self.refuses_doubles and uid in self.kept):
                raise InstanceRefusedError(f"the PACS refuses instance {uid}")
            self.stored[uid] = self.stored.get(uid, 0) + 1
            if not self.forgets:
                self.kept.setdefault(uid, self.changes(data))

    @property
    def state(self) -> ArchiveState:
        problem = "the PACS does not answer" if self.away else None
        return ArchiveState(reachable=not self.away, problem=problem, since=self.since)

    def said(self) -> list[str]:
        """What the documents say, in the order in which they came."""
        return [str(dcmread(io.BytesIO(data)).PatientComments) for data in self.kept.values()]
