"""Files that could not be registered, and why."""

from collections.abc import Collection, Sequence

from sqlalchemy import delete, select

from sonoloop.store.database import Database, batches
from sonoloop.store.records import Refusal
from sonoloop.store.schema import RefusalRow, now


class Refusals:
    """Refusals by locator; every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, refusals: Sequence[Refusal]) -> None:
        """Keep refusals; the latest reason of a file counts."""
        if not refusals:
            return
        with self._database.writing() as session:
            for refusal in refusals:
                session.merge(
                    RefusalRow(
                        locator=refusal.locator,
                        code=refusal.code,
                        message=refusal.message,
                        file_size=refusal.size,
                        file_mtime_ns=refusal.mtime_ns,
                        created_at=now(),
                    )
                )

    def clear(self, locators: Collection[str]) -> None:
        """Forget the refusals of files that were mended or have gone."""
        if not locators:
            return
        with self._database.writing() as session:
            for batch in batches(tuple(locators)):
                session.execute(delete(RefusalRow).where(RefusalRow.locator.in_(batch)))

    def all(self) -> tuple[Refusal, ...]:
        """Every refusal that stands, by locator."""
        with self._database.reading() as session:
            rows = session.scalars(select(RefusalRow).order_by(RefusalRow.locator))
            return tuple(
                Refusal(
                    locator=row.locator,
                    code=row.code,
                    message=row.message,
                    size=row.file_size,
                    mtime_ns=row.file_mtime_ns,
                )
                for row in rows
            )
