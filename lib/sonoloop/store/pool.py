"""The images that still wait for an answer, and for whose."""

import random
from collections.abc import Collection
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, exists, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from sonoloop.store.answers import IS_ANSWER
from sonoloop.store.database import BATCH
from sonoloop.store.schema import AnnotationRow, ImageRow
from sonoloop.store.schema_readers import AssignmentRow, LeaseRow, SkipRow

KEY_BITS: Final = 63
FIRST_PAGE: Final = 16

POOL: Final = ~ImageRow.labelled & ImageRow.available
"""Images still to be labelled."""


IN_ARCHIVE: Final = (ImageRow.source != "upload") & ImageRow.sop_instance_uid.is_not(None)
"""Images that DICOMweb serves: no uploads, and no pictures such as PNG."""


def open_to(
    reader: str | None, at: datetime, *, in_archive: bool = False
) -> tuple[ColumnElement[bool], ...]:
    """Conditions of an image that ``reader`` may be handed at that instant.

    Nobody else holds it, it is not kept for other readers by name, and this reader has neither
    answered nor passed it over. None is a reader without a name, who can hold nothing. With
    ``in_archive`` a viewer of DICOM can open it.
    """
    return (*_waiting_for(reader, at), *((IN_ARCHIVE,) if in_archive else ()))


def _waiting_for(reader: str | None, at: datetime) -> tuple[ColumnElement[bool], ...]:
    leased = (LeaseRow.image == ImageRow.id) & (LeaseRow.expires_at > at)
    if reader is None:
        return (~exists().where(leased), ~ImageRow.reserved)
    assigned = exists().where(AssignmentRow.image == ImageRow.id, AssignmentRow.reader == reader)
    answered = (AnnotationRow.image == ImageRow.id) & (AnnotationRow.reader == reader)
    skipped = (SkipRow.image == ImageRow.id) & (SkipRow.reader == reader)
    return (
        ~exists().where(leased, LeaseRow.reader != reader),
        or_(~ImageRow.reserved, assigned),
        ~exists().where(answered, IS_ANSWER),
        ~exists().where(skipped, SkipRow.withdrawn_at.is_(None)),
    )


def first_open(
    session: Session,
    *,
    reader: str | None,
    at: datetime,
    seed: int | None = None,
    exclude: Collection[str] = (),
    in_archive: bool = False,
) -> ImageRow | None:
    """The image of the pool known longest, or with a ``seed`` any; None when none is left."""
    conditions, excluded = open_to(reader, at, in_archive=in_archive), frozenset(exclude)
    if seed is None:
        return _first(session, ImageRow.id, 0, conditions, excluded)
    start = random.Random(seed).getrandbits(KEY_BITS)  # noqa: S311 - not a secret
    return _first(session, ImageRow.random_key, start, conditions, excluded) or _first(
        session, ImageRow.random_key, 0, conditions, excluded
    )


def _first(
    session: Session,
    key: InstrumentedAttribute[int],
    start: int,
    conditions: tuple[ColumnElement[bool], ...],
    exclude: frozenset[str],
) -> ImageRow | None:
    """The open row with the lowest ``key`` from ``start`` on that is not excluded."""
    query = select(ImageRow).where(POOL, *conditions).order_by(key)
    if not exclude:
        return session.scalar(query.where(key >= start).limit(1))
    # Pages by key instead of NOT IN: a long exclusion would exceed the parameters of a statement.
    size = FIRST_PAGE
    while True:
        page = session.scalars(query.where(key >= start).limit(size)).all()
        for row in page:
            if row.image_id not in exclude:
                return row
        if len(page) < size:
            return None
        last: int = getattr(page[-1], key.key)
        start, size = last + 1, BATCH
