import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from sonoloop.errors import StoreError
from sonoloop.store import Store
from sonoloop.store.database import Database
from sonoloop.store.migrate import MIGRATIONS, REVISIONS
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


def test_an_address_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="not a database address"):
        Store.open(tmp_path, url="nonsense")


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
