"""The shape of the house: imports run one way, outside libraries come in through few doors."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

LIB = Path(__file__).resolve().parents[1] / "lib" / "sonoloop"

LAYERS = [
    {"errors"},
    {"labels", "geometry", "parsing", "settings", "records"},
    {
        "imaging",
        "transforms",
        "networks",
        "active_learning",
        "evaluation",
        "datasets",
        "phantoms",
    },
    {"quality"},
    {"inference", "store"},
    {"training", "importing", "exporting", "pacs", "reporting", "viewer"},
    {"service", "scenarios", "simulation"},
    {"web"},
    {"tasks"},
    {"cli"},
]
RANK = {room: rank for rank, rooms in enumerate(LAYERS) for room in rooms}
SAME_ROW_ALLOWED = LAYERS[1]  # "what everything speaks"

DOORS = {
    "torch": {"networks", "transforms", "inference", "training"},
    "monai": {"networks", "transforms", "evaluation", "training"},
    "ignite": {"training"},
    "pydicom": {"imaging", "pacs", "reporting"},
    "highdicom": {"pacs", "reporting"},
    "dicomweb_client": {"pacs"},
    "sqlalchemy": {"store"},
    "alembic": {"store"},
    "fastapi": {"web"},
    "starlette": {"web"},
    "openvino": {"inference"},
    "monailabel": {"tasks"},
    "argon2": {"service"},
    "typer": {"cli"},
    "SimpleITK": {"evaluation"},
}

FILES = sorted(p for p in LIB.rglob("*.py") if "migrations" not in p.parts)
MAX_LINES = 400
ENTRANCES = {"__init__", "__main__"}


def room_of(path: Path) -> str:
    parts = path.relative_to(LIB).with_suffix("").parts
    return parts[0]


OUTER_EDGES = {LIB / "service" / "steady.py"}
"""Beyond the end of a thread an error is lost: there it is logged, and the thread goes on."""


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(LIB)))
class TestEveryModule:
    def test_imports_run_one_way(self, path: Path) -> None:
        own = room_of(path)
        if own in ENTRANCES:
            return
        for name in imports(path):
            top, *rest = name.split(".")
            if top != "sonoloop" or not rest or rest[0] == own or rest[0] not in RANK:
                continue
            same_row = own in SAME_ROW_ALLOWED and rest[0] in SAME_ROW_ALLOWED
            assert same_row or RANK[rest[0]] < RANK[own], f"{own} may not import {rest[0]}"

    def test_outside_libraries_come_in_through_their_doors(self, path: Path) -> None:
        own = room_of(path)
        for name in imports(path):
            top = name.split(".")[0]
            assert own in DOORS.get(top, {own}), f"{own} may not import {top}: {DOORS[top]}"

    def test_files_stay_small(self, path: Path) -> None:
        assert len(path.read_text().splitlines()) <= MAX_LINES

    def test_public_things_are_documented_and_nothing_is_swallowed(self, path: Path) -> None:
        tree = ast.parse(path.read_text())
        assert ast.get_docstring(tree), "a module says what it is for"
        for node in ast.walk(tree):
            if isinstance(node, ast.ExceptHandler):
                broad = node.type is None or (
                    isinstance(node.type, ast.Name)
                    and node.type.id in {"Exception", "BaseException"}
                )
                reraises = any(isinstance(n, ast.Raise) for n in ast.walk(node))
                allowed = not broad or reraises or path in OUTER_EDGES
                assert allowed, f"line {node.lineno}: broad except"


def test_every_room_has_its_place() -> None:
    rooms = {room_of(p) for p in FILES} - ENTRANCES

    assert rooms <= set(RANK), f"rooms without a row: {rooms - set(RANK)}"
