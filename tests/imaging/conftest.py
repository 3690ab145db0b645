"""Builders of the imaging tests, and one test case per good and per bad input."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


def _load(name: str) -> ModuleType:
    """A helper module beside this file, by path: tests are no packages."""
    path = Path(__file__).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules.setdefault(name, importlib.util.module_from_spec(spec))
    spec.loader.exec_module(module)
    return module


GOOD = _load("good_inputs")
BAD = _load("bad_inputs")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Turn ``good_name`` and ``bad_name`` into one case per input."""
    if "good_name" in metafunc.fixturenames:
        metafunc.parametrize("good_name", sorted(GOOD.good_inputs()))
    if "bad_name" in metafunc.fixturenames:
        metafunc.parametrize("bad_name", sorted(BAD.bad_inputs()))


@pytest.fixture(scope="session")
def builders() -> Any:
    """The functions of ``good_inputs.py``."""
    return GOOD


@pytest.fixture(scope="session")
def bad_builders() -> Any:
    """The functions of ``bad_inputs.py``."""
    return BAD


@pytest.fixture(scope="session")
def bad_inputs() -> dict[str, Any]:
    """Every input that must be refused, by name."""
    inputs: dict[str, Any] = BAD.bad_inputs()
    return inputs


@pytest.fixture(scope="session")
def good_inputs() -> dict[str, Any]:
    """Every readable input by name."""
    inputs: dict[str, Any] = GOOD.good_inputs()
    return inputs


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Put bytes into a file."""

    def put(content: bytes, name: str = "image.dcm") -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return put
