"""Measurements of ``sonoloop bench pacs``: a worklist and the next sample among many studies.

Once over a folder, once over an Orthanc of our own where one is installed; while it is measured,
the server looks for new studies all the time.
"""

import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx
import numpy as np

from sonoloop.cli.bench_serve import RunningServer, free_port
from sonoloop.cli.timing import spread, timed
from sonoloop.errors import SonoloopError
from sonoloop.imaging.write_dicom import UltrasoundDicom, stable_uid, write_ultrasound_dicom

SHAPE: Final = (64, 64)
"""Rows and columns of every image: small, for nobody looks at them."""

IMAGES_A_STUDY: Final = 2
PAGE: Final = 101
"""Studies that OHIF asks for at a time."""

RESCAN_S: Final = 1
"""The server begins its next look for studies so soon after the last."""

NEW_STUDIES: Final = 5
KNOWN_LIMIT_S: Final = 600.0
ORTHANC_LIMIT_S: Final = 60.0
PLUGIN: Final = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
"""Where Debian's package puts it."""

FIRST_DAY: Final = date(2024, 1, 1)

Figures = dict[str, Any]
Say = Callable[[str], None]


def study_uid(number: int) -> str:
    """UID of the study of that number."""
    return stable_uid("bench", str(number))


def write_study(folder: Path, number: int) -> list[Path]:
    """The files of one study of noise."""
    rng = np.random.default_rng(number)
    day, files = FIRST_DAY + timedelta(days=number % 700), []
    for image in range(IMAGES_A_STUDY):
        path = folder / f"{number:06d}-{image}.dcm"
        settings = UltrasoundDicom(
            sop_instance_uid=stable_uid("bench", str(number), str(image)),
            series_instance_uid=stable_uid("bench", str(number), "series"),
            study_instance_uid=study_uid(number),
            patient_id=f"P{number:06d}",
            patient_name=f"Bench{number:06d}^Made",
            study_date=f"{day:%Y%m%d}",
            study_time=f"{number % 24:02d}0000",
            study_description=("US BREAST LEFT", "US BREAST RIGHT")[number % 2],
            accession_number=f"A{number}",
            instance_number=image + 1,
            spacing_mm=(0.1, 0.1),
        )
        write_ultrasound_dicom(path, rng.integers(0, 255, SHAPE, dtype=np.uint8), settings)
        files.append(path)
    return files


@dataclass(frozen=True)
class Place:
    """Where studies are.

    Attributes:
        studies: What the server is started with.
        add: Puts the files of a new study there.
        environment: Credentials, for the server.
    """

    studies: str
    add: Callable[[list[Path]], None]
    environment: dict[str, str]


def folder_place(studies: Path) -> Place:
    """A folder with studies."""

    def add(files: list[Path]) -> None:
        for file in files:
            shutil.copy(file, studies / file.name)

    return Place(str(studies), add, {})


@contextlib.contextmanager
def orthanc_place(folder: Path, files: list[Path]) -> Iterator[Place]:
    """An Orthanc of our own that holds ``files``; ended on leaving.

    Raises:
        SonoloopError: If it does not start.
    """
    port, user, password = free_port(), "bench", "bench"
    settings = {
        "StorageDirectory": str(folder / "orthanc"),
        "IndexDirectory": str(folder / "orthanc"),
        "HttpPort": port,
        "DicomServerEnabled": False,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": True,
        "RegisteredUsers": {user: password},
        "Plugins": [str(PLUGIN)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }
    (folder / "orthanc").mkdir()
    (folder / "orthanc.json").write_text(json.dumps(settings))
    program = shutil.which("Orthanc") or "Orthanc"
    with (
        (folder / "orthanc.log").open("wb") as log,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", auth=(user, password), timeout=60) as to,
    ):
        process = subprocess.Popen([program, str(folder / "orthanc.json")], stdout=log, stderr=log)

        def add(more: list[Path]) -> None:
            for file in more:
                to.post("/instances", content=file.read_bytes()).raise_for_status()

        try:
            _await_orthanc(to)
            add(files)
            variables = {"SONOLOOP_PACS_USER": user, "SONOLOOP_PACS_PASSWORD": password}
            yield Place(f"http://127.0.0.1:{port}/dicom-web", add, variables)
        finally:
            process.terminate()
            process.wait(timeout=ORTHANC_LIMIT_S)


def has_orthanc() -> bool:
    """Whether an Orthanc with DICOMweb is installed."""
    return shutil.which("Orthanc") is not None and PLUGIN.is_file()


def _await_orthanc(to: httpx.Client) -> None:
    deadline = time.monotonic() + ORTHANC_LIMIT_S
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError):
            if to.get("/system").is_success:
                return
        time.sleep(0.05)
    raise SonoloopError(f"Orthanc did not answer within {ORTHANC_LIMIT_S:.0f} s")


