"""Who works on which image: one reader an image, until a moment that was agreed on."""

from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from sonoloop.errors import InvalidRequestError
from sonoloop.records import Lease
from sonoloop.store.answers import end_lease
from sonoloop.store.database import Database
from sonoloop.store.events import SYSTEM, NewEvent, record_event, record_events
from sonoloop.store.images import find_row
from sonoloop.store.pool import POOL, open_to
from sonoloop.store.schema import ImageRow, now
from sonoloop.store.schema_readers import LeaseRow


class Leases:
    """Leases by image; every method is one transaction.

    The instant ``at`` is for tests and for replaying: None is this moment.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(
        self,
        image_id: str,
        reader: str,
        *,
        strategy: str,
        reason: str,
        seconds: float,
        at: datetime | None = None,
    ) -> Lease | None:
        """Hand an image to a reader, or hand it on for longer to the one who holds it.

        Returns:
            The lease, or None when another reader holds the image or it does not wait for this
            one: it is labelled, gone, kept for others by name, answered or passed over by him.

        Raises:
            NotFoundError: If there is no such image.
            InvalidRequestError: If the reader has no name or the time is not positive.
        """
        if not reader or seconds <= 0:
            raise InvalidRequestError(
                f"a lease needs a reader's name and a time above 0, got {reader!r} and {seconds} s"
            )
        with self._database.writing() as session:
            image = find_row(session, image_id, lock=True)
            instant = at or now()  # only now: waiting for other writers takes its time
            waits = select(ImageRow.id).where(ImageRow.id == image.id, POOL)
            if session.scalar(waits.where(*open_to(reader, instant))) is None:
                return None
            row = session.get(LeaseRow, image.id)
            _tell(session, image, row, reader, strategy=strategy, reason=reason, at=instant)
            row = row or LeaseRow(image=image.id)
            row.reader, row.strategy, row.reason = reader, strategy, reason
            row.taken_at, row.expires_at = instant, instant + timedelta(seconds=seconds)
            session.add(row)
            return _record(row, image_id)

    def release(self, image_id: str, reader: str) -> bool:
        """Give an image back; False when this reader did not hold it.

        Raises:
            NotFoundError: If there is no such image.
        """
        with self._database.writing() as session:
            return end_lease(session, find_row(session, image_id, lock=True), reader)

    def of(self, reader: str, *, at: datetime | None = None) -> list[Lease]:
        """What a reader holds, the newest lease first."""
        return [lease for lease in self.active(at=at) if lease.reader == reader][::-1]

    def active(self, *, at: datetime | None = None) -> list[Lease]:
        """Every lease that has not lapsed, oldest first."""
        query = (
            select(LeaseRow, ImageRow.image_id)
            .join(ImageRow, ImageRow.id == LeaseRow.image)
            .where(LeaseRow.expires_at > (at or now()))
            .order_by(LeaseRow.taken_at, LeaseRow.image)
        )
        with self._database.reading() as session:
            return [_record(row, image_id) for row, image_id in session.execute(query).tuples()]

    def sweep(self, *, at: datetime | None = None) -> int:
        """Forget leases that have lapsed; how many there were."""
        with self._database.writing() as session:
            return _forget(session, at or now())


def _forget(session: Session, instant: datetime) -> int:
    lapsed = LeaseRow.expires_at <= instant
    query = select(ImageRow.image_id, LeaseRow.reader, LeaseRow.expires_at)
    held = session.execute(
        query.join(LeaseRow, LeaseRow.image == ImageRow.id).where(lapsed).order_by(ImageRow.id)
    ).all()
    session.execute(delete(LeaseRow).where(lapsed))
    record_events(session, [_expiry(image_id, reader, at) for image_id, reader, at in held])
    return len(held)


def _tell(
    session: Session,
    image: ImageRow,
    before: LeaseRow | None,
    reader: str,
    *,
    strategy: str,
    reason: str,
    at: datetime,
) -> None:
    """Log a new lease, and the end of a lapsed one in whose place it comes; not a longer one."""
    if before is not None and before.expires_at <= at:
        record_events(session, [_expiry(image.image_id, before.reader, before.expires_at)])
    elif before is not None and before.reader == reader:
        return
    record_event(
        session,
        "lease_taken",
        actor=reader,
        image_id=image.image_id,
        details={"strategy": strategy, "reason": reason},
    )


def _expiry(image_id: str, reader: str, at: datetime) -> NewEvent:
    details = {"reader": reader, "expired_at": at.isoformat()}
    return NewEvent(kind="lease_expired", actor=SYSTEM, image_id=image_id, details=details)


def _record(row: LeaseRow, image_id: str) -> Lease:
    return Lease(
        image_id=image_id,
        reader=row.reader,
        strategy=row.strategy,
        reason=row.reason,
        taken_at=row.taken_at,
        expires_at=row.expires_at,
    )
