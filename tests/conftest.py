"""Fixtures every test may use."""

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from hypothesis import settings

import postgres

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


ORTHANC_PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
ORTHANC_START_S = 30


@dataclass(frozen=True)
class Orthanc:
    """A running PACS that belongs to the tests.

    Attributes:
        base: Address of its own REST interface.
        url: Address of its DICOMweb service.
    """

    base: str
    url: str
    user: str = "tester"
    password: str = "not a secret"

    @property
    def auth(self) -> tuple[str, str]:
        return (self.user, self.password)

    def store(self, path: Path) -> str:
        """Put a DICOM file into the PACS; its id there."""
        answer = requests.post(
            f"{self.base}/instances", path.read_bytes(), auth=self.auth, timeout=30
        )
        answer.raise_for_status()
        return str(answer.json()["ID"])

    def delete(self, instance: str) -> None:
        """Delete the instance with that id of the PACS."""
        answer = requests.delete(f"{self.base}/instances/{instance}", auth=self.auth, timeout=30)
        answer.raise_for_status()

    def clear(self) -> None:
        """Delete everything."""
        for patient in requests.get(f"{self.base}/patients", auth=self.auth, timeout=30).json():
            requests.delete(f"{self.base}/patients/{patient}", auth=self.auth, timeout=30)

    def answers(self) -> bool:
        try:
            return requests.get(f"{self.base}/system", auth=self.auth, timeout=1).ok
        except requests.RequestException:
            return False


@pytest.fixture(scope="session")
def orthanc_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    """Orthanc on a free loopback port; tests that use it are skipped where it is not installed.

    Its GDCM plugin is not loaded: it crashes the server on ultrasound JPEG.
    """
    program = shutil.which("Orthanc")
    if program is None or not ORTHANC_PLUGIN.is_file():
        pytest.skip("Orthanc with its DICOMweb plugin is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    orthanc = Orthanc(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port}/dicom-web")
    folder = tmp_path_factory.mktemp("orthanc")
    settings_of_server = {
        "StorageDirectory": str(folder),
        "IndexDirectory": str(folder),
        "HttpPort": port,
        "DicomServerEnabled": False,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": True,
        "RegisteredUsers": {orthanc.user: orthanc.password},
        "OverwriteInstances": True,
        "Plugins": [str(ORTHANC_PLUGIN)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }
    (folder / "orthanc.json").write_text(json.dumps(settings_of_server))
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [program, str(folder / "orthanc.json")],
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + ORTHANC_START_S
        while not orthanc.answers():
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.05)
        yield orthanc
    finally:
        process.kill()
        process.wait()


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