def _calls(studies: int) -> dict[str, tuple[str, str, dict[str, Any]]]:
    """What is measured: method, path and query of each call, by its name."""
    worklist = {"limit": PAGE, "offset": 0, "includefield": "00081030,00080060"}
    last = worklist | {"offset": max(0, studies - PAGE)}
    some = study_uid(studies // 2)
    return {
        "worklist, first page": ("GET", "/dicom-web/studies", worklist),
        "worklist, last page": ("GET", "/dicom-web/studies", last),
        "worklist, by name": ("GET", "/dicom-web/studies", worklist | {"PatientName": "*0007*"}),
        "worklist, by date": (
            "GET", "/dicom-web/studies", worklist | {"StudyDate": "20240301-20240331"},
        ),
        "worklist, by modality": (
            "GET", "/dicom-web/studies", worklist | {"ModalitiesInStudy": "US"},
        ),
        "series of a study": ("GET", f"/dicom-web/studies/{some}/series", {}),
        "metadata of a study": ("GET", f"/dicom-web/studies/{some}/metadata", {}),
        "next sample": ("POST", "/activelearning/random", {}),
    }  # fmt: skip


def measure_place(place: Place, workspace: Path, *, studies: int, calls: int) -> Figures:
    """What calls cost over ``studies`` studies, and how soon new ones are seen.

    Raises:
        SonoloopError: If the server does not answer, or does not find the studies.
    """
    server = RunningServer(
        place.studies,
        workspace,
        options=("--set", f"rescan_s={RESCAN_S}"),
        environment=place.environment,
    )
    try:
        began = time.perf_counter()
        with httpx.Client(base_url=server.address, timeout=60) as client:
            _await_images(client, studies * IMAGES_A_STUDY)
            known_s = server.start_s + time.perf_counter() - began
            figures = {
                name: spread([timed(partial(_asked, client, call)) for _ in range(calls)])
                for name, call in _calls(studies).items()
            }
            seen = [
                _seen_s(client, place, workspace.parent, studies + number)
                for number in range(NEW_STUDIES)
            ]
        return {
            "known_s": known_s,
            "calls": figures,
            "new_study": spread(seen),
            "rss_mb": server.rss_mb(),
        }
    finally:
        server.close()


def _asked(client: httpx.Client, call: tuple[str, str, dict[str, Any]]) -> None:
    method, path, query = call
    answer = client.request(method, path, params=query, json={} if method == "POST" else None)
    if not answer.is_success or not answer.content:
        raise SonoloopError(f"{path} answered {answer.status_code}: {answer.text[:200]}")


def _total(client: httpx.Client) -> int:
    return int(client.get("/info/").json()["datastore"]["total"])


def _await_images(client: httpx.Client, count: int) -> None:
    deadline = time.monotonic() + KNOWN_LIMIT_S
    while (known := _total(client)) < count:
        if time.monotonic() > deadline:
            raise SonoloopError(f"{known} of {count} images were found in {KNOWN_LIMIT_S:.0f} s")
        time.sleep(0.05)


def _seen_s(client: httpx.Client, place: Place, folder: Path, number: int) -> float:
    files, before = write_study(folder, number), _total(client)
    place.add(files)
    return timed(lambda: _await_images(client, before + IMAGES_A_STUDY))


def measure(*, studies: int, calls: int, folder: Path, say: Say) -> Figures:
    """All figures of one run.

    Args:
        studies: Studies of each place, of two images each.
        calls: Measurements of each call.
        folder: Where everything is made; on the disk that is to be measured.
        say: Told what is being done.
    """
    load_before, places = os.getloadavg()[0], {}
    made = folder / "studies"
    made.mkdir()
    say(f"writing {studies:,} studies ...")
    files = [file for number in range(studies) for file in write_study(made, number)]
    say("measuring the folder ...")
    places["folder"] = measure_place(
        folder_place(made), folder / "by-folder", studies=studies, calls=calls
    )
    if has_orthanc():
        say("measuring Orthanc ...")
        with orthanc_place(folder, files) as place:
            places["Orthanc"] = measure_place(
                place, folder / "by-orthanc", studies=studies, calls=calls
            )
    else:
        say("Orthanc with its DICOMweb plugin is not installed: only the folder was measured")
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "load_before": load_before,
        "load_after": os.getloadavg()[0],
        "studies": studies,
        "calls": calls,
        "places": places,
    }
