"""One entry of the outbox on its way: documents made, sent, read back, compared.

Every step is on the disk before the next begins, and every step may be done twice: what a crash
interrupts is done again by the next server, with the same UIDs and the same bytes.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from sonoloop.errors import (
    DocumentError,
    InstanceRefusedError,
    NotFoundError,
    PacsError,
    SonoloopError,
    StoreError,
)
from sonoloop.imaging.dicom_header import PARSE_ERRORS
from sonoloop.pacs.comparing import differences
from sonoloop.pacs.port import DicomArchive
from sonoloop.records import Annotation
from sonoloop.service.labelling import revision_of
from sonoloop.service.reported import (
    MadeDocument,
    MakeDocuments,
    MakeRejection,
    make_documents,
    make_rejection,
    reading_of,
)
from sonoloop.settings import WriteBackSettings
from sonoloop.store import files
from sonoloop.store.outbox_entries import KeptDocument, OutboxEntry
from sonoloop.store.store import Store

logger = logging.getLogger(__name__)

Delivered = Literal["verified", "off"]

SWITCHED_OFF: Final = "writing to the archive is switched off (write_seg, write_sr)"
DRAFTS_OFF: Final = "drafts of models are not written (write_drafts)"
WITHDRAWN: Final = "the annotation was withdrawn before it was sent"
OVERTAKEN: Final = "the archive has a later answer for the image already"
NOTHING: Final = "there is nothing to write: no lesion, and reports are switched off (write_sr)"


@dataclass(frozen=True, slots=True)
class _File:
    document: KeptDocument
    data: bytes


class Delivery:
    """Takes entries to the archive, one at a time."""

    def __init__(
        self,
        store: Store,
        archive: DicomArchive,
        settings: WriteBackSettings,
        *,
        make: MakeDocuments = make_documents,
        reject: MakeRejection = make_rejection,
    ) -> None:
        self._store, self._archive, self._settings = store, archive, settings
        self._make, self._reject = make, reject
        self._folder = store.paths.outbox

    def deliver(self, entry: OutboxEntry) -> Delivered:
        """Do what is left to be done for an entry.

        Raises:
            PacsError: If the archive cannot be asked, or does not give back what it took.
            InstanceRefusedError: If it refuses a document, or keeps another content.
            DocumentError: If the documents cannot be made.
            NotFoundError: If the image has left the archive.
            ImageReadError: If its header cannot be read any more.
            StoreError: If the disk or the database fails.
        """
        annotation = revision_of(self._store, entry.image_id, entry.tag, entry.revision)
        if _is_to_be_taken_back(entry, annotation):
            return self._take_back(entry, annotation)
        reason = None if entry.state == "sent" else self._reason_against(entry, annotation)
        sending = () if reason else self._kept(entry) or self._made(entry, annotation)
        if not sending:
            self._store.outbox.turn_off(entry.entry_id, reason or NOTHING)
            return "off"
        self._bring(entry, sending)
        return "verified"

    def _bring(self, entry: OutboxEntry, sending: Sequence[_File]) -> None:
        """Have the archive keep documents, as they are."""
        # Of an earlier try the answer may have been lost, and not the documents.
        may_be_there = entry.state == "sent" or entry.attempts > 0
        arrived = may_be_there and self._is_there(sending)
        if not arrived:
            self._send(sending)
        self._store.outbox.mark_sent(entry.entry_id)
        if not (arrived or self._is_there(sending)):
            raise PacsError("the archive took the documents and does not give them back yet")
        for name in self._store.outbox.mark_verified(entry.entry_id):
            (self._folder / name).unlink(missing_ok=True)

    def _take_back(self, entry: OutboxEntry, annotation: Annotation) -> Delivered:
        """Tell the archive that what it has of a withdrawn annotation counts no more."""
        if not (self._settings.write_seg or self._settings.write_sr):
            self._store.outbox.turn_off(entry.entry_id, SWITCHED_OFF)
            return "off"
        note = next((one for one in entry.documents if one.kind == "rejection"), None)
        file = self._find(note) if note else None
        self._bring(entry, [file or self._made_note(entry, annotation)])
        return "verified"

    def _made_note(self, entry: OutboxEntry, annotation: Annotation) -> _File:
        record = self._store.images.get(entry.image_id)
        said = [one for one in entry.documents if one.kind != "rejection"]
        header = self._archive.header(record)
        where = {one.kind: one.address for one in said}
        file = self._write(self._reject(header, record, annotation, where))
        self._store.outbox.keep_documents(entry.entry_id, [*said, file.document])
        return file

    def _reason_against(self, entry: OutboxEntry, annotation: Annotation) -> str | None:
        if not (self._settings.write_seg or self._settings.write_sr):
            return SWITCHED_OFF
        if annotation.tag == "original" and not self._settings.write_drafts:
            return DRAFTS_OFF
        if annotation.withdrawn_at is not None:
            return WITHDRAWN
        return OVERTAKEN if self._store.outbox.is_overtaken(entry) else None

    def _made(self, entry: OutboxEntry, annotation: Annotation) -> tuple[_File, ...]:
        """Documents made now, on the disk and decided on when this returns."""
        record = self._store.images.get(entry.image_id)
        header = self._archive.header(record)
        before = self._store.outbox.predecessor(entry)
        previous = {one.document.kind: one.data for one in self._kept(before)} if before else {}
        try:
            reading = reading_of(self._store, record, annotation)
            documents = self._make(header, reading, previous, self._settings)
        except SonoloopError:
            raise
        except PARSE_ERRORS as error:  # what libraries raise of images nobody has thought of
            logger.debug("no documents of annotation %s", entry.annotation_id, exc_info=True)
            raise DocumentError(
                f"the documents cannot be made: {type(error).__name__} (this is a mistake of the "
                f"program: please report it)"
            ) from error
        made = [self._write(one) for one in documents]
        self._store.outbox.keep_documents(entry.entry_id, [one.document for one in made])
        return tuple(made)

    def _write(self, made: MadeDocument) -> _File:
        name = f"{made.address.instance}.dcm"
        incoming = files.write_incoming(self._folder, made.data)
        files.move_into_place(incoming, self._folder / name)
        document = KeptDocument(
            kind=made.kind, address=made.address, file=name, sha256=files.sha256(made.data)
        )
        return _File(document, made.data)

    def _kept(self, entry: OutboxEntry) -> tuple[_File, ...]:
        """Documents that were made before; none when one is lost and not in the archive either."""
        found = tuple(self._find(document) for document in entry.documents)
        return tuple(one for one in found if one) if all(found) else ()

    def _find(self, document: KeptDocument) -> _File | None:
        try:
            data = (self._folder / document.file).read_bytes()
        except FileNotFoundError:
            data = b""
        except OSError as error:
            raise StoreError(
                f"{document.file} in the outbox cannot be read: {error.strerror}"
            ) from error
        if files.sha256(data) == document.sha256:
            return _File(document, data)
        try:
            data = self._archive.retrieve(document.address)
        except NotFoundError:
            logger.warning("%s is neither in the outbox nor in the archive", document.file)
            return None
        logger.warning("%s is not in the outbox as it was: the archive's is taken", document.file)
        return _File(document, data)

    def _send(self, sending: Sequence[_File]) -> None:
        study = sending[0].document.address.study
        try:
            self._archive.store(study, [one.data for one in sending])
        except InstanceRefusedError:
            # Some archives refuse what they have, and an earlier server may have sent it.
            if not self._is_there(sending):
                raise

    def _is_there(self, sending: Sequence[_File]) -> bool:
        """Whether the archive has all of it, as it was sent.

        Raises:
            PacsError: If it cannot be asked, or gives back only a part.
            InstanceRefusedError: If it keeps other values.
        """
        for one in sending:
            try:
                kept = self._archive.retrieve(one.document.address)
            except NotFoundError:
                return False
            found = differences(one.data, kept)
            if found.changed:
                raise InstanceRefusedError(
                    f"the archive keeps another {one.document.kind} than was sent: "
                    f"{', '.join(found.changed[:8])} differ"
                )
            if found.lost:
                raise PacsError(
                    f"the archive gives the {one.document.kind} back without "
                    f"{', '.join(found.lost[:8])} (is it still taking it in?)"
                )
        return True


def _is_to_be_taken_back(entry: OutboxEntry, annotation: Annotation) -> bool:
    """Whether the archive has the documents, or took them, of an annotation that was withdrawn.

    Such an entry waits anew. What is just being sent arrives first.
    """
    begun = any(one.kind == "rejection" for one in entry.documents)
    was_sent = entry.sent_at is not None and entry.state == "waiting"
    return annotation.withdrawn_at is not None and bool(entry.documents) and (begun or was_sent)
