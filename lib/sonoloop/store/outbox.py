"""What is on its way to the archive: one entry an annotation, made in its transaction.

Entries of one image go in the order of their annotations, one at a time. The UIDs of documents are
decided once and kept, so that whatever is sent twice is the same instance.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias

from sqlalchemy import exists, func, select, update
from sqlalchemy.orm import Session, aliased

from sonoloop.errors import NotFoundError
from sonoloop.records import LabelTag
from sonoloop.store.database import Database
from sonoloop.store.events import SYSTEM, UNKNOWN, EventKind, record_event
from sonoloop.store.outbox_entries import (
    OUTBOX_STATES,
    KeptDocument,
    OutboxCounts,
    OutboxEntry,
    document_json,
    entry_of,
)
from sonoloop.store.schema import AnnotationRow, ImageRow, now
from sonoloop.store.schema_outbox import OutboxRow

UNDER_WAY: Final = ("waiting", "sent")
NO_DICOM: Final = "the image is no DICOM: the archive has nothing that documents could refer to"
UPLOADED: Final = "the image was uploaded here: the archive does not have it"

EntryList: TypeAlias = list[OutboxEntry]


def enqueue(session: Session, image: ImageRow, annotation: AnnotationRow) -> OutboxRow:
    """Make the entry of an annotation within its transaction: both are kept, or neither."""
    reason = None
    if image.sop_instance_uid is None:
        reason = NO_DICOM
    elif image.source == "upload":
        reason = UPLOADED
    at = now()
    row = OutboxRow(
        image=image.id,
        annotation=annotation.id,
        state="waiting" if reason is None else "off",
        attempts=0,
        next_attempt_at=at,
        problem=reason,
        documents={},
        created_at=at,
        sent_at=None,
        ended_at=None if reason is None else at,
    )
    session.add(row)
    return row


def take_back(session: Session, annotations: Sequence[AnnotationRow]) -> None:
    """Have what the archive holds of withdrawn annotations rejected, within their transaction."""
    withdrawn = OutboxRow.annotation.in_([row.id for row in annotations])
    query = select(OutboxRow).where(withdrawn, OutboxRow.state == "verified")
    for row in session.scalars(query):
        _reopen(row)


def _reopen(row: OutboxRow) -> None:
    row.state, row.attempts, row.ended_at, row.problem = "waiting", 0, None, None
    row.next_attempt_at = now()


class Outbox:
    """Entries by annotation; every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def queue(self, annotation_id: int) -> bool:
        """Have an annotation sent; False when it has its entry already.

        Raises:
            NotFoundError: If there is no such annotation.
        """
        with self._database.writing() as session:
            annotation = session.get(AnnotationRow, annotation_id)
            if annotation is None:
                raise NotFoundError(f"unknown annotation {annotation_id}")
            there = exists().where(OutboxRow.annotation == annotation_id)
            if session.scalar(select(there)):
                return False
            enqueue(session, session.get_one(ImageRow, annotation.image), annotation)
            return True

    def queue_standing(self, tag: LabelTag) -> int:
        """Have every annotation of a tag sent that counts and has no entry; how many there were.

        What was imported stays here.
        """
        query = (
            select(AnnotationRow.id)
            .outerjoin(OutboxRow, OutboxRow.annotation == AnnotationRow.id)
            .where(AnnotationRow.tag == tag, AnnotationRow.in_force)
            .where(AnnotationRow.withdrawn_at.is_(None), AnnotationRow.import_key.is_(None))
            .where(OutboxRow.id.is_(None))
            .order_by(AnnotationRow.id)
        )
        with self._database.reading() as session:
            waiting = session.scalars(query).all()
        return sum(self.queue(annotation_id) for annotation_id in waiting)

    def get(self, entry_id: int) -> OutboxEntry:
        """One entry.

        Raises:
            NotFoundError: If there is none of that number.
        """
        with self._database.reading() as session:
            found = session.execute(_joined().where(OutboxRow.id == entry_id)).tuples().first()
            if found is None:
                raise NotFoundError(f"unknown entry {entry_id} of the outbox")
            return entry_of(*found)

    def due(self, at: datetime, *, longest_pause: timedelta | None = None) -> OutboxEntry | None:
        """The entry to try at an instant: those that went wrong least, then the oldest, first.

        None of an image of which an earlier annotation is still under way.

        Args:
            at: The instant.
            longest_pause: What waits for longer than this is due: the clock was set back.
        """
        is_due = OutboxRow.next_attempt_at <= at
        if longest_pause is not None:
            is_due |= OutboxRow.next_attempt_at > at + longest_pause
        query = _joined().where(_UNBLOCKED, is_due)
        query = query.order_by(OutboxRow.attempts, OutboxRow.annotation).limit(1)
        with self._database.reading() as session:
            found = session.execute(query).tuples().first()
            return None if found is None else entry_of(*found)

    def next_due(self) -> datetime | None:
        """When the next entry is due; None when none is under way."""
        query = select(func.min(OutboxRow.next_attempt_at)).where(_UNBLOCKED)
        with self._database.reading() as session:
            return session.scalar(query)

    def predecessor(self, entry: OutboxEntry) -> OutboxEntry | None:
        """The newest verified entry of the image before this one."""
        query = _joined().where(ImageRow.image_id == entry.image_id, OutboxRow.state == "verified")
        query = query.where(OutboxRow.annotation < entry.annotation_id)
        query = query.order_by(OutboxRow.annotation.desc()).limit(1)
        with self._database.reading() as session:
            found = session.execute(query).tuples().first()
            return None if found is None else entry_of(*found)

    def is_overtaken(self, entry: OutboxEntry) -> bool:
        """Whether the archive has a later annotation of the image already."""
        query = (
            select(OutboxRow.id)
            .join(ImageRow, ImageRow.id == OutboxRow.image)
            .where(ImageRow.image_id == entry.image_id, OutboxRow.state.in_(("sent", "verified")))
            .where(OutboxRow.annotation > entry.annotation_id)
            .limit(1)
        )
        with self._database.reading() as session:
            return session.scalar(query) is not None

    def keep_documents(self, entry_id: int, documents: Sequence[KeptDocument]) -> None:
        """Decide what is sent; its files are there. Empty forgets what was decided.

        Raises:
            NotFoundError: If there is no such entry.
        """
        with self._database.writing() as session:
            _row(session, entry_id).documents = {one.kind: document_json(one) for one in documents}

    def mark_sent(self, entry_id: int) -> None:
        """The archive says it has the documents.

        Raises:
            NotFoundError: If there is no such entry.
        """
        with self._database.writing() as session:
            row = _row(session, entry_id)
            if row.state != "sent":
                row.state, row.sent_at, row.problem = "sent", now(), None
                _log(session, "document_sent", row)

    def mark_verified(self, entry_id: int) -> tuple[str, ...]:
        """The archive gave the documents back as they were sent.

        Returns:
            Files of earlier entries of the image: nothing needs them any more.

        Raises:
            NotFoundError: If there is no such entry.
        """
        with self._database.writing() as session:
            row = _row(session, entry_id)
            row.state, row.ended_at, row.problem = "verified", now(), None
            _log(session, "document_verified", row)
            annotation = session.get_one(AnnotationRow, row.annotation)
            if annotation.withdrawn_at is not None and "rejection" not in row.documents:
                _reopen(row)  # withdrawn while it was on its way
            query = select(OutboxRow.documents).where(
                OutboxRow.image == row.image,
                OutboxRow.state == "verified",
                OutboxRow.annotation < row.annotation,
            )
            kept = {one["file"] for one in row.documents.values()}
            older = {one["file"] for found in session.scalars(query) for one in found.values()}
            return tuple(sorted(older - kept))

    def mark_failed(self, entry_id: int, problem: str) -> None:
        """The documents cannot be made, or the archive does not take them.

        Raises:
            NotFoundError: If there is no such entry.
        """
        with self._database.writing() as session:
            row = _row(session, entry_id)
            row.state, row.ended_at, row.problem = "failed", now(), problem
            row.attempts += 1
            _log(session, "document_failed", row)

    def turn_off(self, entry_id: int, reason: str) -> None:
        """The annotation is not to go to the archive.

        Raises:
            NotFoundError: If there is no such entry.
        """
        with self._database.writing() as session:
            row = _row(session, entry_id)
            row.state, row.ended_at, row.problem = "off", now(), reason

    def postpone(self, entry_id: int, problem: str, *, until: datetime) -> None:
        """Try again later: the archive could not be asked.

        Raises:
            NotFoundError: If there is no such entry.
        """
        with self._database.writing() as session:
            row = _row(session, entry_id)
            row.attempts, row.problem, row.next_attempt_at = row.attempts + 1, problem, until

    def hasten(self) -> None:
        """Have everything under way tried at once: the archive answers again."""
        query = (
            update(OutboxRow).where(OutboxRow.state.in_(UNDER_WAY)).values(next_attempt_at=now())
        )
        with self._database.writing() as session:
            session.execute(query)

    def retry(
        self,
        entries: Collection[int] | None = None,
        *,
        states: Collection[str] = ("failed",),
        actor: str = UNKNOWN,
    ) -> int:
        """Try entries anew; how many were in one of the states.

        Args:
            entries: Only these; None is all.
            states: ``failed``, ``off``, or both.
            actor: Who asks.
        """
        given_up = set(states) & {"failed", "off"}
        # What the archive can never have stays off.
        able = ImageRow.sop_instance_uid.is_not(None) & (ImageRow.source != "upload")
        query = (
            select(OutboxRow)
            .join(ImageRow, ImageRow.id == OutboxRow.image)
            .where(OutboxRow.state.in_(given_up), able)
        )
        if entries is not None:
            query = query.where(OutboxRow.id.in_(entries))
        with self._database.writing() as session:
            rows = session.scalars(query).all()
            for row in rows:
                row.state, row.attempts, row.ended_at = "waiting", 0, None
                row.next_attempt_at = now()
                _log(session, "document_retried", row, actor=actor)
                row.problem = None
            return len(rows)

    def list(
        self,
        *,
        states: Collection[str] | None = None,
        image_id: str | None = None,
        before: int | None = None,
        limit: int | None = 100,
    ) -> EntryList:
        """Entries that fit everything asked for, newest first.

        Args:
            states: Only entries in one of these; None is any.
            image_id: Only entries of this image.
            before: Only entries older than this ``entry_id``, the last of the page before.
            limit: At most so many; None is all.
        """
        query = _joined().order_by(OutboxRow.id.desc()).limit(limit)
        if states is not None:
            query = query.where(OutboxRow.state.in_(states))
        if image_id is not None:
            query = query.where(ImageRow.image_id == image_id)
        if before is not None:
            query = query.where(OutboxRow.id < before)
        with self._database.reading() as session:
            return [entry_of(*found) for found in session.execute(query).tuples()]

    def may_have_work(self) -> bool:
        """Whether there is any image whose archive could be told of it."""
        there = exists().where(ImageRow.sop_instance_uid.is_not(None), ImageRow.source != "upload")
        with self._database.reading() as session:
            return bool(session.scalar(select(there)))

    def counts(self) -> OutboxCounts:
        """How much is where, and since when the oldest waits."""
        counting = select(OutboxRow.state, func.count()).group_by(OutboxRow.state)
        waiting = select(func.min(OutboxRow.created_at)).where(OutboxRow.state.in_(UNDER_WAY))
        with self._database.reading() as session:
            found = dict(session.execute(counting).tuples().all())
            oldest = session.scalar(waiting)
        by_state = {state: found.get(state, 0) for state in OUTBOX_STATES}
        return OutboxCounts(by_state=by_state, oldest=oldest)


_EARLIER: Final = aliased(OutboxRow)
_UNBLOCKED: Final = OutboxRow.state.in_(UNDER_WAY) & ~(
    exists()
    .where(_EARLIER.image == OutboxRow.image, _EARLIER.state.in_(UNDER_WAY))
    .where(_EARLIER.annotation < OutboxRow.annotation)
)


def _joined() -> Any:
    return (
        select(OutboxRow, AnnotationRow, ImageRow.image_id)
        .join(AnnotationRow, AnnotationRow.id == OutboxRow.annotation)
        .join(ImageRow, ImageRow.id == OutboxRow.image)
    )


def _row(session: Session, entry_id: int) -> OutboxRow:
    row = session.get(OutboxRow, entry_id)
    if row is None:
        raise NotFoundError(f"unknown entry {entry_id} of the outbox")
    return row


def _log(session: Session, kind: EventKind, row: OutboxRow, *, actor: str = SYSTEM) -> None:
    image = session.get_one(ImageRow, row.image)
    instances = {name: one["instance"] for name, one in row.documents.items()}
    reason = {"reason": row.problem} if row.problem else {}
    record_event(
        session,
        kind,
        actor=actor,
        image_id=image.image_id,
        details={"annotation": row.annotation} | instances | reason,
    )
