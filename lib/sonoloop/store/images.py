"""The images of a workspace and the pool of those still to be labelled."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeAlias

from sqlalchemy import ColumnExpressionArgument, bindparam, func, insert, or_, select, update
from sqlalchemy.orm import Session

from sonoloop.errors import AmbiguousImageError, NotFoundError
from sonoloop.records import ImageRecord, ImageSource
from sonoloop.store.database import Database, batches
from sonoloop.store.events import SYSTEM, NewEvent, record_events
from sonoloop.store.ids import validate_image_id
from sonoloop.store.pool import KEY_BITS, POOL, first_open
from sonoloop.store.records import Refusal, image_record
from sonoloop.store.refusals import Refusals
from sonoloop.store.schema import ImageRow, now

ImageRecords: TypeAlias = list[ImageRecord]

IN_SIGHT: Final = or_(ImageRow.available, ImageRow.labelled)
"""Images that count: those a reader can open, and those with a label whose file has gone."""


def random_key(image_id: str) -> int:
    """Place of an image on the wheel that random choice turns: a hash, in [0, 2**63)."""
    digest = hashlib.sha256(image_id.encode()).digest()
    return int.from_bytes(digest[:8], "big") >> (64 - KEY_BITS)


def find_row(session: Session, image_id: str, *, lock: bool = False) -> ImageRow:
    """The row of an image.

    Raises:
        NotFoundError: If there is none.
    """
    query = select(ImageRow).where(ImageRow.image_id == image_id)
    row = session.scalar(query.with_for_update() if lock else query)
    if row is None:
        raise NotFoundError(f"unknown image {image_id!r}")
    return row


_RESOLVING: Final = tuple(
    select(*ImageRow.__table__.columns).where(column == bindparam("identifier")).limit(2)
    for column in (ImageRow.image_id, ImageRow.sop_instance_uid, ImageRow.series_instance_uid)
)
"""What an identifier may be, in the order in which that is tried."""


def _values(record: ImageRecord) -> dict[str, Any]:
    spacing = record.spacing_mm or (None, None)
    return {
        "image_id": validate_image_id(record.image_id),
        "source": record.source,
        "locator": record.locator,
        "frame": record.frame,
        "frame_count": record.frame_count,
        "rows": record.rows,
        "columns": record.columns,
        "row_spacing_mm": spacing[0],
        "column_spacing_mm": spacing[1],
        "patient_id": record.patient_id,
        "study_instance_uid": record.study_instance_uid,
        "series_instance_uid": record.series_instance_uid,
        "sop_instance_uid": record.sop_instance_uid,
        "modality": record.modality,
        "study_date": record.study_date,
        "near_duplicates": record.group,
        "split": record.split,
        "flags": list(record.flags),
        "file_size": record.file_size,
        "file_mtime_ns": record.file_mtime_ns,
        "available": record.available,
    }


KEPT_UNLESS_STATED: Final = ("patient_id", "near_duplicates", "split")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageDescription:
    """What a data set tells of an image beside its file; None or empty tells nothing.

    Attributes:
        info: Added to the free JSON of the image; plain values.
    """

    image_id: str
    patient: str | None = None
    group: str | None = None
    split: str | None = None
    info: dict[str, Any] = field(default_factory=dict)


class Images:
    """Images by id; every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._refusals = Refusals(database)

    def upsert_many(
        self, records: Sequence[ImageRecord], *, replacing: Collection[str] = ()
    ) -> int:
        """Register images, or renew what is known of them; how many were new.

        An image already known keeps its labels and its ``info``; its patient, group and split
        stay where the new record states none.

        Args:
            records: Images, each id once.
            replacing: Locators of files that changed: images they held before and that are not
                among ``records`` are marked as gone in the same transaction.

        Raises:
            InvalidIdError: If an image id could not be one of ours; nothing is registered then.
        """
        values = [_values(record) for record in records]
        infos = {record.image_id: record.info for record in records}
        sources = {record.source for record in records}
        with self._database.writing() as session:
            gone = [
                image_id
                for source in sources
                for image_id in _mark_gone(session, source, tuple(replacing))
                if image_id not in infos
            ]
            record_events(session, map(_gone, gone))
            return sum(_upsert(session, batch, infos) for batch in batches(values))

    def get(self, image_id: str) -> ImageRecord:
        """The image of that id.

        Raises:
            NotFoundError: If there is none.
        """
        with self._database.reading() as session:
            return image_record(find_row(session, image_id))

    def resolve(self, identifier: str) -> ImageRecord:
        """The one image a client means by an image id, SOPInstanceUID or SeriesInstanceUID.

        Raises:
            NotFoundError: If nothing has that identifier.
            AmbiguousImageError: If it names several images.
        """
        with self._database.connection() as connection:
            for query in _RESOLVING:  # the cheap way to ask: every inference begins with it
                found = connection.execute(query, {"identifier": identifier}).all()
                if len(found) > 1:
                    raise AmbiguousImageError(
                        f"{identifier!r} names several images (ask for one instance by its "
                        f"SOPInstanceUID, with _f<k> for frame k of a cine)"
                    )
                if found:
                    return image_record(found[0])
        raise NotFoundError(f"unknown image {identifier!r}")

    def count(self) -> int:
        """Images in sight: available, or labelled though their file has gone."""
        # Two counts, each within an index; the OR of IN_SIGHT would read the whole table.
        return self._count(ImageRow.labelled) + self._count(POOL)

    def count_labelled(self) -> int:
        """Images with a final annotation that stands."""
        return self._count(ImageRow.labelled)

    def labelled_ids(self) -> tuple[str, ...]:
        """Ids of images with a final annotation that stands, oldest first."""
        return self._ids(ImageRow.labelled)

    def unlabelled_ids(self) -> tuple[str, ...]:
        """Ids of available images without one, oldest first."""
        return self._ids(POOL)

    def next_unlabelled(
        self,
        *,
        reader: str | None = None,
        seed: int | None = None,
        exclude: Collection[str] = (),
        at: datetime | None = None,
        in_archive: bool = False,
    ) -> ImageRecord | None:
        """An available image that waits for an answer, or None when there is none left.

        Left out are images that others hold, that are kept for others by name, and that this
        reader has answered or passed over.

        Args:
            reader: Who is to get it; None or empty is somebody without a name.
            seed: Chooses at random, the same image for the same seed and pool; None chooses the
                image known longest.
            exclude: Image ids not to choose.
            at: Instant at which leases are looked at; None is this moment.
            in_archive: Only images that a viewer of DICOM can open.
        """
        with self._database.reading() as session:
            row = first_open(
                session,
                reader=reader or None,
                at=at or now(),
                seed=seed,
                exclude=exclude,
                in_archive=in_archive,
            )
            return None if row is None else image_record(row)

    def update_info(self, image_id: str, info: Mapping[str, Any]) -> None:
        """Add ``info`` to the free JSON of an image; keys it has already are replaced.

        Raises:
            NotFoundError: If there is no such image.
        """
        with self._database.writing() as session:
            row = find_row(session, image_id, lock=True)
            row.info = {**row.info, **info}

    def get_many(self, image_ids: Collection[str]) -> dict[str, ImageRecord]:
        """Those of the images that are known, by id."""
        found: dict[str, ImageRecord] = {}
        with self._database.reading() as session:
            for batch in batches(tuple(image_ids)):
                query = select(ImageRow).where(ImageRow.image_id.in_(batch))
                found.update({row.image_id: image_record(row) for row in session.scalars(query)})
        return found

    def describe_many(self, descriptions: Sequence[ImageDescription]) -> None:
        """State of images what their data set tells and their files do not.

        What a description does not tell is left as it is, and so is a patient that the file
        itself names; unknown images are passed over.
        """
        with self._database.writing() as session:
            for batch in batches(descriptions):
                query = select(ImageRow).where(ImageRow.image_id.in_([d.image_id for d in batch]))
                rows = {row.image_id: row for row in session.scalars(query)}
                for told in batch:
                    if told.image_id in rows:
                        _describe(rows[told.image_id], told)

    def remove(self, image_id: str) -> None:
        """Forget an image and its annotations; its files are left where they are.

        Raises:
            NotFoundError: If there is no such image.
        """
        with self._database.writing() as session:
            session.delete(find_row(session, image_id, lock=True))
            record_events(session, [_gone(image_id, forgotten=True)])

    def mark_gone(self, source: ImageSource, locators: Collection[str]) -> int:
        """Say that files have left their source; annotations stay. How many images that were."""
        with self._database.writing() as session:
            gone = _mark_gone(session, source, tuple(locators))
            record_events(session, map(_gone, gone))
            return len(gone)

    def mark_other_sources_gone(self, source: ImageSource) -> int:
        """Say that images of sources that are not open have gone; uploads stay. How many."""
        others = ImageRow.source.not_in((source, "upload")) & ImageRow.available
        with self._database.writing() as session:
            change = update(ImageRow).where(others).values(available=False)
            gone = session.scalars(change.returning(ImageRow.image_id)).all()
            record_events(session, map(_gone, gone))
            return len(gone)

    def by_locator(self, source: ImageSource) -> dict[str, tuple[int, int]]:
        """Size in bytes and modification time in ns of every available file of a source."""
        columns = (ImageRow.locator, ImageRow.file_size, ImageRow.file_mtime_ns)
        query = select(*columns).where(ImageRow.source == source, ImageRow.available)
        with self._database.reading() as session:
            return {locator: (size, mtime) for locator, size, mtime in session.execute(query)}

    def locators_by_uid(self, source: ImageSource) -> dict[str, str]:
        """Locator of every available SOP instance of a source, by its UID."""
        query = select(ImageRow.sop_instance_uid, ImageRow.locator).where(
            ImageRow.source == source, ImageRow.available, ImageRow.sop_instance_uid.is_not(None)
        )
        with self._database.reading() as session:
            return {uid: locator for uid, locator in session.execute(query) if uid is not None}

    def single_by_locator(
        self, source: ImageSource, locators: Collection[str]
    ) -> dict[str, ImageRecord]:
        """Image of each of these available files that holds exactly one, by locator."""
        found: dict[str, ImageRecords] = {}
        with self._database.reading() as session:
            for batch in batches(tuple(locators)):
                there = (ImageRow.source == source) & ImageRow.locator.in_(batch)
                query = select(ImageRow).where(there, ImageRow.available)
                for row in session.scalars(query):
                    found.setdefault(row.locator, []).append(image_record(row))
        return {locator: images[0] for locator, images in found.items() if len(images) == 1}

    def record_refusal(self, locator: str, code: str, message: str) -> None:
        """Keep why a file was not registered; the latest reason of a file counts."""
        self._refusals.record([Refusal(locator=locator, code=code, message=message)])

    def refusals(self) -> tuple[Refusal, ...]:
        """Every file that was not registered and why, by locator."""
        return self._refusals.all()

    def record_refusals(self, refusals: Sequence[Refusal]) -> None:
        """:meth:`record_refusal` for many files in one transaction."""
        self._refusals.record(refusals)

    def clear_refusals(self, locators: Collection[str]) -> None:
        """Forget the refusals of files that were mended or have gone."""
        self._refusals.clear(locators)

    def list(
        self, *, labelled: bool | None = None, limit: int | None = None, offset: int = 0
    ) -> ImageRecords:
        """Images in sight, oldest first.

        Args:
            labelled: True or False keeps only those with or without a final annotation.
            limit: At most so many; None is all.
            offset: Leave out so many first.
        """
        query = select(ImageRow).where(IN_SIGHT).order_by(ImageRow.id).limit(limit).offset(offset)
        if labelled is not None:
            query = query.where(ImageRow.labelled.is_(labelled))
        with self._database.reading() as session:
            return [image_record(row) for row in session.scalars(query)]

    def _count(self, condition: ColumnExpressionArgument[bool]) -> int:
        with self._database.reading() as session:
            query = select(func.count()).select_from(ImageRow).where(condition)
            return session.execute(query).scalar_one()

    def _ids(self, condition: ColumnExpressionArgument[bool]) -> tuple[str, ...]:
        with self._database.reading() as session:
            query = select(ImageRow.image_id).where(condition).order_by(ImageRow.id)
            return tuple(session.scalars(query))


