"""The viewer's extension outside a browser: its unit tests in Node, its types, its style."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
EXTENSION = CHECKOUT / "apps" / "ohif"
TESTS = Path(__file__).resolve().parent
COMPILER = EXTENSION / "node_modules" / ".bin" / "tsc"
NODE = shutil.which("node")
MIN_NODE = 20
MAX_LINES = 300

SCRIPTS = sorted(p for p in EXTENSION.rglob("*.js") if "node_modules" not in p.parts)
UNIT_TESTS = sorted(TESTS.rglob("*.test.js"))

node = pytest.mark.node


def name_of(path: Path) -> str:
    return path.relative_to(CHECKOUT).as_posix()


@pytest.fixture(scope="module")
def interpreter() -> str:
    """Node of a version that has a test runner."""
    if NODE is None:
        pytest.skip("Node is not installed")
    told = subprocess.run([NODE, "--version"], capture_output=True, text=True, check=True).stdout
    if int(told.lstrip("v").split(".")[0]) < MIN_NODE:
        pytest.skip(f"Node {MIN_NODE} or newer is not installed")
    return NODE


@node
@pytest.mark.parametrize("path", UNIT_TESTS, ids=name_of)
def test_its_unit_tests_pass(interpreter: str, path: Path) -> None:
    run = subprocess.run(
        [interpreter, "--test", "--test-reporter=tap", str(path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert run.returncode == 0, run.stdout + run.stderr
    assert re.search(r"^# pass [1-9]", run.stdout, re.MULTILINE), "no test ran"


@node
def test_its_types_hold(interpreter: str) -> None:
    if not COMPILER.exists():
        pytest.skip("the type checker is not installed (npm ci --prefix apps/ohif)")

    run = subprocess.run(
        [interpreter, str(COMPILER.resolve()), "--project", str(EXTENSION)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize("path", SCRIPTS, ids=name_of)
class TestEveryScript:
    def test_it_is_small(self, path: Path) -> None:
        assert len(path.read_text().splitlines()) <= MAX_LINES

    def test_it_writes_no_markup_and_runs_no_text(self, path: Path) -> None:
        text = path.read_text()

        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", text)
        assert not re.search(r"\beval\(|new Function\(|setAttribute\(\s*[\"']on", text)

    def test_it_asks_no_other_host(self, path: Path) -> None:
        assert not re.search(r"[\"'`]https?://(?!www\.w3\.org/2000/svg)", path.read_text())
