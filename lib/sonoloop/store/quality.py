"""What is doubtful about labels: flags that people dismiss or that mend themselves."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, TypeAlias, cast

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from sonoloop.errors import ConflictError, InvalidRequestError, NotFoundError
from sonoloop.quality.doubt import Doubt, FlagKind, FlagState, QualityFlag
from sonoloop.store.database import Database
from sonoloop.store.events import SYSTEM, EventKind, NewEvent, record_events
from sonoloop.store.images import find_row
from sonoloop.store.schema import AnnotationRow, ImageRow, now
from sonoloop.store.schema_quality import QualityCheckRow, QualityFlagRow

FlagList: TypeAlias = "list[QualityFlag]"

_COLUMNS: Final = (QualityFlagRow, ImageRow.image_id, AnnotationRow.reader)


class Quality:
    """Flags by image; every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def settle(
        self,
        image_id: str,
        found: Mapping[int, Sequence[Doubt]],
        *,
        kinds: Collection[FlagKind],
        up_to: int | None = None,
    ) -> FlagList:
        """Keep what a check of an image found, and close what it found no more.

        A doubt that was dismissed stays dismissed. Open flags of revisions that are not in
        question any more are fixed, whatever their kind.

        Args:
            image_id: What was checked.
            found: Doubts by annotation id, with an entry for every annotation in question: one
                that counts and that nobody has confirmed.
            kinds: What was looked for; open flags of other kinds stay.
            up_to: Newest annotation id that was there when a complete check began; None when the
                check was not complete.

        Returns:
            Flags that were raised by this check, opened anew included.

        Raises:
            NotFoundError: If there is no such image.
        """
        with self._database.writing() as session:
            image = find_row(session, image_id, lock=True)
            query = select(QualityFlagRow).where(QualityFlagRow.image == image.id)
            known = {_key(row): row for row in session.scalars(query)}
            wanted = {
                (annotation, doubt.kind, doubt.subject): doubt
                for annotation, doubts in found.items()
                for doubt in doubts
            }
            over = [
                row
                for key, row in known.items()
                if row.state == "open"
                and key not in wanted
                and (row.annotation not in found or row.kind in kinds)
            ]
            for row in over:
                _resolve(row, "fixed", by=SYSTEM, reason=None)
            raised = [
                _raise(session, image.id, key, doubt, known.get(key))
                for key, doubt in wanted.items()
                if key not in known or known[key].state == "fixed"
            ]
            if up_to is not None:
                session.merge(QualityCheckRow(image=image.id, annotation=up_to, checked_at=now()))
            session.flush()
            _log(session, "quality_flag_resolved", image_id, over, actor=SYSTEM)
            _log(session, "quality_flag_raised", image_id, raised, actor=SYSTEM)
            ids = [row.id for row in raised]
            rows = session.execute(_joined().where(QualityFlagRow.id.in_(ids))).tuples()
            return [_flag(*row) for row in rows]

    def open_images(self, *, besides: Collection[FlagKind] = ()) -> frozenset[str]:
        """Ids of images with an open flag.

        Args:
            besides: Kinds of flags that do not count.
        """
        query = (
            select(ImageRow.image_id)
            .join(QualityFlagRow, QualityFlagRow.image == ImageRow.id)
            .where(QualityFlagRow.state == "open")
            .distinct()
        )
        if besides:
            query = query.where(QualityFlagRow.kind.not_in(besides))
        with self._database.reading() as session:
            return frozenset(session.scalars(query))

    def list(
        self,
        *,
        state: FlagState | None = "open",
        kind: FlagKind | None = None,
        image_id: str | None = None,
        before: int | None = None,
        limit: int | None = 100,
    ) -> FlagList:
        """Flags that fit everything asked for, newest first.

        Args:
            state: Only flags in this state; None is any.
            kind: Only flags of this kind.
            image_id: Only flags of this image.
            before: Only flags older than this ``flag_id``, the last of the page before.
            limit: At most so many; None is all.

        Raises:
            InvalidRequestError: If ``limit`` is below 1.
        """
        if limit is not None and limit < 1:
            raise InvalidRequestError(f"a page of {limit} flags (at least 1)")
        query = _joined().order_by(QualityFlagRow.id.desc()).limit(limit)
        if state is not None:
            query = query.where(QualityFlagRow.state == state)
        if kind is not None:
            query = query.where(QualityFlagRow.kind == kind)
        if image_id is not None:
            query = query.where(ImageRow.image_id == image_id)
        if before is not None:
            query = query.where(QualityFlagRow.id < before)
        with self._database.reading() as session:
            return [_flag(*row) for row in session.execute(query).tuples()]

    def counts(self) -> dict[FlagKind, int]:
        """Open flags of each kind that has any."""
        query = (
            select(QualityFlagRow.kind, func.count())
            .where(QualityFlagRow.state == "open")
            .group_by(QualityFlagRow.kind)
            .order_by(QualityFlagRow.kind)
        )
        with self._database.reading() as session:
            counted = session.execute(query).tuples()
            return {cast("FlagKind", kind): count for kind, count in counted}

    def dismiss(self, flag_id: int, *, by: str, reason: str) -> QualityFlag:
        """Say that a label is right as it is; its image may be trained on again.

        Raises:
            NotFoundError: If there is no such flag.
            ConflictError: If it is not open.
        """
        with self._database.writing() as session:
            found = session.execute(_joined().where(QualityFlagRow.id == flag_id)).tuples().first()
            if found is None:
                raise NotFoundError(f"unknown quality flag {flag_id}")
            row, image_id, reader = found
            if row.state != "open":
                raise ConflictError(
                    f"quality flag {flag_id} is {row.state} already, by {row.resolved_by!r}"
                )
            _resolve(row, "dismissed", by=by, reason=reason)
            _log(session, "quality_flag_resolved", image_id, [row], actor=by)
            return _flag(row, image_id, reader)

    def dismiss_kind(self, kind: FlagKind, *, by: str, reason: str) -> int:
        """Dismiss every open flag of a kind; how many there were."""
        query = _joined().where(QualityFlagRow.state == "open", QualityFlagRow.kind == kind)
        with self._database.writing() as session:
            rows = session.execute(query).tuples().all()
            for row, image_id, _ in rows:
                _resolve(row, "dismissed", by=by, reason=reason)
                _log(session, "quality_flag_resolved", image_id, [row], actor=by)
            return len(rows)

    def duplicates_of(self, image_id: str) -> tuple[str, ...]:
        """Ids of other labelled images that are stated to be near-duplicates of an image."""
        group = select(ImageRow.near_duplicates).where(ImageRow.image_id == image_id)
        query = (
            select(ImageRow.image_id)
            .where(ImageRow.near_duplicates == group.scalar_subquery(), ImageRow.labelled)
            .where(ImageRow.image_id != image_id)
            .order_by(ImageRow.id)
        )
        with self._database.reading() as session:
            return tuple(session.scalars(query))

    def unchecked(self) -> tuple[str, ...]:
        """Ids of images with an annotation newer than their last check, oldest image first."""
        query = (
            select(ImageRow.image_id)
            .join(AnnotationRow, AnnotationRow.image == ImageRow.id)
            .outerjoin(QualityCheckRow, QualityCheckRow.image == ImageRow.id)
            .where(AnnotationRow.tag == "final", AnnotationRow.withdrawn_at.is_(None))
            .where(
                or_(
                    QualityCheckRow.annotation.is_(None),
                    AnnotationRow.id > QualityCheckRow.annotation,
                )
            )
            .group_by(ImageRow.id, ImageRow.image_id)
            .order_by(ImageRow.id)
        )
        with self._database.reading() as session:
            return tuple(session.scalars(query))


