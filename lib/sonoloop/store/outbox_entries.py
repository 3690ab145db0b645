"""Entries of the outbox as the values that rooms hand to one another."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, cast, get_args

from sonoloop.records import InstanceAddress, LabelTag
from sonoloop.store.schema import AnnotationRow
from sonoloop.store.schema_outbox import OutboxRow

DocumentKind = Literal["segmentation", "report", "rejection"]
DOCUMENT_KINDS: Final[tuple[DocumentKind, ...]] = get_args(DocumentKind)

OutboxState = Literal["waiting", "sent", "verified", "failed", "off"]
"""``sent`` is in the archive to its own word, ``verified`` was read back and compared; ``failed``
was refused and is tried again when somebody asks; ``off`` is not to go there."""
OUTBOX_STATES: Final[tuple[OutboxState, ...]] = get_args(OutboxState)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptDocument:
    """One document of an entry.

    Attributes:
        file: Name relative to the outbox folder.
        sha256: Of that file.
    """

    kind: DocumentKind
    address: InstanceAddress
    file: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxEntry:
    """One annotation on its way.

    Attributes:
        reader: Whose annotation it is.
        attempts: Times it was tried in vain since it was queued or retried.
        problem: What went wrong last, or why it is off; None while all is well.
        documents: What was made of it; empty until then. A ``rejection`` takes the others back.
        ended_at: When it was verified, failed or turned off.
    """

    entry_id: int
    image_id: str
    annotation_id: int
    tag: LabelTag
    revision: int
    reader: str
    state: OutboxState
    attempts: int
    next_attempt_at: datetime
    problem: str | None
    documents: tuple[KeptDocument, ...]
    created_at: datetime
    sent_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxCounts:
    """How much is where.

    Attributes:
        oldest: When the oldest entry that is still under way was made; None when none is.
    """

    by_state: Mapping[OutboxState, int]
    oldest: datetime | None


def document_json(document: KeptDocument) -> dict[str, Any]:
    """A document as its row keeps it."""
    address = document.address
    return {
        "study": address.study,
        "series": address.series,
        "instance": address.instance,
        "file": document.file,
        "sha256": document.sha256,
    }


def _kept(kind: DocumentKind, told: Mapping[str, Any]) -> KeptDocument:
    return KeptDocument(
        kind=kind,
        address=InstanceAddress(
            study=told["study"], series=told["series"], instance=told["instance"]
        ),
        file=told["file"],
        sha256=told["sha256"],
    )


def entry_of(row: OutboxRow, annotation: AnnotationRow, image_id: str) -> OutboxEntry:
    """The entry of a row."""
    documents = [(kind, row.documents.get(kind)) for kind in DOCUMENT_KINDS]
    return OutboxEntry(
        entry_id=row.id,
        image_id=image_id,
        annotation_id=row.annotation,
        tag=cast("LabelTag", annotation.tag),
        revision=annotation.revision,
        reader=annotation.reader,
        state=cast("OutboxState", row.state),
        attempts=row.attempts,
        next_attempt_at=row.next_attempt_at,
        problem=row.problem,
        documents=tuple(_kept(kind, told) for kind, told in documents if told),
        created_at=row.created_at,
        sent_at=row.sent_at,
        ended_at=row.ended_at,
    )