def _gone(image_id: str, *, forgotten: bool = False) -> NewEvent:
    details = {"forgotten": True} if forgotten else {}
    return NewEvent(kind="image_gone", actor=SYSTEM, image_id=image_id, details=details)


def _registered(image_id: str, source: str, *, again: bool = False) -> NewEvent:
    details: dict[str, Any] = {"source": source} | ({"again": True} if again else {})
    return NewEvent(kind="image_registered", actor=SYSTEM, image_id=image_id, details=details)


def _mark_gone(session: Session, source: str, locators: Sequence[str]) -> list[str]:
    gone: list[str] = []
    for batch in batches(locators):
        there = (ImageRow.source == source) & ImageRow.locator.in_(batch) & ImageRow.available
        change = update(ImageRow).where(there).values(available=False)
        gone += session.scalars(change.returning(ImageRow.image_id))
    return gone


def _describe(row: ImageRow, told: ImageDescription) -> None:
    row.patient_id = row.patient_id or told.patient
    row.near_duplicates = told.group or row.near_duplicates
    row.split = told.split or row.split
    if any(row.info.get(name) != value for name, value in told.info.items()):
        row.info = {**row.info, **told.info}


def _upsert(
    session: Session, values: Sequence[dict[str, Any]], infos: Mapping[str, dict[str, Any]]
) -> int:
    ids = [value["image_id"] for value in values]
    query = select(ImageRow).where(ImageRow.image_id.in_(ids))
    known = {row.image_id: row for row in session.scalars(query)}
    back = [name for name, row in known.items() if not row.available]
    for value in values:
        row = known.get(value["image_id"])
        for name, item in value.items() if row is not None else ():
            if item is not None or name not in KEPT_UNLESS_STATED:
                setattr(row, name, item)
    new = [
        {
            **value,
            "info": infos[value["image_id"]],
            "random_key": random_key(value["image_id"]),
            "labelled": False,
            "created_at": now(),
        }
        for value in values
        if value["image_id"] not in known
    ]
    if new:
        session.execute(insert(ImageRow), new)
    record_events(session, [_registered(value["image_id"], value["source"]) for value in new])
    record_events(session, [_registered(name, known[name].source, again=True) for name in back])
    return len(new)
