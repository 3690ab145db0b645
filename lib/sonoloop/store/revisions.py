"""Revisions of one image: which count, which came before, which is its reader's newest."""

from typing import Final

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from sonoloop.records import LabelTag
from sonoloop.store.answers import ANSWERS, count_again, end_lease, take_back_skips
from sonoloop.store.events import SYSTEM, UNKNOWN, EventKind, NewEvent, record_event, record_events
from sonoloop.store.outbox import enqueue
from sonoloop.store.schema import AnnotationRow, ImageRow

REVIEWED: Final = ("submitted", "accepted", "rejected")
"""States of a revision that replaces what its reader said before."""

_ACCEPTED: Final = AnnotationRow.state == "accepted"

HOLDS: Final = AnnotationRow.withdrawn_at.is_(None) & or_(
    _ACCEPTED, AnnotationRow.in_force & AnnotationRow.state.in_(ANSWERS)
)
"""Revisions an image may be spoken for by.

What a reviewer accepted holds until it is reopened or withdrawn, also when its reader has sent
another since: that one waits for its own review.
"""

BY_WEIGHT: Final = (
    AnnotationRow.adjudicates.desc(),
    _ACCEPTED.desc(),
    AnnotationRow.revision.desc(),
)
"""The weightiest word first."""

IS_READING: Final = (
    (AnnotationRow.tag == "final") & ~AnnotationRow.adjudicates & (AnnotationRow.in_force)
)
"""The newest final word of each reader."""


def standing_rows(session: Session, image: ImageRow, tag: LabelTag) -> list[AnnotationRow]:
    """Revisions of a tag that were not withdrawn, oldest first."""
    query = select(AnnotationRow).where(
        AnnotationRow.image == image.id,
        AnnotationRow.tag == tag,
        AnnotationRow.withdrawn_at.is_(None),
    )
    return list(session.scalars(query.order_by(AnnotationRow.revision)))


def next_revision(session: Session, image: ImageRow, tag: LabelTag) -> int:
    """Number of the revision that is to come."""
    last = select(func.max(AnnotationRow.revision)).where(
        AnnotationRow.image == image.id, AnnotationRow.tag == tag
    )
    return (session.scalar(last) or 0) + 1


def own_newest(
    session: Session, image: ImageRow, tag: LabelTag, reader: str, *, adjudicates: bool
) -> AnnotationRow | None:
    """The newest revision of a reader, a draft too, that stands and is not conflicting."""
    return session.scalar(
        select(AnnotationRow)
        .where(AnnotationRow.image == image.id, AnnotationRow.tag == tag)
        .where(AnnotationRow.reader == reader, AnnotationRow.adjudicates == adjudicates)
        .where(AnnotationRow.withdrawn_at.is_(None), AnnotationRow.state != "conflicting")
        .order_by(AnnotationRow.revision.desc())
        .limit(1)
    )


def add(session: Session, image: ImageRow, row: AnnotationRow) -> None:
    """Keep a revision and all that follows from it: what it replaces, lease, skip, outbox."""
    if row.state in REVIEWED:
        before = (AnnotationRow.image == image.id) & (AnnotationRow.tag == row.tag)
        mine = (AnnotationRow.reader == row.reader) & (AnnotationRow.adjudicates == row.adjudicates)
        session.execute(update(AnnotationRow).where(before, mine).values(in_force=False))
        row.in_force = True
        if row.tag == "final":
            end_lease(session, image, row.reader)
            take_back_skips(session, image, row.reader)
    session.add(row)
    count_again(session, image)
    _tell(session, image, row)
    if row.state in REVIEWED and row.tag == "final" and row.import_key is None:
        enqueue(session, image, row)


def _tell(session: Session, image: ImageRow, row: AnnotationRow) -> None:
    kind: EventKind = "adjudication" if row.adjudicates else "annotation_saved"
    if row.import_key is not None:
        kind = "import"
    if row.state == "conflicting":
        kind = "annotation_conflicting"
    record_event(
        session,
        kind,
        actor=row.reader or (SYSTEM if row.tag == "original" else UNKNOWN),
        image_id=image.image_id,
        model_id=row.source_model,
        details={
            "annotation": row.id,
            "tag": row.tag,
            "revision": row.revision,
            "state": row.state,
            "pathology": row.pathology,
            "birads": row.birads,
        },
    )


def tell_withdrawal(
    session: Session, image: ImageRow, rows: list[AnnotationRow], *, actor: str
) -> None:
    """Log that revisions were taken back."""
    record_events(
        session,
        [
            NewEvent(
                kind="annotation_withdrawn",
                actor=actor,
                image_id=image.image_id,
                details={
                    "annotation": row.id,
                    "tag": row.tag,
                    "revision": row.revision,
                    "reader": row.reader,
                },
            )
            for row in rows
        ],
    )
