"""A PACS that belongs to the tests, and may be stopped and started again."""

import json
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import requests

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
START_S = 30


def program() -> str | None:
    """Orthanc, where it is installed with its DICOMweb plugin."""
    return shutil.which("Orthanc") if PLUGIN.is_file() else None


@dataclass
class Orthanc:
    """Orthanc on a free loopback port.

    Its GDCM plugin is not loaded: it crashes the server on ultrasound JPEG.

    Attributes:
        folder: Holds what it keeps.
        base: Address of its own REST interface.
        url: Address of its DICOMweb service.
    """

    folder: Path
    user: str = "tester"
    password: str = "not a secret"
    base: str = field(init=False)
    url: str = field(init=False)
    _process: "subprocess.Popen[bytes] | None" = field(init=False, default=None)

    def __post_init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.base = f"http://127.0.0.1:{port}"
        self.url = f"{self.base}/dicom-web"
        settings = {
            "StorageDirectory": str(self.folder),
            "IndexDirectory": str(self.folder),
            "HttpPort": port,
            "DicomServerEnabled": False,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": True,
            "RegisteredUsers": {self.user: self.password},
            "OverwriteInstances": True,
            "Plugins": [str(PLUGIN)],
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        }
        (self.folder / "orthanc.json").write_text(json.dumps(settings))

    def start(self) -> None:
        """Start it; it answers when this returns."""
        command = [str(program()), str(self.folder / "orthanc.json")]
        with (self.folder / "log").open("a") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + START_S
        while not self.answers():
            assert self._process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.05)

    def kill(self) -> None:
        """End it at once; what it has kept it finds again."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

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

    def instances(self, modality: str) -> list[bytes]:
        """Every file of a modality, in the order in which they came."""
        found = requests.post(
            f"{self.base}/tools/find",
            json={"Level": "Instance", "Query": {"Modality": modality}},
            auth=self.auth,
            timeout=30,
        ).json()
        files = []
        for instance in found:
            got = requests.get(f"{self.base}/instances/{instance}/file", auth=self.auth, timeout=30)
            got.raise_for_status()
            files.append(got.content)
        return files

    def clear(self) -> None:
        """Delete everything."""
        for patient in requests.get(f"{self.base}/patients", auth=self.auth, timeout=30).json():
            requests.delete(f"{self.base}/patients/{patient}", auth=self.auth, timeout=30)

    def answers(self) -> bool:
        try:
            return requests.get(f"{self.base}/system", auth=self.auth, timeout=1).ok
        except requests.RequestException:
            return False
