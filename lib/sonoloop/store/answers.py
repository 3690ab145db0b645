"""Which readers have answered for an image; kept as counters of the image itself."""

from typing import Final

from sqlalchemy import ColumnElement, delete, exists, select, update
from sqlalchemy.orm import Session

from sonoloop.store.events import record_event
from sonoloop.store.schema import AnnotationRow, ImageRow, now
from sonoloop.store.schema_readers import AssignmentRow, LeaseRow, SkipRow

ANSWERS: Final = ("submitted", "accepted")
"""States of a revision that says something of its image."""

IN_EFFECT: Final = AnnotationRow.in_force & AnnotationRow.state.in_(ANSWERS)
"""The newest word of a reader, unless a reviewer rejected it."""

IS_ANSWER: Final = (AnnotationRow.tag == "final") & ~AnnotationRow.adjudicates & IN_EFFECT
IS_ADJUDICATION: Final = (AnnotationRow.tag == "final") & AnnotationRow.adjudicates & IN_EFFECT
NOT_ASSESSABLE: Final = (SkipRow.kind == "not_assessable") & SkipRow.withdrawn_at.is_(None)


def named(session: Session, image: ImageRow) -> frozenset[str]:
    """Readers the image is assigned to by name."""
    query = select(AssignmentRow.reader).where(AssignmentRow.image == image.id)
    return frozenset(session.scalars(query))


def answered(session: Session, image: ImageRow) -> frozenset[str]:
    """Readers whose answer counts: of an image that is assigned by name, only theirs do."""
    outlined = select(AnnotationRow.reader).where(AnnotationRow.image == image.id, IS_ANSWER)
    refused = select(SkipRow.reader).where(SkipRow.image == image.id, NOT_ASSESSABLE)
    readers = frozenset(session.scalars(outlined)) | frozenset(session.scalars(refused))
    return readers & named(session, image) if image.reserved else readers


def is_adjudicated(session: Session, image: ImageRow) -> bool:
    """Whether somebody has settled what the readers say."""
    there = exists().where(AnnotationRow.image == image.id, IS_ADJUDICATION)
    return bool(session.scalar(select(there)))


def count_again(session: Session, image: ImageRow) -> None:
    """Bring the counters of an image to what is in the tables; what is pending is flushed."""
    session.flush()
    image.readers_done = len(answered(session, image))
    enough = image.readers_done >= image.readers_wanted
    image.labelled = enough or is_adjudicated(session, image)


def end_lease(session: Session, image: ImageRow, reader: str) -> bool:
    """Take the image from a reader; False when he did not hold it."""
    mine = (LeaseRow.image == image.id) & (LeaseRow.reader == reader)
    ended = session.execute(delete(LeaseRow).where(mine).returning(LeaseRow.image)).first()
    if ended is not None:
        record_event(session, "lease_released", actor=reader, image_id=image.image_id)
    return ended is not None


def take_back_skips(session: Session, image: ImageRow, reader: str) -> bool:
    """Take back what a reader said instead of an outline; False when there was nothing."""
    mine = _of(image, reader) & SkipRow.withdrawn_at.is_(None)
    change = update(SkipRow).where(mine).values(withdrawn_at=now()).returning(SkipRow.id)
    return session.execute(change).first() is not None


def overrule_outlines(session: Session, image: ImageRow, reader: str) -> None:
    """Let the outlines of a reader who now calls the image not assessable count no more."""
    mine = (AnnotationRow.image == image.id) & (AnnotationRow.reader == reader)
    readings = (AnnotationRow.tag == "final") & ~AnnotationRow.adjudicates
    session.execute(update(AnnotationRow).where(mine, readings).values(in_force=False))


def _of(image: ImageRow, reader: str) -> ColumnElement[bool]:
    return (SkipRow.image == image.id) & (SkipRow.reader == reader)
