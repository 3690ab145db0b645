"""One database: connections, transactions, and the sentence a user reads when it fails."""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session

from sonoloop.errors import StoreError
from sonoloop.store.schema import to_json

BUSY_TIMEOUT_MS: Final = 30_000
"""How long a writer waits for another process before it gives up."""

BATCH: Final = 500
"""Values in one statement; databases limit them."""

POOL_SIZE: Final = 8
POOL_OVERFLOW: Final = 56


T = TypeVar("T")


def batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """``items`` in pieces that fit one statement."""
    for start in range(0, len(items), BATCH):
        yield items[start : start + BATCH]


def _failure(error: SQLAlchemyError) -> StoreError:
    cause = getattr(error, "orig", None) or error
    return StoreError(
        f"the database failed: {cause} (nothing of this change was saved; "
        f"check the disk and that the workspace is not damaged)"
    )


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    # Transactions are begun by _begin alone; pysqlite's own habit begins them late.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.close()


def _begin(connection: Connection) -> None:
    # A read that turns into a write cannot wait for another writer: writers say so at the start.
    options = connection.get_execution_options()
    if options.get("sonoloop_single", False):
        return
    writes = options.get("sonoloop_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


class Database:
    """Connections to the database of one workspace; usable from many threads.

    Attributes:
        url: Where the database is; its password is masked when shown.
        writes: Transactions this process has finished; what was read before it grew may be stale.
    """

    def __init__(self, url: str | URL) -> None:
        try:
            self.url = make_url(url)
        except ArgumentError as error:
            raise StoreError(f"not a database address: {url!r}") from error
        options: dict[str, Any] = {"json_serializer": to_json, "pool_pre_ping": not self.is_sqlite}
        self.engine: Engine = create_engine(
            self.url, pool_size=POOL_SIZE, max_overflow=POOL_OVERFLOW, **options
        )
        self._writer = self.engine.execution_options(sonoloop_writes=True)
        self._single = self.engine.execution_options(sonoloop_single=True)
        # SQLite lets writers of other processes wait by polling; those of this one take turns.
        self._turn = threading.Lock()
        self._counting = threading.Lock()
        self.writes = 0
        if self.is_sqlite:
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin)

    @classmethod
    def at(cls, path: Path) -> "Database":
        """The SQLite database in the file ``path``."""
        return cls(URL.create("sqlite", database=str(path)))

    @property
    def is_sqlite(self) -> bool:
        """Whether this is the default database."""
        return self.url.get_backend_name() == "sqlite"

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that sees one state of the database.

        Raises:
            StoreError: If the database fails.
        """
        try:
            with Session(self.engine, expire_on_commit=False) as session, session.begin():
                yield session
        except SQLAlchemyError as error:
            raise _failure(error) from error

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection for queries that stand alone: each sees the database as it is then.

        The cheapest way to ask; rows are plain, and no transaction is begun for SQLite.

        Raises:
            StoreError: If the database fails.
        """
        try:
            with self._single.connect() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise _failure(error) from error

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session whose changes are all on the disk when the block ends, or none of them.

        Raises:
            StoreError: If the database fails.
            IntegrityError: If a constraint is broken; the caller knows what that means.
        """
        turn = self._turn if self.is_sqlite else threading.Lock()
        try:
            with (
                turn,
                Session(self._writer, expire_on_commit=False) as session,
                session.begin(),
            ):
                session.connection()  # begins now, so that what the block reads stays true
                yield session
            with self._counting:
                self.writes += 1
        except IntegrityError:
            raise
        except SQLAlchemyError as error:
            raise _failure(error) from error

    def close(self) -> None:
        """Close every connection that is not in use."""
        self.engine.dispose()
