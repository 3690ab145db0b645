"""Counts over the whole store, for those who look on: one statement each, nothing is changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import String, func, select

from sonoloop.labels import Pathology
from sonoloop.store.database import Database
from sonoloop.store.images import IN_SIGHT
from sonoloop.store.schema import AnnotationRow, ImageRow

ReadingCounts: TypeAlias = "tuple[ReadingCount, ...]"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageCounts:
    """How far the labelling is.

    Attributes:
        total: Images in sight: available, or labelled though their file has gone.
        labelled: Those that need no further answer.
        begun: Those that have an answer and wait for another reader's.
        wanted: Answers that the images without a label still wait for.
    """

    total: int
    labelled: int
    begun: int
    wanted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundImages:
    """What there is in the studies, uploads left out.

    Attributes:
        total: Images whose file is there.
        pictures: Those of them that are no DICOM.
    """

    total: int
    pictures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingCount:
    """Answers of one reader on one day that say the same and stand the same.

    Attributes:
        day: Date in UTC, ``2026-11-20``.
        pathology: None where the reader told none.
        in_force: True for the answer that counts of its reader and image; older revisions, drafts
            and conflicting ones are not.
        imported: They came along with the images, or from another program; ``day`` is when.
        seconds: Time they took together, as far as it was told.
        timed: Answers whose time was told.
    """

    reader: str
    day: str
    pathology: Pathology | None
    state: str
    in_force: bool
    adjudicates: bool
    imported: bool
    count: int
    seconds: float
    timed: int


class Overview:
    """Aggregates; the rows themselves stay in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def images(self) -> ImageCounts:
        """How many images there are, and how far they are."""
        begun = ~ImageRow.labelled & (ImageRow.readers_done > 0)
        missing = ImageRow.readers_wanted - ImageRow.readers_done
        query = select(
            func.count(),
            func.count().filter(ImageRow.labelled),
            func.count().filter(begun),
            func.coalesce(func.sum(missing).filter(~ImageRow.labelled), 0),
        ).where(IN_SIGHT)
        with self._database.connection() as connection:
            total, labelled, begun_count, wanted = connection.execute(query).one()
        return ImageCounts(
            total=total, labelled=labelled, begun=begun_count, wanted=max(0, int(wanted))
        )

    def found(self) -> FoundImages:
        """How many images the studies hold."""
        pictures = (ImageRow.source == "folder") & ImageRow.sop_instance_uid.is_(None)
        query = select(func.count(), func.count().filter(pictures)).where(
            ImageRow.available, ImageRow.source != "upload"
        )
        with self._database.connection() as connection:
            total, count = connection.execute(query).one()
        return FoundImages(total=total, pictures=count)

    def readings(self) -> ReadingCounts:
        """Readers' answers that were not taken back, counted by all that tells them apart."""
        row = AnnotationRow
        # SQLite keeps instants in UTC; PostgreSQL tells them in the zone of the session.
        sqlite = self._database.is_sqlite
        instant = row.created_at if sqlite else func.timezone("UTC", row.created_at)
        day = func.date(instant, type_=String)
        came = row.import_key.is_not(None)
        keys = (row.reader, day, row.pathology, row.state, row.in_force, row.adjudicates, came)
        query = (
            select(*keys, func.count(), func.sum(row.seconds_spent), func.count(row.seconds_spent))
            .where(row.tag == "final", row.withdrawn_at.is_(None))
            .group_by(*keys)
            .order_by(*keys)
        )
        with self._database.connection() as connection:
            return tuple(_reading(told) for told in connection.execute(query))


def _reading(told: Sequence[Any]) -> ReadingCount:
    reader, day, pathology, state, in_force, adjudicates, imported, count, seconds, timed = told
    return ReadingCount(
        reader=reader,
        day=str(day),
        pathology=None if pathology is None else Pathology(pathology),
        state=state,
        in_force=in_force,
        adjudicates=adjudicates,
        imported=bool(imported),
        count=count,
        seconds=float(seconds or 0),
        timed=timed,
    )
