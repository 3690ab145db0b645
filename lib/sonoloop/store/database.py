"""One database: connections, transactions, and the sentence a user reads when it fails."""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, func, make_url, select
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session

from sonoloop.errors import StoreError
from sonoloop.store.schema import to_json

if TYPE_CHECKING:
    from filelock import FileLock

BUSY_TIMEOUT_MS: Final = 30_000
"""How long a writer waits for another process before it gives up."""

WRITING_LOCK: Final = 0x536F6E6F
"""Advisory lock of PostgreSQL that writers hold in turn, as SQLite's writers do by nature."""

SERVING_LOCK: Final = WRITING_LOCK + 1
"""Advisory lock of PostgreSQL that one server holds as long as it runs."""

BATCH: Final = 500
"""Values in one statement; databases limit them."""

SUPPORTED: Final = {
    "sqlite": "sqlite",
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
}
"""Kinds of database, and how SQLAlchemy speaks to each."""

POOL_SIZE: Final = 8
POOL_OVERFLOW: Final = 56


T = TypeVar("T")


def batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """``items`` in pieces that fit one statement."""
    for start in range(0, len(items), BATCH):
        yield items[start : start + BATCH]


def parse_url(url: str | URL) -> URL:
    """A database address, with the driver that is installed.

    Raises:
        StoreError: If it is none, or of a database that is not supported.

    Example:
        >>> parse_url("postgresql://reader@db.example/sonoloop").drivername
        'postgresql+psycopg'
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise StoreError(f"not a database address: {url!r}") from error
    name = parsed.get_backend_name()
    if name not in SUPPORTED:
        raise StoreError(
            f"unknown kind of database {name!r} (an address begins with postgresql:// "
            f"or sqlite:///)"
        )
    return parsed.set(drivername=SUPPORTED[name])


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
        self.url = parse_url(url)
        options: dict[str, Any] = {
            "json_serializer": to_json,
            "pool_pre_ping": not self.is_sqlite,
            "hide_parameters": True,  # tracebacks are logged, and values may name patients
        }
        self.engine: Engine = create_engine(
            self.url, pool_size=POOL_SIZE, max_overflow=POOL_OVERFLOW, **options
        )
        self._writer = self.engine.execution_options(sonoloop_writes=True)
        self._single = self.engine.execution_options(sonoloop_single=True)
        self._reader = self.engine
        if not self.is_sqlite:
            self._single = self.engine.execution_options(isolation_level="AUTOCOMMIT")
            self._reader = self.engine.execution_options(isolation_level="REPEATABLE READ")
        self._claim: Connection | FileLock | None = None
        # Other processes are waited for at the database; writers of this one take turns here.
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
            with Session(self._reader, expire_on_commit=False) as session, session.begin():
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

        Of all writers of a database one is at work at a time, whatever the database: what the
        block reads stays true until it ends.

        Raises:
            StoreError: If the database fails.
            IntegrityError: If a constraint is broken; the caller knows what that means.
        """
        try:
            with (
                self._turn,
                Session(self._writer, expire_on_commit=False) as session,
                session.begin(),
            ):
                self.wait_for_turn(session.connection())
                yield session
            with self._counting:
                self.writes += 1
        except IntegrityError:
            raise
        except SQLAlchemyError as error:
            raise _failure(error) from error

    def wait_for_turn(self, connection: Connection) -> None:
        """Hold the writers of other processes off until the transaction ends; SQLite does so."""
        if not self.is_sqlite:
            connection.execute(select(func.pg_advisory_xact_lock(WRITING_LOCK)))

    def claim(self) -> None:
        """Be the only server of this database until it is closed or the process ends.

        Raises:
            StoreError: If another server has it, or the database fails.
        """
        if self._claim is not None:
            return
        claim = self._claim_file() if self.is_sqlite else self._claim_server()
        if claim is None:
            raise StoreError(
                f"the database {self.url!r} is in use by another server "
                f"(stop it, or choose another database)"
            )
        self._claim = claim

    def _claim_file(self) -> "FileLock | None":
        from filelock import FileLock, Timeout

        # Not bound to this thread: another one may close the database.
        lock = FileLock(f"{self.url.database}.lock", timeout=0, thread_local=False)
        try:
            lock.acquire()
        except Timeout:
            return None
        return lock

    def _claim_server(self) -> Connection | None:
        # A connection of its own: PostgreSQL frees the lock when that ends, however it does.
        try:
            connection = self._single.connect()
            taken = connection.scalar(select(func.pg_try_advisory_lock(SERVING_LOCK)))
        except SQLAlchemyError as error:
            raise _failure(error) from error
        if taken:
            return connection
        connection.close()
        return None

    def close(self) -> None:
        """Close every connection that is not in use, and give up the claim."""
        claim, self._claim = self._claim, None
        if isinstance(claim, Connection):
            claim.invalidate()  # back in the pool it would keep the lock
            claim.close()
        elif claim is not None:
            claim.release()
        self.engine.dispose()
