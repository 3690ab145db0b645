"""What readers and models said of images: revisions that are never overwritten."""

import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from sonoloop.errors import ConflictError, NotFoundError, StaleRevisionError, StoreError
from sonoloop.geometry import LabelMap, Mask
from sonoloop.labels import Pathology
from sonoloop.records import (
    Annotation,
    AnnotationState,
    ImageRecord,
    LabelTag,
)
from sonoloop.store import files
from sonoloop.store.answers import count_again
from sonoloop.store.database import Database
from sonoloop.store.events import UNKNOWN
from sonoloop.store.images import find_row
from sonoloop.store.outbox import take_back
from sonoloop.store.paths import WorkspacePaths
from sonoloop.store.records import annotation as record_of
from sonoloop.store.records import image_record
from sonoloop.store.revisions import (
    BY_WEIGHT,
    HOLDS,
    IS_READING,
    add,
    next_revision,
    own_newest,
    standing_rows,
    tell_withdrawal,
)
from sonoloop.store.schema import AnnotationRow, ImageRow, now

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAnnotation:
    """What somebody (or a model) says of an image, before it is saved.

    Attributes:
        tag: ``final`` for a reader's word, ``original`` for a model's draft.
        source_model: Id of the model that proposed the mask, or None.
        seconds_spent: Reader's time on the image, or None.
        import_key: Content hash of an imported annotation, which keeps it from being imported
            twice; None for what a client sent.
        base_revision: The reader's own newest revision it was made from, 0 for none; None does
            not check.
        state: ``draft`` counts for nothing yet.
        adjudicates: It settles what the readers disagree on.
    """

    image_id: str
    tag: LabelTag = "final"
    pathology: Pathology | None = None
    birads: str | None = None
    reader: str = ""
    source_model: str | None = None
    seconds_spent: float | None = None
    info: dict[str, Any] = field(default_factory=dict)
    import_key: str | None = None
    base_revision: int | None = None
    state: AnnotationState = "submitted"
    adjudicates: bool = False


