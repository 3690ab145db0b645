"""Images a reader passed over, and images that cannot be assessed."""

from sqlalchemy import select

from sonoloop.errors import InvalidRequestError
from sonoloop.records import Skip, SkipKind
from sonoloop.store.answers import count_again, end_lease, overrule_outlines, take_back_skips
from sonoloop.store.database import Database
from sonoloop.store.events import record_event
from sonoloop.store.images import find_row
from sonoloop.store.records import skip as record_of
from sonoloop.store.schema import ImageRow, now
from sonoloop.store.schema_readers import SkipRow


class Skips:
    """Skips by image and reader; every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, image_id: str, reader: str, kind: SkipKind = "skip", reason: str = "") -> Skip:
        """Keep that a reader gave no outline; his lease of the image ends.

        ``skip`` leaves the image to the others. ``not_assessable`` is an answer: it counts like
        an outline, and an outline this reader gave before counts no more. An answer the reader
        gives later takes either back.

        Raises:
            NotFoundError: If there is no such image.
            InvalidRequestError: If the reader has no name.
        """
        if not reader:
            raise InvalidRequestError("a skip needs the name of its reader")
        with self._database.writing() as session:
            image = find_row(session, image_id, lock=True)
            take_back_skips(session, image, reader)
            row = SkipRow(
                image=image.id,
                reader=reader,
                kind=kind,
                reason=reason,
                created_at=now(),
                withdrawn_at=None,
            )
            session.add(row)
            end_lease(session, image, reader)
            if kind == "not_assessable":
                overrule_outlines(session, image, reader)
            count_again(session, image)
            details = {"kind": kind, "reason": reason}
            record_event(session, "skip", actor=reader, image_id=image_id, details=details)
            return record_of(row, image_id)

    def withdraw(self, image_id: str, reader: str) -> bool:
        """Take back what a reader said instead of an outline; False when there was nothing.

        Raises:
            NotFoundError: If there is no such image.
        """
        with self._database.writing() as session:
            image = find_row(session, image_id, lock=True)
            found = take_back_skips(session, image, reader)
            count_again(session, image)
            if found:
                details = {"kind": "taken back"}
                record_event(session, "skip", actor=reader, image_id=image_id, details=details)
            return found

    def history(self, image_id: str) -> list[Skip]:
        """Every skip of an image, also those taken back, in the order they were made.

        Raises:
            NotFoundError: If there is no such image.
        """
        with self._database.reading() as session:
            image = find_row(session, image_id)
            query = select(SkipRow).where(SkipRow.image == image.id).order_by(SkipRow.id)
            return [record_of(row, image_id) for row in session.scalars(query)]

    def standing(self, kind: SkipKind | None = None) -> list[Skip]:
        """Every skip that stands, of one kind or of both, oldest first."""
        query = (
            select(SkipRow, ImageRow.image_id)
            .join(ImageRow, ImageRow.id == SkipRow.image)
            .where(SkipRow.withdrawn_at.is_(None))
            .order_by(SkipRow.id)
        )
        if kind is not None:
            query = query.where(SkipRow.kind == kind)
        with self._database.reading() as session:
            return [record_of(row, image_id) for row, image_id in session.execute(query).tuples()]
