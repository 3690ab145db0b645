"""A PostgreSQL server that belongs to the tests."""

import contextlib
import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import sql

INSTALLED: Final = Path("/usr/lib/postgresql")
USER: Final = "sonoloop"
UNTIL_TOLD: Final = 'read _; "$0" -D "$1" -m immediate -w stop >/dev/null; rm -rf "$2"'
"""Waits for the end of its input, which comes however the tests end, and clears away."""
UNSAFE_AND_QUICK: Final = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "timezone": "Asia/Tokyo",  # what is read must be UTC all the same
}


def programs() -> Path | None:
    """Folder of initdb and pg_ctl, of the newest version; None without PostgreSQL."""
    versions = sorted(INSTALLED.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    if versions:
        return versions[-1].parent
    return None if on_path is None else Path(on_path).resolve().parent


def _unprivileged() -> str | None:
    """Whom to be, for PostgreSQL refuses to run as root; None to stay who one is."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


class PostgresServer:
    """A running cluster behind a Unix socket; every database of it is thrown away."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count()

    def url(self, database: str) -> str:
        """Address of a database as a user would write it."""
        return f"postgresql://{USER}@/{database}?host={self._folder}"

    def create(self) -> str:
        """A new database without tables; its name."""
        name = f"test_{next(self._numbers)}"
        with self._connected() as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return name

    def drop(self, name: str) -> None:
        """Remove a database, also one that is in use."""
        statement = sql.SQL("DROP DATABASE {} WITH (FORCE)")
        with self._connected() as connection:
            connection.execute(statement.format(sql.Identifier(name)))

    def empty(self, name: str) -> None:
        """Remove every row of a database and end what still uses it."""
        with self._connected() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s",
                [name],
            )
        with self._connected(name) as connection:
            # What may only be appended to is emptied all the same: triggers are off here.
            connection.execute("SET session_replication_role = replica")
            query = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
            tables = [row[0] for row in connection.execute(query) if row[0] != "alembic_version"]
            listed = sql.SQL(", ").join(map(sql.Identifier, tables))
            connection.execute(sql.SQL("TRUNCATE {} RESTART IDENTITY CASCADE").format(listed))

    def _connected(self, database: str = "postgres") -> "psycopg.Connection[Any]":
        return psycopg.connect(host=str(self._folder), user=USER, dbname=database, autocommit=True)


@contextlib.contextmanager
def running(folder_of_programs: Path) -> Iterator[PostgresServer]:
    """A fresh cluster until the block ends."""
    user = _unprivileged()
    # Not in pytest's folder: another user cannot enter that, and a socket's path must be short.
    folder = Path(tempfile.mkdtemp(prefix="sonoloop-pg-"))
    data, log = folder / "data", folder / "log"

    def call(program: str, arguments: Sequence[str]) -> None:
        command = [str(folder_of_programs / program), *arguments]
        with log.open("a") as told:
            done = subprocess.run(
                command, user=user, cwd=folder, stdin=subprocess.DEVNULL, stdout=told, stderr=told
            )
        assert done.returncode == 0, log.read_text()

    try:
        if user is not None:
            shutil.chown(folder, user)
        folder.chmod(0o755)
        call("initdb", ["-D", str(data), "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync"])
        settings = "".join(f"{name} = '{value}'\n" for name, value in UNSAFE_AND_QUICK.items())
        with (data / "postgresql.conf").open("a") as file:
            file.write(f"{settings}unix_socket_directories = '{folder}'\n")
        call("pg_ctl", ["-D", str(data), "-l", str(folder / "server.log"), "-w", "start"])
    except BaseException:
        shutil.rmtree(folder)
        raise
    keeper = subprocess.Popen(
        ["sh", "-c", UNTIL_TOLD, str(folder_of_programs / "pg_ctl"), str(data), str(folder)],
        user=user,
        cwd="/",
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield PostgresServer(folder)
    finally:
        assert keeper.stdin is not None
        keeper.stdin.close()
        keeper.wait()