class Annotations:
    """Annotations by image and tag; every method is one transaction."""

    def __init__(self, database: Database, paths: WorkspacePaths) -> None:
        self._database = database
        self._paths = paths

    def save(self, new: NewAnnotation, label_map: LabelMap | Mask | None) -> Annotation:
        """Keep a new revision; it is on the disk when this returns.

        The file is complete before the row exists, so a crash leaves at worst a file without a
        row, which nothing reads. What is not a draft ends the reader's lease of the image.

        Args:
            new: What is said.
            label_map: (H, W) uint8 or bool on the image's own grid, 0 is background; None when the
                annotation speaks of the whole image only.

        Raises:
            NotFoundError: If there is no such image.
            ConflictError: If this is an import and somebody has annotated the image here since.
            StaleRevisionError: If ``base_revision`` is not the reader's newest any more; what was
                sent is kept as a conflicting revision.
            LabelReadError: If the label map does not fit the image.
            StoreError: If it cannot be written; then nothing has changed.
        """
        if label_map is None:
            return self._commit(new, None, None)
        with self._database.reading() as session:
            image = find_row(session, new.image_id)
            shape = (image.rows, image.columns)
        data = files.encode_png(files.checked_label_map(label_map, shape=shape))
        incoming = files.write_incoming(self._paths.incoming_labels, data)
        try:
            # Outside the transaction, so that other writers do not wait for the disk.
            files.make_folder(self._paths.labels / new.image_id)
            return self._commit(new, incoming, files.sha256(data))
        finally:
            incoming.unlink(missing_ok=True)

    def _commit(self, new: NewAnnotation, incoming: Path | None, digest: str | None) -> Annotation:
        with self._database.writing() as session:
            image = find_row(session, new.image_id, lock=True)
            imported = _by_import_key(session, new.import_key)
            if imported is not None:
                return record_of(imported, new.image_id)
            if new.import_key is not None:
                _refuse_to_override(session, image, new)
            current = own_newest(session, image, new.tag, new.reader, adjudicates=new.adjudicates)
            known = current.revision if current is not None else 0
            stale = new.base_revision is not None and new.base_revision != known
            row = _new_row(new, image, revision=next_revision(session, image, new.tag))
            row.mask_sha256 = digest
            row.state = "conflicting" if stale else new.state
            if incoming is not None:
                name = f"{new.tag}-{row.revision}-{secrets.token_hex(4)}.png"
                row.mask_path = f"{new.image_id}/{name}"
                files.move_into_place(incoming, self._paths.labels / row.mask_path)
            add(session, image, row)
            saved = record_of(row, new.image_id)
        if stale:
            raise StaleRevisionError(
                f"image {new.image_id!r} was saved from revision {new.base_revision} of "
                f"{new.reader!r}, whose newest is {known} (kept as revision {saved.revision}: "
                f"look at both and save again)",
                kept=saved,
                current=None if current is None else record_of(current, new.image_id),
            )
        return saved

    def latest(self, image_id: str, tag: LabelTag = "final") -> Annotation | None:
        """What holds for an image, or None.

        The newest adjudication before the newest accepted revision before the newest submitted
        one; what was withdrawn, rejected or revised by its reader does not count.
        """
        with self._database.reading() as session:
            row = session.scalar(
                select(AnnotationRow)
                .join(ImageRow, ImageRow.id == AnnotationRow.image)
                .where(ImageRow.image_id == image_id, AnnotationRow.tag == tag, HOLDS)
                .order_by(*BY_WEIGHT)
                .limit(1)
            )
            return None if row is None else record_of(row, image_id)

    def newest_by_reader(self, image_id: str) -> dict[str, Annotation]:
        """What each reader says of an image now: his newest final revision, by reader.

        Submitted, accepted or rejected (see its ``state``); adjudications are no readings.

        Raises:
            NotFoundError: If there is no such image.
        """
        with self._database.reading() as session:
            image = find_row(session, image_id)
            query = select(AnnotationRow).where(AnnotationRow.image == image.id, IS_READING)
            rows = session.scalars(query.order_by(AnnotationRow.revision))
            return {row.reader: record_of(row, image_id) for row in rows}

    def answers(self, *, min_readers: int = 0) -> list[tuple[ImageRecord, tuple[Annotation, ...]]]:
        """Every image with what holds for it, oldest image first, in one query.

        The final annotations of each are those :meth:`latest` chooses among, the weightiest
        first: adjudications, accepted ones, then what the readers submitted.

        Args:
            min_readers: Only images for which so many readers have answered.
        """
        query = (
            select(ImageRow, AnnotationRow)
            .join(AnnotationRow, AnnotationRow.image == ImageRow.id)
            .where(AnnotationRow.tag == "final", HOLDS, ImageRow.readers_done >= min_readers)
            .order_by(ImageRow.id, *BY_WEIGHT)
        )
        found: dict[str, tuple[ImageRecord, list[Annotation]]] = {}
        with self._database.reading() as session:
            for image, row in session.execute(query).tuples():
                entry = found.get(image.image_id)
                if entry is None:
                    entry = found[image.image_id] = (image_record(image), [])
                entry[1].append(record_of(row, image.image_id))
        return [(image, tuple(annotations)) for image, annotations in found.values()]

    def history(self, image_id: str) -> list[Annotation]:
        """Every revision of every tag, also those withdrawn, in the order they were made.

        Raises:
            NotFoundError: If there is no such image.
        """
        with self._database.reading() as session:
            image = find_row(session, image_id)
            rows = session.scalars(
                select(AnnotationRow)
                .where(AnnotationRow.image == image.id)
                .order_by(AnnotationRow.id)
            )
            return [record_of(row, image_id) for row in rows]

    def mask_file(self, annotation: Annotation) -> Path:
        """File of the annotation's label map.

        Raises:
            NotFoundError: If the annotation has none.
        """
        if annotation.mask_path is None:
            raise NotFoundError(
                f"revision {annotation.revision} of label {annotation.tag!r} of image "
                f"{annotation.image_id!r} has no mask"
            )
        return self._paths.labels / annotation.mask_path

    def mask(self, annotation: Annotation) -> LabelMap:
        """The (H, W) uint8 label map of an annotation, as it was saved.

        Raises:
            NotFoundError: If the annotation has none.
            StoreError: If its file is gone or was changed behind our back.
        """
        path = self.mask_file(annotation)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise StoreError(
                f"label file {path} cannot be read: {error.strerror} (restore it from a backup)"
            ) from error
        if files.sha256(data) != annotation.mask_sha256:
            raise StoreError(
                f"label file {path} is not what was saved: its sha256 differs from the "
                f"database's (restore it from a backup)"
            )
        return files.decode_png(data)

    def withdraw(
        self, image_id: str, tag: LabelTag, *, actor: str = UNKNOWN, revision: int | None = None
    ) -> None:
        """Take back every standing revision of a tag, or that one; they stay in the history.

        Raises:
            NotFoundError: If there is no such image, or no revision that stands.
        """
        with self._database.writing() as session:
            image = find_row(session, image_id, lock=True)
            rows = [
                row
                for row in standing_rows(session, image, tag)
                if revision is None or row.revision == revision
            ]
            if not rows:
                raise NotFoundError(f"image {image_id!r} has no label {tag!r}")
            for row in rows:
                row.withdrawn_at, row.in_force = now(), False
            count_again(session, image)
            take_back(session, rows)
            tell_withdrawal(session, image, rows, actor=actor)

    def update_info(
        self,
        image_id: str,
        tag: LabelTag,
        info: Mapping[str, Any],
        *,
        revision: int | None = None,
    ) -> None:
        """Add ``info`` to the free JSON of what :meth:`latest` gives; keys it has are replaced.

        With ``revision`` it is added to that one, if it was not taken back.

        What a reader says of the image (mask, pathology, BI-RADS) never changes this way: that
        is a new revision.

        Raises:
            NotFoundError: If there is no such image, or no revision that stands.
        """
        with self._database.writing() as session:
            image = find_row(session, image_id, lock=True)
            there = (AnnotationRow.image == image.id) & (AnnotationRow.tag == tag)
            if revision is None:
                there &= HOLDS
            else:
                there &= AnnotationRow.withdrawn_at.is_(None) & (AnnotationRow.revision == revision)
            row = session.scalar(select(AnnotationRow).where(there).order_by(*BY_WEIGHT).limit(1))
            if row is None:
                raise NotFoundError(f"image {image_id!r} has no label {tag!r}")
            row.info = {**row.info, **info}

    def holding(self) -> dict[str, list[Annotation]]:
        """Everything that holds for an image, the weightiest of each tag first, in one query."""
        query = (
            select(ImageRow.image_id, AnnotationRow)
            .join(AnnotationRow, AnnotationRow.image == ImageRow.id)
            .where(HOLDS)
            .order_by(ImageRow.id, *BY_WEIGHT)
        )
        found: dict[str, list[Annotation]] = {}
        with self._database.reading() as session:
            for image_id, row in session.execute(query).tuples():
                found.setdefault(image_id, []).append(record_of(row, image_id))
        return found

    def standing(self) -> dict[str, dict[LabelTag, Annotation]]:
        """What :meth:`latest` gives, of every tag and every image that has one."""
        return {
            # The last of a key counts, so the weightiest go in last.
            image_id: {one.tag: one for one in reversed(held)}
            for image_id, held in self.holding().items()
        }

    def import_keys(self) -> frozenset[str]:
        """Content hashes of all that has been imported, also of what was withdrawn."""
        query = select(AnnotationRow.import_key).where(AnnotationRow.import_key.is_not(None))
        with self._database.reading() as session:
            return frozenset(key for key in session.scalars(query) if key is not None)

    def count(self) -> int:
        """Revisions ever saved, also those withdrawn."""
        with self._database.reading() as session:
            return session.execute(select(func.count()).select_from(AnnotationRow)).scalar_one()

    def by_tag_counts(self) -> dict[str, int]:
        """Images for which something holds, per tag."""
        query = (
            select(AnnotationRow.tag, func.count(AnnotationRow.image.distinct()))
            .where(HOLDS)
            .group_by(AnnotationRow.tag)
        )
        with self._database.reading() as session:
            return dict(session.execute(query).tuples().all())

    def sweep_orphans(self) -> int:
        """Remove temporary label files that died with their process; how many there were."""
        return files.remove_leftovers(self._paths.incoming_labels)


def _by_import_key(session: Session, key: str | None) -> AnnotationRow | None:
    if key is None:
        return None
    return session.scalar(select(AnnotationRow).where(AnnotationRow.import_key == key))


def _refuse_to_override(session: Session, image: ImageRow, new: NewAnnotation) -> None:
    standing = standing_rows(session, image, new.tag)
    if standing and standing[-1].import_key is None:
        raise ConflictError(
            f"image {new.image_id!r} was annotated here by {standing[-1].reader!r} since "
            f"(withdraw that label to import another)"
        )


def _new_row(new: NewAnnotation, image: ImageRow, *, revision: int) -> AnnotationRow:
    return AnnotationRow(
        image=image.id,
        tag=new.tag,
        revision=revision,
        mask_path=None,
        mask_sha256=None,
        pathology=new.pathology,
        birads=new.birads,
        reader=new.reader,
        source_model=new.source_model,
        seconds_spent=new.seconds_spent,
        info=dict(new.info),
        import_key=new.import_key,
        state=new.state,
        adjudicates=new.adjudicates,
        base_revision=new.base_revision,
        in_force=False,
        created_at=now(),
        withdrawn_at=None,
    )
