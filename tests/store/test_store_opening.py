import errno
import os
import sqlite3
import stat
import subprocess
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from postgres import PostgresServer
from sonoloop.errors import StoreError
from sonoloop.store import Store
from sonoloop.store.database import Database
from sonoloop.store.migrate import MIGRATIONS, REVISIONS
from sonoloop.store.paths import refusals_told
from sonoloop.store.tables import Base


def test_the_workspace_is_made_with_its_folders(tmp_path: Path) -> None:
    with Store.open(tmp_path / "deep" / "workspace") as store:
        folders = ("labels", "models", "cache", "uploads", "sessions", "logs", "runs")

        assert all((store.paths.root / name).is_dir() for name in folders)
        assert store.paths.root.is_absolute()


def test_the_tables_the_migrations_make_are_those_the_code_speaks_of(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store, store._database.engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), Base.metadata)

    assert differences == []


def test_the_tables_are_the_same_in_postgres(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    server = postgres_server
    name = server.create()
    with (
        Store.open(tmp_path, url=server.url(name)) as store,
        store._database.engine.connect() as connection,
    ):
        differences = compare_metadata(MigrationContext.configure(connection), Base.metadata)

    assert differences == []


def upgrade(database: Database, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with database.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


OLD_IMAGE = """
INSERT INTO images (id, image_id, source, locator, frame, frame_count, rows, columns, modality,
flags, file_size, file_mtime_ns, info, random_key, available, labelled, created_at)
VALUES (:id, :name, 'folder', 'a.dcm', 0, 1, 4, 4, 'US', '[]', 0, 0, '{}', 1, true, :labelled,
'2026-01-01 00:00:00.000000')
"""
OLD_ANNOTATION = """
INSERT INTO annotations (image, tag, revision, reader, info, created_at, withdrawn_at)
VALUES (1, :tag, :revision, :reader, '{}', '2026-01-01 00:00:00.000000', :withdrawn)
"""


def test_what_was_annotated_before_there_were_several_readers_still_counts(
    tmp_path: Path, empty_database_url: str | None
) -> None:
    database = Database(empty_database_url or f"sqlite:///{tmp_path / 'sonoloop.db'}")
    upgrade(database, "0001")
    withdrawn = datetime(2026, 1, 2, tzinfo=UTC)
    rows = [
        {"tag": "final", "revision": 1, "reader": "a", "withdrawn": None},
        {"tag": "final", "revision": 2, "reader": "b", "withdrawn": None},
        {"tag": "final", "revision": 3, "reader": "a", "withdrawn": None},
        {"tag": "final", "revision": 4, "reader": "c", "withdrawn": withdrawn},
        {"tag": "original", "revision": 1, "reader": "", "withdrawn": None},
    ]
    with database.writing() as session:
        session.execute(text(OLD_IMAGE), {"id": 1, "name": "1.1", "labelled": True})
        session.execute(text(OLD_IMAGE), {"id": 2, "name": "1.2", "labelled": False})
        for row in rows:
            session.execute(text(OLD_ANNOTATION), row)
    database.close()

    with Store.open(tmp_path, url=empty_database_url) as store:
        revisions = {
            reader: annotation.revision
            for reader, annotation in store.annotations.newest_by_reader("1.1").items()
        }
        in_force = [a.in_force for a in store.annotations.history("1.1")]
        images = [store.images.get("1.1"), store.images.get("1.2")]
        latest = store.annotations.latest("1.1")

    assert revisions == {"a": 3, "b": 2}
    assert in_force == [False, True, True, False, True]
    assert [(i.labelled, i.readers_done, i.readers_wanted) for i in images] == [
        (True, 2, 1), (False, 0, 1)
    ]  # fmt: skip
    assert latest is not None
    assert (latest.revision, latest.state) == (3, "submitted")


def test_the_known_revisions_are_those_of_the_migrations() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    chain = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]

    assert tuple(reversed(chain)) == REVISIONS


def test_sqlite_is_set_to_lose_nothing(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store, store._database.engine.connect() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }

    assert pragmas == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": 30_000,
    }


def test_opening_what_is_up_to_date_does_not_import_alembic(tmp_path: Path) -> None:
    Store.open(tmp_path).close()
    program = (
        "import sys; from pathlib import Path; from sonoloop.store import Store; "
        "Store.open(Path(sys.argv[1])).close(); "
        "sys.exit(bool({'alembic', 'torch', 'pydicom'} & set(sys.modules)))"
    )

    assert subprocess.run([sys.executable, "-c", program, str(tmp_path)]).returncode == 0


