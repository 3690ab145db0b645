"""Fixtures every test may use."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

import orthanc as orthanc_of_tests
import postgres
from orthanc import Orthanc

settings.register_profile("sonoloop", deadline=None, derandomize=True)
settings.load_profile("sonoloop")

CHECKOUT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the published data sets; the test is skipped where it is absent."""
    folder = Path(os.environ.get("SONOLOOP_DATA", CHECKOUT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("published data sets are absent (set SONOLOOP_DATA)")
    return folder


@pytest.fixture(scope="session")
def sample_studies() -> Path:
    """The committed synthetic studies."""
    return CHECKOUT / "sample-data" / "studies"


_FORBIDDEN_SKIPS: list[str] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Notes skipped tests that SONOLOOP_NO_SKIP (words of markers or reasons) forbids."""
    if not report.skipped or not isinstance(report.longrepr, tuple):
        return
    words = [word for word in os.environ.get("SONOLOOP_NO_SKIP", "").split(",") if word]
    told = f"{' '.join(report.keywords)} {report.longrepr[2]}".lower()
    if any(word.lower() in told for word in words):
        _FORBIDDEN_SKIPS.append(f"{report.nodeid}: {report.longrepr[2]}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A forbidden skip fails the run."""
    if _FORBIDDEN_SKIPS and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says which skipped tests were forbidden to be skipped."""
    for line in _FORBIDDEN_SKIPS:
        terminalreporter.write_line(f"may not be skipped here: {line}", red=True)


@pytest.fixture(scope="session")
def orthanc_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    """A PACS; tests that use it are skipped where it is not installed."""
    with _running_orthanc(tmp_path_factory.mktemp("orthanc")) as running:
        yield running


@contextlib.contextmanager
def _running_orthanc(folder: Path) -> Iterator[Orthanc]:
    if orthanc_of_tests.program() is None:
        pytest.skip("Orthanc with its DICOMweb plugin is not installed")
    running = Orthanc(folder)
    try:
        running.start()
        yield running
    finally:
        running.kill()


@pytest.fixture
def mortal_orthanc(tmp_path: Path) -> Iterator[Orthanc]:
    """An empty PACS of its own for a test that stops it."""
    folder = tmp_path / "orthanc"
    folder.mkdir()
    with _running_orthanc(folder) as running:
        yield running


@pytest.fixture
def orthanc(orthanc_server: Orthanc) -> Orthanc:
    """An empty PACS."""
    orthanc_server.clear()
    return orthanc_server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.PostgresServer]:
    """PostgreSQL; tests that use it are skipped where it is not installed."""
    programs = postgres.programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    with postgres.running(programs) as server:
        yield server
