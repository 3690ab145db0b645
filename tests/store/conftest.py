"""A store in a temporary workspace, and builders of what goes into it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest

from postgres import PostgresServer
from sonoloop.geometry import LabelMap
from sonoloop.records import ImageRecord
from sonoloop.store import Store

MakeRecord: TypeAlias = Callable[..., ImageRecord]
MakeMask: TypeAlias = Callable[..., LabelMap]
StartChild: TypeAlias = Callable[..., "subprocess.Popen[str]"]

CHILD = Path(__file__).with_name("child.py")
SHAPE = (12, 16)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with the tables and no row; copying it is quicker than migrating."""
    with Store.open(tmp_path_factory.mktemp("template")) as opened:
        return opened.paths.database


@pytest.fixture(scope="session")
def postgres_database(
    postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """Name of a database with the tables; emptying it is quicker than making another."""
    name = postgres_server.create()
    Store.open(tmp_path_factory.mktemp("template"), url=postgres_server.url(name)).close()
    return name


@pytest.fixture(params=["sqlite", "postgres"])
def kind_of_database(request: pytest.FixtureRequest) -> str:
    """Every kind the store must work on."""
    kind: str = request.param
    return kind


@pytest.fixture
def empty_database_url(
    kind_of_database: str, request: pytest.FixtureRequest
) -> Iterator[str | None]:
    """Address of a database without tables; None is the default, a file of the workspace."""
    if kind_of_database == "sqlite":
        yield None
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name = server.create()
    yield server.url(name)
    server.drop(name)


@pytest.fixture
def database_url(kind_of_database: str, request: pytest.FixtureRequest) -> Iterator[str | None]:
    """Address of a database without rows; None is the default, a file of the workspace."""
    if kind_of_database == "sqlite":
        yield None
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name = request.getfixturevalue("postgres_database")
    yield server.url(name)
    server.empty(name)


@pytest.fixture
def store(tmp_path: Path, database_url: str | None, sqlite_template: Path) -> Iterator[Store]:
    if database_url is None:
        (tmp_path / "workspace").mkdir()
        shutil.copy(sqlite_template, tmp_path / "workspace")
    with Store.open(tmp_path / "workspace", url=database_url) as opened:
        yield opened


@pytest.fixture
def make_record() -> MakeRecord:
    """Builds an image of 12 x 16 pixels."""

    def make(image_id: str, **changes: Any) -> ImageRecord:
        facts: dict[str, Any] = {
            "image_id": image_id,
            "source": "folder",
            "locator": f"{image_id}.dcm",
            "frame": 0,
            "frame_count": 1,
            "rows": SHAPE[0],
            "columns": SHAPE[1],
            "spacing_mm": (0.1, 0.2),
            "patient_id": "p1",
            "study_instance_uid": "1.2",
            "series_instance_uid": "1.2.3",
            "sop_instance_uid": image_id,
        }
        return ImageRecord(**(facts | changes))

    return make


@pytest.fixture
def make_mask() -> MakeMask:
    """Builds a 12 x 16 label map that is its own for every seed."""

    def make(seed: int = 0) -> LabelMap:
        return np.random.default_rng(seed).integers(0, 2, SHAPE, dtype=np.uint8)

    return make


@pytest.fixture
def start_child(request: pytest.FixtureRequest) -> Iterator[StartChild]:
    """Starts ``child.py`` in a process of its own; what still runs at the end is killed.

    Its database is that of the test.
    """
    empty = "empty_database_url" in request.fixturenames
    url = request.getfixturevalue("empty_database_url" if empty else "database_url")
    environment = os.environ | ({"DATABASE_URL": url} if url else {})
    children: list[subprocess.Popen[str]] = []

    def start(*arguments: object) -> "subprocess.Popen[str]":
        child = subprocess.Popen(
            [sys.executable, str(CHILD), *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        children.append(child)
        return child

    yield start
    for child in children:
        child.kill()
        child.communicate()