def _key(row: QualityFlagRow) -> tuple[int, str, str]:
    return (row.annotation, row.kind, row.subject)


def _joined() -> Any:
    return (
        select(*_COLUMNS)
        .join(ImageRow, ImageRow.id == QualityFlagRow.image)
        .join(AnnotationRow, AnnotationRow.id == QualityFlagRow.annotation)
    )


def _raise(
    session: Session,
    image: int,
    key: tuple[int, str, str],
    doubt: Doubt,
    row: QualityFlagRow | None,
) -> QualityFlagRow:
    if row is None:
        row = QualityFlagRow(image=image, annotation=key[0], kind=key[1], subject=key[2])
        session.add(row)
    row.sentence, row.figures = doubt.sentence, dict(doubt.figures)
    row.state, row.raised_at = "open", now()
    row.resolved_at = row.resolved_by = row.reason = None
    return row


def _resolve(row: QualityFlagRow, state: FlagState, *, by: str, reason: str | None) -> None:
    row.state, row.resolved_at, row.resolved_by, row.reason = state, now(), by, reason


def _log(
    session: Session,
    kind: EventKind,
    image_id: str,
    rows: Sequence[QualityFlagRow],
    *,
    actor: str,
) -> None:
    details = (
        {"flag": row.id, "kind": row.kind, "annotation": row.annotation, "state": row.state}
        | ({"reason": row.reason} if row.reason else {})
        for row in rows
    )
    record_events(
        session,
        [NewEvent(kind=kind, actor=actor, image_id=image_id, details=told) for told in details],
    )


def _flag(row: QualityFlagRow, image_id: str, reader: str) -> QualityFlag:
    return QualityFlag(
        flag_id=row.id,
        image_id=image_id,
        annotation_id=row.annotation,
        reader=reader,
        kind=cast("FlagKind", row.kind),
        subject=row.subject,
        sentence=row.sentence,
        figures=dict(row.figures),
        state=cast("FlagState", row.state),
        raised_at=row.raised_at,
        resolved_at=row.resolved_at,
        resolved_by=row.resolved_by,
        reason=row.reason,
    )
