"""How many readers, or which, are to answer for an image."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from sonoloop.errors import InvalidRequestError
from sonoloop.records import AssignmentProgress, ImageRecord
from sonoloop.store.answers import answered, count_again, is_adjudicated, named
from sonoloop.store.database import Database
from sonoloop.store.events import UNKNOWN, record_event
from sonoloop.store.images import find_row
from sonoloop.store.pool import POOL, open_to
from sonoloop.store.records import image_record
from sonoloop.store.schema import ImageRow, now
from sonoloop.store.schema_readers import AssignmentRow


class Assignments:
    """Assignments by image; every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def to_any(self, image_ids: Collection[str], readers: int, *, actor: str = UNKNOWN) -> None:
        """Let images wait for the answers of so many readers, whoever they are.

        An image with enough answers is labelled then, one with too few waits again.

        Raises:
            NotFoundError: If one of the images does not exist; nothing is assigned then.
            InvalidRequestError: If the number is below 1.
        """
        if readers < 1:
            raise InvalidRequestError(f"an image needs at least 1 reader, got {readers}")
        with self._database.writing() as session:
            for image_id in image_ids:
                _assign(session, image_id, frozenset(), wanted=readers, actor=actor)

    def to_readers(
        self, image_ids: Collection[str], readers: Collection[str], *, actor: str = UNKNOWN
    ) -> None:
        """Keep images for these readers by name: each of them is to answer, nobody else.

        Raises:
            NotFoundError: If one of the images does not exist; nothing is assigned then.
            InvalidRequestError: If there is no reader, or one without a name.
        """
        names = frozenset(readers)
        if not names or "" in names:
            raise InvalidRequestError(
                f"an image is assigned to readers by their names, got {sorted(names)}"
            )
        with self._database.writing() as session:
            for image_id in image_ids:
                _assign(session, image_id, names, wanted=len(names), actor=actor)

    def progress(self, image_id: str) -> AssignmentProgress:
        """How far an image is.

        Raises:
            NotFoundError: If there is no such image.
        """
        with self._database.reading() as session:
            image = find_row(session, image_id)
            return AssignmentProgress(
                image_id=image_id,
                readers_wanted=image.readers_wanted,
                named=tuple(sorted(named(session, image))),
                answered=tuple(sorted(answered(session, image))),
                adjudicated=is_adjudicated(session, image),
                labelled=image.labelled,
            )

    def of(self, reader: str) -> list[str]:
        """Ids of images that are assigned to a reader by name, oldest image first."""
        query = (
            select(ImageRow.image_id)
            .join(AssignmentRow, AssignmentRow.image == ImageRow.id)
            .where(AssignmentRow.reader == reader)
            .order_by(ImageRow.id)
        )
        with self._database.reading() as session:
            return list(session.scalars(query))

    def next_open(
        self, reader: str, *, at: datetime | None = None, in_archive: bool = False
    ) -> ImageRecord | None:
        """The image known longest that waits for this reader by name, or None.

        Args:
            reader: Who is to get it.
            at: Instant at which leases are looked at; None is this moment.
            in_archive: Only images that a viewer of DICOM can open.
        """
        waits = open_to(reader, at or now(), in_archive=in_archive)
        theirs = select(AssignmentRow.image).where(AssignmentRow.reader == reader)
        query = (
            select(ImageRow)
            .where(ImageRow.id.in_(theirs), POOL, *waits)
            .order_by(ImageRow.id)
            .limit(1)
        )
        with self._database.reading() as session:
            row = session.scalar(query)
            return None if row is None else image_record(row)


def _assign(
    session: Session, image_id: str, names: frozenset[str], *, wanted: int, actor: str
) -> None:
    image = find_row(session, image_id, lock=True)
    session.execute(delete(AssignmentRow).where(AssignmentRow.image == image.id))
    if names:
        rows = [{"image": image.id, "reader": name, "created_at": now()} for name in sorted(names)]
        session.execute(insert(AssignmentRow), rows)
    image.readers_wanted, image.reserved = wanted, bool(names)
    count_again(session, image)
    details = {"readers_wanted": wanted, "readers": sorted(names)}
    record_event(session, "assignment", actor=actor, image_id=image_id, details=details)
