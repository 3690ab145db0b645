"""The append-only log of what happened: who, what, when, to which image and model."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias, cast, get_args

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from sonoloop.errors import InvalidRequestError
from sonoloop.store.database import Database, batches
from sonoloop.store.schema import now
from sonoloop.store.schema_events import EventRow

EventKind = Literal[
    "image_registered",
    "image_gone",
    "lease_taken",
    "lease_released",
    "lease_expired",
    "annotation_saved",
    "annotation_conflicting",
    "annotation_withdrawn",
    "review",
    "adjudication",
    "skip",
    "assignment",
    "training_started",
    "training_ended",
    "model_registered",
    "model_published",
    "model_held",
    "model_rejected",
    "model_rolled_back",
    "model_pinned",
    "model_unpinned",
    "quality_flag_raised",
    "quality_flag_resolved",
    "document_sent",
    "document_verified",
    "document_failed",
    "document_retried",
    "export",
    "import",
    "log_in",
    "log_in_refused",
    "log_out",
    "access_refused",
    "account_added",
    "account_changed",
    "token_made",
    "token_revoked",
]
EVENT_KINDS: Final[tuple[EventKind, ...]] = get_args(EventKind)

SYSTEM: Final = "sonoloop"
"""Actor of what the program does of itself, such as an expired lease or a finished scan."""

UNKNOWN: Final = "unknown"
"""Actor where a client did not say who it is."""

EventList: TypeAlias = "list[Event]"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    """Something that happened, before it is logged.

    Attributes:
        actor: Reader or client whose doing it was; :data:`SYSTEM` for the program itself.
        details: Plain JSON; no patient identifiers.
    """

    kind: EventKind
    actor: str
    image_id: str | None = None
    model_id: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of the log.

    Attributes:
        event_id: Grows from one event to the next; the place to go on reading from.
    """

    event_id: int
    kind: EventKind
    actor: str
    image_id: str | None
    model_id: str | None
    details: dict[str, Any]
    created_at: datetime


def record_events(session: Session, events: Iterable[NewEvent]) -> None:
    """Log events within the transaction of what they tell: both are kept, or neither.

    For the other modules of the store; ``session`` is one of ``Database.writing``.
    """
    at = now()
    values = [
        {
            "kind": event.kind,
            "actor": event.actor,
            "image_id": event.image_id,
            "model_id": event.model_id,
            "details": dict(event.details),
            "created_at": at,
        }
        for event in events
    ]
    for batch in batches(values):
        session.execute(insert(EventRow), batch)


def record_event(
    session: Session,
    kind: EventKind,
    *,
    actor: str,
    image_id: str | None = None,
    model_id: str | None = None,
    details: Mapping[str, Any] | None = None,
) -> None:
    """:func:`record_events` for one event."""
    new = NewEvent(
        kind=kind, actor=actor, image_id=image_id, model_id=model_id, details=details or {}
    )
    record_events(session, [new])


class Events:
    """The log; every method is one transaction, and none changes what is written."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(
        self,
        kind: EventKind,
        *,
        actor: str,
        image_id: str | None = None,
        model_id: str | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """Log one event; it is on the disk when this returns.

        Raises:
            StoreError: If it cannot be written.
        """
        with self._database.writing() as session:
            record_event(
                session,
                kind,
                actor=actor,
                image_id=image_id,
                model_id=model_id,
                details=details,
            )

    def list(
        self,
        *,
        image_id: str | None = None,
        actor: str | None = None,
        model_id: str | None = None,
        kind: EventKind | None = None,
        before: int | None = None,
        limit: int | None = 100,
    ) -> EventList:
        """Events that fit everything asked for, newest first.

        Args:
            image_id: Only events of this image.
            actor: Only what this reader or client did.
            model_id: Only events of this model.
            kind: Only events of this kind.
            before: Only events older than this ``event_id``: that of the last event of the page
                before.
            limit: At most so many; None is all.

        Raises:
            InvalidRequestError: If ``limit`` is below 1.
        """
        if limit is not None and limit < 1:
            raise InvalidRequestError(f"a page of {limit} events (at least 1)")
        query = select(EventRow).order_by(EventRow.id.desc()).limit(limit)
        asked = {
            EventRow.image_id: image_id,
            EventRow.actor: actor,
            EventRow.model_id: model_id,
            EventRow.kind: kind,
        }
        for column, value in asked.items():
            if value is not None:
                query = query.where(column == value)
        if before is not None:
            query = query.where(EventRow.id < before)
        with self._database.reading() as session:
            return [_event(row) for row in session.scalars(query)]


def _event(row: EventRow) -> Event:
    return Event(
        event_id=row.id,
        kind=cast("EventKind", row.kind),
        actor=row.actor,
        image_id=row.image_id,
        model_id=row.model_id,
        details=dict(row.details),
        created_at=row.created_at,
    )
