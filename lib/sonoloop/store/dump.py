"""Every row of every table, out of one database and into another, whatever kind each is.

The tables are those the code speaks of, so that a new one is carried along without being named
here; those of accounts stay behind, for an archive may be given to others. A row is JSON: instants
as ISO 8601 in UTC with microseconds, bytes as base64.
"""

import base64
import binascii
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from sqlalchemy import Column, DateTime, Integer, LargeBinary, Table, func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from sonoloop.errors import StoreError
from sonoloop.store.database import BATCH, Database
from sonoloop.store.migrate import REVISIONS
from sonoloop.store.schema import UtcDateTime
from sonoloop.store.tables import Base

TABLES: Final[dict[str, Table]] = {
    table.name: table for table in Base.metadata.sorted_tables if not table.info.get("secret")
}
"""By name; a table comes after those it refers to."""

SCHEMA: Final = REVISIONS[-1]
"""Schema of the rows this program dumps and loads."""

DumpedRow: TypeAlias = dict[str, Any]


class Snapshot:
    """One state of the database, for as long as it is open."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def rows(self, table: str) -> Iterator[DumpedRow]:
        """Rows of a table as JSON values, by primary key; the same rows in the same order always.

        Raises:
            KeyError: If there is no such table.
        """
        known = TABLES[table]
        query = select(known).order_by(*known.primary_key.columns)
        options = {"yield_per": BATCH}
        for row in self._session.execute(query, execution_options=options).mappings():
            yield {column.name: _dumped(row[column.name]) for column in known.columns}


class Dump:
    """Dumps and loads all there is."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """The database as it is now, whatever others write meanwhile.

        Raises:
            StoreError: If the database fails.
        """
        with self._database.reading() as session:
            yield Snapshot(session)

    def is_empty(self) -> bool:
        """Whether no table has a row."""
        with self._database.reading() as session:
            return all(session.execute(select(t).limit(1)).first() is None for t in TABLES.values())

    def load(self, rows_of: Callable[[str], Iterator[DumpedRow]]) -> None:
        """Fill an empty database; all rows are there when this returns, or none.

        Args:
            rows_of: Rows of a table by its name, as :meth:`Snapshot.rows` gives them.

        Raises:
            StoreError: If a row does not fit its table, refers to what is not there, or the
                database fails.
        """
        try:
            with self._database.writing() as session:
                for table in TABLES.values():
                    _fill(session, table, rows_of(table.name))
                    if not self._database.is_sqlite:
                        _set_sequence(session, table)
        except IntegrityError as error:
            raise StoreError(
                f"the rows contradict one another: {error.orig} (nothing was loaded)"
            ) from error


def check_row(table: str, row: Mapping[str, Any]) -> DumpedRow:
    """A dumped row as the values its table takes.

    Raises:
        StoreError: If it has other columns than the table, or a value that could not be of its
            column.
    """
    known = TABLES[table]
    if set(row) != set(known.columns.keys()):
        different = sorted(set(row) ^ set(known.columns.keys()))
        raise StoreError(f"a row of {table} has other columns: {', '.join(different)[:200]}")
    return {column.name: _loaded(table, column, row[column.name]) for column in known.columns}


def _dumped(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value


def _loaded(table: str, column: Column[Any], value: Any) -> Any:
    try:
        if value is None:
            return value
        if isinstance(column.type, UtcDateTime | DateTime):
            return datetime.fromisoformat(value)
        if isinstance(column.type, LargeBinary):
            return base64.b64decode(value, validate=True)
    except (TypeError, ValueError, binascii.Error) as error:
        raise StoreError(f"{table}.{column.name} cannot be {value!r:.80}: {error}") from error
    return value


def _fill(session: Session, table: Table, rows: Iterator[DumpedRow]) -> None:
    batch: list[DumpedRow] = []
    for row in rows:
        batch.append(check_row(table.name, row))
        if len(batch) == BATCH:
            session.execute(insert(table), batch)
            batch = []
    if batch:
        session.execute(insert(table), batch)


def _set_sequence(session: Session, table: Table) -> None:
    """Have PostgreSQL count on from the highest number there is."""
    column = table.autoincrement_column
    if column is None or not isinstance(column.type, Integer):
        return
    highest = session.scalar(select(func.max(column)))
    if highest is not None:
        sequence = func.pg_get_serial_sequence(table.name, column.name)
        session.execute(select(func.setval(sequence, highest)))
