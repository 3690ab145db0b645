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
from typing import Final

import psycopg

INSTALLED: Final = Path("/usr/lib/postgresql")
USER: Final = "sonoloop"
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

    def create(self, *, template: str = "template0") -> str:
        """A new database; its name."""
        name = f"test_{next(self._numbers)}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def drop(self, name: str) -> None:
        """Remove a database, also one that is in use."""
        self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _execute(self, statement: str) -> None:
        with psycopg.connect(
            host=str(self._folder), user=USER, dbname="postgres", autocommit=True
        ) as connection:
            connection.execute(statement.encode())


@contextlib.contextmanager
def running(folder_of_programs: Path) -> Iterator[PostgresServer]:
    """A fresh cluster until the block ends."""
    user = _unprivileged()
    # Not in pytest's folder: another user cannot enter that, and a socket's path must be short.
    folder = Path(tempfile.mkdtemp(prefix="sonoloop-pg-"))
    data, log = folder / "data", folder / "log"

    def call(program: str, arguments: Sequence[str]) -> None:
        done = subprocess.run(
            [str(folder_of_programs / program), *arguments],
            user=user,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log.open("a"),
            stderr=subprocess.STDOUT,
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
        try:
            yield PostgresServer(folder)
        finally:
            call("pg_ctl", ["-D", str(data), "-m", "immediate", "-w", "stop"])
    finally:
        shutil.rmtree(folder)
