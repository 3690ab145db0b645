"""What reviewers decide of the revisions of readers; decisions are kept, never replaced."""

from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from sonoloop.errors import ConflictError, InvalidRequestError, NotFoundError
from sonoloop.records import Annotation, AnnotationState, Review, Verdict
from sonoloop.store.answers import count_again
from sonoloop.store.database import Database
from sonoloop.store.events import record_event
from sonoloop.store.images import find_row
from sonoloop.store.records import annotation as annotation_of
from sonoloop.store.records import review as record_of
from sonoloop.store.schema import AnnotationRow, ImageRow, now
from sonoloop.store.schema_readers import ReviewRow

BEFORE: Final[dict[Verdict, tuple[AnnotationState, ...]]] = {
    "accept": ("submitted",),
    "reject": ("submitted",),
    "reopen": ("accepted", "rejected"),
}
"""States in which a verdict makes sense."""

AFTER: Final[dict[Verdict, AnnotationState]] = {
    "accept": "accepted",
    "reject": "rejected",
    "reopen": "submitted",
}


class Reviews:
    """Reviews by annotation; every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def accept(self, annotation_id: int, reviewer: str, *, note: str = "") -> Review:
        """Confirm a reader's newest revision.

        Raises:
            NotFoundError: If there is no such annotation.
            ConflictError: If it is not submitted (any more), or the reader has revised it.
            InvalidRequestError: If the reviewer has no name.
        """
        return self._decide(annotation_id, reviewer, "accept", note)

    def reject(self, annotation_id: int, reviewer: str, *, note: str = "") -> Review:
        """Refuse a reader's newest revision: it counts no more, and the image waits again.

        Raises:
            NotFoundError: If there is no such annotation.
            ConflictError: If it is not submitted (any more), or the reader has revised it.
            InvalidRequestError: If the reviewer has no name.
        """
        return self._decide(annotation_id, reviewer, "reject", note)

    def reopen(self, annotation_id: int, reviewer: str, *, note: str = "") -> Review:
        """Take a verdict back: the revision is submitted as before.

        Raises:
            NotFoundError: If there is no such annotation.
            ConflictError: If no verdict stands.
            InvalidRequestError: If the reviewer has no name.
        """
        return self._decide(annotation_id, reviewer, "reopen", note)

    def history(self, image_id: str) -> list[Review]:
        """Every verdict on every revision of an image, in the order they were made.

        Raises:
            NotFoundError: If there is no such image.
        """
        with self._database.reading() as session:
            image = find_row(session, image_id)
            query = (
                select(ReviewRow)
                .join(AnnotationRow, AnnotationRow.id == ReviewRow.annotation)
                .where(AnnotationRow.image == image.id)
                .order_by(ReviewRow.id)
            )
            return [record_of(row, image_id) for row in session.scalars(query)]

    def waiting(self, limit: int | None = None) -> list[Annotation]:
        """Final revisions in force that nobody has decided on, oldest first."""
        query = (
            select(AnnotationRow, ImageRow.image_id)
            .join(ImageRow, ImageRow.id == AnnotationRow.image)
            .where(AnnotationRow.tag == "final", AnnotationRow.in_force)
            .where(AnnotationRow.state == "submitted")
            .order_by(AnnotationRow.id)
            .limit(limit)
        )
        with self._database.reading() as session:
            return [annotation_of(row, name) for row, name in session.execute(query).tuples()]

    def _decide(self, annotation_id: int, reviewer: str, verdict: Verdict, note: str) -> Review:
        if not reviewer:
            raise InvalidRequestError(f"to {verdict} an annotation needs the reviewer's name")
        with self._database.writing() as session:
            row, image = _find(session, annotation_id)
            _refuse_out_of_turn(row, verdict)
            row.state = AFTER[verdict]
            review = ReviewRow(
                annotation=row.id, reviewer=reviewer, verdict=verdict, note=note, created_at=now()
            )
            session.add(review)
            count_again(session, image)
            record_event(
                session,
                "review",
                actor=reviewer,
                image_id=image.image_id,
                details={"annotation": row.id, "verdict": verdict, "reader": row.reader},
            )
            return record_of(review, image.image_id)


def _find(session: Session, annotation_id: int) -> tuple[AnnotationRow, ImageRow]:
    query = (
        select(ImageRow.image_id)
        .join(AnnotationRow, AnnotationRow.image == ImageRow.id)
        .where(AnnotationRow.id == annotation_id)
    )
    image_id = session.scalar(query)
    if image_id is None:
        raise NotFoundError(f"unknown annotation {annotation_id}")
    # The image first: whoever changes its annotations holds it.
    image = find_row(session, image_id, lock=True)
    row = session.get_one(AnnotationRow, annotation_id, populate_existing=True)
    return row, image


def _refuse_out_of_turn(row: AnnotationRow, verdict: Verdict) -> None:
    if row.state not in BEFORE[verdict] or row.withdrawn_at is not None:
        state = "withdrawn" if row.withdrawn_at is not None else row.state
        raise ConflictError(
            f"cannot {verdict} annotation {row.id}: it is {state} "
            f"(only {' or '.join(BEFORE[verdict])} ones)"
        )
    if verdict != "reopen" and not row.in_force:
        raise ConflictError(
            f"cannot {verdict} annotation {row.id}: its reader has answered anew since "
            f"(review his newest revision)"
        )