def test_a_database_of_a_newer_program_is_refused(tmp_path: Path) -> None:
    Store.open(tmp_path).close()
    with sqlite3.connect(tmp_path / "sonoloop.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()

    with pytest.raises(StoreError, match=r"schema 9999, .*update this one"):
        Store.open(tmp_path)


@pytest.mark.parametrize("content", [b"not a database" * 100, b"SQLite format 3\0" + b"\xff" * 900])
def test_a_file_that_is_no_database_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "sonoloop.db").write_bytes(content)

    with pytest.raises(StoreError, match="restore a backup"):
        Store.open(tmp_path)

    assert (tmp_path / "sonoloop.db").read_bytes() == content


def test_an_empty_file_becomes_a_database(tmp_path: Path) -> None:
    (tmp_path / "sonoloop.db").touch()

    with Store.open(tmp_path) as store:
        assert store.images.count() == 0


def test_a_workspace_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StoreError, match="cannot be made"):
        Store.open(tmp_path / "file")


@pytest.mark.parametrize(
    ("number", "cure"),
    [
        (errno.EROFS, "read-only"),
        (errno.ENOSPC, "make room"),
        (errno.ENOTDIR, "is a file"),
        (errno.EACCES, "this user may write"),
    ],
)
def test_what_the_system_refuses_is_told_with_its_cure(number: int, cure: str) -> None:
    with pytest.raises(StoreError, match=f"/w cannot be made or written: .*{cure}"):  # noqa: SIM117
        with refusals_told(Path("/w")):
            raise OSError(number, os.strerror(number))


def test_a_new_workspace_is_for_its_user_alone_and_one_that_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir(mode=0o750)
    before = os.umask(0o022)
    try:
        for name in ("deep/new", "old"):
            Store.open(tmp_path / name).close()
    finally:
        os.umask(before)

    modes = {
        name: stat.S_IMODE((tmp_path / name).stat().st_mode)
        for name in ("deep", "deep/new", "deep/new/sonoloop.db", "old", "old/sonoloop.db")
    }
    assert modes == {
        "deep": 0o755,
        "deep/new": 0o700,
        "deep/new/sonoloop.db": 0o600,
        "old": 0o750,
        "old/sonoloop.db": 0o600,
    }


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("nonsense", "not a database address"),
        ("mysql://host/x", "unknown kind of database 'mysql'"),
    ],
)
def test_an_address_that_is_none_is_told(tmp_path: Path, url: str, told: str) -> None:
    with pytest.raises(StoreError, match=told):
        Store.open(tmp_path, url=url)


def test_a_server_that_is_not_there_is_told_without_its_password(tmp_path: Path) -> None:
    url = f"postgresql://reader:secret@/sonoloop?host={tmp_path}"

    with pytest.raises(StoreError, match="cannot open the database") as told:
        Store.open(tmp_path, url=url)

    assert "secret" not in str(told.value)


def test_the_address_of_another_database_can_be_handed_on(
    store: Store, database_url: str | None
) -> None:
    if database_url is None:
        assert store.url is None
        return
    assert store.url is not None
    with Store.open(store.paths.root, url=store.url) as again:
        assert again.images.count() == 0


def test_one_server_has_a_database_at_a_time(
    store: Store, database_url: str | None, tmp_path: Path
) -> None:
    place = tmp_path / "elsewhere" if database_url else store.paths.root
    with Store.open(place, url=database_url) as other:
        store.claim()
        store.claim()

        with pytest.raises(StoreError, match="in use by another server"):
            other.claim()

        store.close()
        other.claim()


def test_a_failing_migration_leaves_the_database_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sqlite3.connect(tmp_path / "sonoloop.db") as connection:
        connection.execute("CREATE TABLE jobs (mine)")
    connection.close()

    with pytest.raises(StoreError, match="jobs already exists"):
        Store.open(tmp_path)

    with sqlite3.connect(tmp_path / "sonoloop.db") as connection:
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    connection.close()
    assert "images" not in tables


def test_a_database_that_fails_later_is_told_as_such(tmp_path: Path) -> None:
    database = Database.at(tmp_path / "empty.db")

    with pytest.raises(StoreError, match="no such table"), database.reading() as session:
        session.connection().exec_driver_sql("SELECT * FROM images")

    database.close()


def test_what_a_statement_was_given_is_not_told_when_it_fails(store: Store) -> None:
    given = {"patient": "Jane Doe"}

    with pytest.raises(StoreError) as failure, store._database.reading() as session:
        session.execute(text("SELECT no_such_function(:patient)"), given)

    told = "".join(traceback.format_exception(failure.value))
    assert "no_such_function" in told
    assert "Jane Doe" not in told
