"""Brings a database to the schema of this code; imports Alembic only when there is work."""

import logging
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import SQLAlchemyError

from sonoloop.errors import StoreError
from sonoloop.store.database import Database

logger = logging.getLogger(__name__)

REVISIONS: Final = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008")
"""Every schema this code knows, oldest first; the last is its own."""

MIGRATIONS: Final = Path(__file__).parent / "migrations"
LOCK_TIMEOUT_S: Final = 120.0


def ensure_schema(database: Database, workspace: Path) -> None:
    """Migrate ``database`` when it is not up to date; a lock lets one process do it.

    Raises:
        StoreError: If the database cannot be opened, is newer than this code, or the migration
            fails; a failed migration leaves the database as it was.
    """
    try:
        if _is_ready(database):
            return
        from filelock import FileLock, Timeout

        try:
            with FileLock(workspace / ".migrate.lock", timeout=LOCK_TIMEOUT_S):
                if not _is_ready(database):
                    _migrate(database)
        except Timeout as error:
            raise StoreError(
                f"another process has been migrating {database.url!r} for {LOCK_TIMEOUT_S:.0f} s "
                f"(wait for it or stop it)"
            ) from error
    except SQLAlchemyError as error:
        raise StoreError(
            f"cannot open the database {database.url!r}: {getattr(error, 'orig', None) or error} "
            f"(restore a backup of the workspace, or choose another workspace)"
        ) from error


def _is_ready(database: Database) -> bool:
    with database.engine.connect() as connection:
        revision = _revision(connection)
        if revision is not None and revision not in REVISIONS:
            raise StoreError(
                f"the database {database.url!r} has schema {revision}, this program knows up to "
                f"{REVISIONS[-1]} (a newer Sonoloop has used this workspace: update this one)"
            )
        journal = "wal"
        if database.is_sqlite:
            journal = connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()
        return revision == REVISIONS[-1] and journal == "wal"


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _migrate(database: Database) -> None:
    from alembic import command
    from alembic.config import Config

    if database.is_sqlite:
        raw = database.engine.raw_connection()
        try:
            raw.cursor().execute("PRAGMA journal_mode = WAL")
        finally:
            raw.close()
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    writer = database.engine.execution_options(sonoloop_writes=True)
    with writer.begin() as connection:
        database.wait_for_turn(connection)  # a server elsewhere may be at it
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    logger.info("database schema is at %s", REVISIONS[-1])
