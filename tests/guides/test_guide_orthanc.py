"""The PACS of the IT guide: Orthanc runs with that configuration, and is shut as promised."""

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

GUIDED = Path(__file__).parents[2] / "docs" / "orthanc" / "orthanc.json"
PLACES = ("StorageDirectory", "IndexDirectory", "HttpPort")
"""What this machine has elsewhere; all else is run as it stands in the guide."""
USER = "sonoloop"
START_S = 30

pytestmark = pytest.mark.pacs


def configuration() -> dict[str, Any]:
    read: dict[str, Any] = json.loads(GUIDED.read_text())
    return read


@dataclass(frozen=True)
class Running:
    """Orthanc as the guide has it."""

    url: str
    auth: tuple[str, str]
    pid: int

    def get(self, path: str) -> requests.Response:
        return requests.get(f"{self.url}{path}", auth=self.auth, timeout=30)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    program = shutil.which("Orthanc")
    settings = configuration()
    if program is None or not Path(settings["Plugins"][0]).is_file():
        pytest.skip("Orthanc with its DICOMweb plugin is not installed")
    folder, port = tmp_path_factory.mktemp("orthanc"), free_port()
    settings |= dict(zip(PLACES, (str(folder), str(folder), port), strict=True))
    (folder / "orthanc.json").write_text(json.dumps(settings))
    auth = (USER, settings["RegisteredUsers"][USER])
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [program, str(folder / "orthanc.json")],
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    orthanc = Running(f"http://127.0.0.1:{port}", auth, process.pid)
    try:
        deadline = time.monotonic() + START_S
        while not answers(orthanc):
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.05)
        yield orthanc
    finally:
        process.kill()
        process.wait()


def answers(orthanc: Running) -> bool:
    try:
        return orthanc.get("/system").ok
    except requests.ConnectionError:
        return False


def test_nobody_gets_in_without_the_password(running: Running) -> None:
    for path in ("/system", "/dicom-web/studies", "/app/explorer.html"):
        assert requests.get(f"{running.url}{path}", timeout=30).status_code == 401
        wrong = requests.get(f"{running.url}{path}", auth=(USER, "wrong"), timeout=30)
        assert wrong.status_code == 401


def test_the_dicom_port_is_shut_and_only_dicomweb_is_loaded(running: Running) -> None:
    listening = subprocess.run(["ss", "-ltnp"], capture_output=True, text=True, check=True).stdout
    own = [line for line in listening.splitlines() if f"pid={running.pid}," in line]

    assert len(own) == 1, own
    assert own[0].split()[3].endswith(running.url.rpartition(":")[2])
    assert sorted(running.get("/plugins").json()) == ["dicom-web", "explorer.js"]
    assert "gdcm" not in GUIDED.read_text().lower()


def test_scripts_are_refused(running: Running) -> None:
    script = requests.post(
        f"{running.url}/tools/execute-script", data="print(1)", auth=running.auth, timeout=30
    )

    assert script.status_code == 403


def test_what_is_stored_is_kept_and_never_overwritten(
    running: Running, sample_studies: Path
) -> None:
    path = next(sample_studies.rglob("*.dcm"))
    first, again = (
        requests.post(
            f"{running.url}/instances", path.read_bytes(), auth=running.auth, timeout=30
        ).json()
        for _ in range(2)
    )

    found = running.get("/dicom-web/studies?ModalitiesInStudy=US").json()

    assert (first["Status"], again["Status"]) == ("Success", "AlreadyStored")
    assert len(found) == 1
    assert running.get(f"/instances/{first['ID']}/file").content == path.read_bytes()


def test_the_password_in_the_guide_says_that_it_is_none() -> None:
    assert configuration()["RegisteredUsers"] == {USER: "CHANGE-THIS-PASSWORD"}
