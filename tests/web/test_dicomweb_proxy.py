"""DICOMweb of a PACS at our own address: what is passed on, what is kept back."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pydicom
import pytest
from dicomweb_client.api import DICOMwebClient

from forwarding import proxy_to
from loopback import loopback
from sonoloop.imaging.write_dicom import UltrasoundDicom, write_ultrasound_dicom

Answer = tuple[int, dict[str, str], bytes]
STOW = {"content-type": 'multipart/related; type="application/dicom"; boundary=xx'}


@dataclass
class Asked:
    """One request as it reached the PACS."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class FakePacs:
    """Answers what the test says, and remembers what it was asked.

    Attributes:
        system: What ``/system`` answers; an Orthanc tells of itself there.
    """

    url: str = ""
    answer: Answer = (200, {"content-type": "application/dicom+json"}, b"[]")
    system: bytes = b""
    asked: list[Asked] = field(default_factory=list)
    hold: threading.Event | None = None


class Handler(BaseHTTPRequestHandler):
    """One request to the fake PACS, which its server carries."""

    protocol_version = "HTTP/1.1"

    @property
    def pacs(self) -> FakePacs:
        fake: FakePacs = self.server.pacs  # type: ignore[attr-defined]
        return fake

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        system = self.pacs.system
        if self.path == "/system":
            self.say(200 if system else 404, {"content-type": "text/json"}, system)
        elif self.path == "/changes?last":
            self.say(200, {}, b'{"Changes": [], "Done": true, "Last": 0}')
        else:
            self.pacs.asked.append(Asked(self.command, self.path, headers, body))
            self.say(*self.pacs.answer)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        self.do_GET()

    def say(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in ({"content-length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        self.wfile.write(body)
        if self.pacs.hold is not None:
            self.pacs.hold.wait(20)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def pacs() -> Iterator[FakePacs]:
    fake = FakePacs()
    with loopback(Handler, pacs=fake) as address:
        fake.url = f"{address}/dw"
        yield fake


Open = Callable[..., AbstractContextManager[Any]]


@pytest.fixture
def site(
    pacs: FakePacs, make_site: Open, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Any, FakePacs]]:
    """A server in front of the PACS, of which the first scan is forgotten."""
    monkeypatch.setenv("SONOLOOP_PACS_USER", "us")
    monkeypatch.setenv("SONOLOOP_PACS_PASSWORD", "secret")
    with make_site(studies=pacs.url) as made:
        pacs.asked.clear()
        yield made, pacs


Pair = tuple[Any, FakePacs]


class TestWhatThePacsIsAsked:
    def test_query_and_accept_are_kept_and_our_credentials_added(self, site: Pair) -> None:
        here, pacs = site

        here.http.get(
            "/dicom-web/studies?PatientName=%2Adoe%2A&limit=5",
            headers={"accept": "application/dicom+json; q=0.9"},
        )

        (asked,) = pacs.asked
        assert asked.target == "/dw/studies?PatientName=%2Adoe%2A&limit=5"
        assert asked.headers["accept"] == "application/dicom+json; q=0.9"
        assert asked.headers["authorization"] == "Basic dXM6c2VjcmV0"

    def test_what_is_the_client_s_own_is_not_passed_on(self, site: Pair) -> None:
        here, pacs = site
        headers = {
            "authorization": "Bearer ours",
            "cookie": "session=ours",
            "connection": "keep-alive, x-own",
            "x-own": "1",
            "x-forwarded-for": "10.0.0.1",
            "forwarded": "for=10.0.0.1",
            "te": "trailers",
            "referer": "http://here/ohif/viewer?StudyInstanceUIDs=1.2",
        }

        here.http.get("/dicom-web/studies", headers=headers)

        (asked,) = pacs.asked
        assert "ours" not in str(asked.headers)
        assert not {"cookie", "x-own", "x-forwarded-for", "forwarded", "te", "referer"} & set(
            asked.headers
        )

    @pytest.mark.parametrize(
        "path",
        [
            "system", "../system", "..%2fsystem", "%2e%2e/system", "studies/../../system",
            "studies//1.2", "studies/..%5csystem", "instances/%00", "http://other/studies", "info",
            "studies/1.2/series/%252e%252e", "studies;x", "wado?requestType=WADO",
        ],
    )  # fmt: skip
    def test_nothing_but_dicomweb_can_be_reached(self, site: Pair, path: str) -> None:
        here, pacs = site
        raw = httpx.Request("GET", here.url, extensions={"target": f"/dicom-web/{path}".encode()})

        answer = here.http.send(raw)

        assert answer.status_code in (400, 404), path
        assert pacs.asked == []

    @pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
    def test_nothing_can_be_changed_or_deleted(self, site: Pair, method: str) -> None:
        here, pacs = site

        assert here.http.request(method, "/dicom-web/studies/1.2").status_code == 405
        assert pacs.asked == []

    def test_instances_are_stored_as_they_came(self, site: Pair) -> None:
        here, pacs = site
        body = b"--xx\r\n\r\n" + bytes(range(256)) * 2000 + b"\r\n--xx--\r\n"

        here.http.post("/dicom-web/studies/1.2", content=body, headers=STOW)

        (asked,) = pacs.asked
        assert (asked.method, asked.target, asked.body) == ("POST", "/dw/studies/1.2", body)
        assert asked.headers["content-type"] == STOW["content-type"]

    @pytest.mark.parametrize("path", ["series", "studies/1.2/series/1.3", "studies/1.2/delete"])
    def test_nothing_is_stored_elsewhere(self, site: Pair, path: str) -> None:
        here, pacs = site

        answer = here.http.post(f"/dicom-web/{path}", content=b"x", headers=STOW)

        assert answer.status_code == 400
        assert pacs.asked == []

    def test_pages_of_other_sites_store_nothing(self, site: Pair) -> None:
        here, pacs = site
        headers = STOW | {"sec-fetch-site": "cross-site"}

        answer = here.http.post("/dicom-web/studies", content=b"x", headers=headers)

        assert answer.status_code == 403
        assert pacs.asked == []


class TestWhatTheClientIsTold:
    def test_the_body_comes_through_byte_for_byte(self, site: Pair) -> None:
        here, pacs = site
        body = bytes(range(256)) * 5000
        pacs.answer = (200, {"content-type": "multipart/related; boundary=q", "etag": '"e"'}, body)

        answer = here.http.get("/dicom-web/studies/1.2")

        assert answer.content == body
        assert answer.headers["content-type"] == "multipart/related; boundary=q"
        assert answer.headers["etag"] == '"e"'
        assert answer.headers["cache-control"] == "no-store"

    def test_the_body_is_passed_on_as_it_comes(self, site: Pair) -> None:
        here, pacs = site
        pacs.hold = threading.Event()
        pacs.answer = (200, {"content-type": "text/plain", "content-length": "9"}, b"half")

        with here.http.stream("GET", "/dicom-web/studies/1.2") as answer:
            first = next(answer.iter_bytes())
            pacs.hold.set()

        assert first == b"half"

    def test_addresses_of_the_pacs_become_ours(self, site: Pair) -> None:
        here, pacs = site
        told = [{"00081190": {"vr": "UR", "Value": ["http://inner:8042/dw/studies/1.2"]},
                 "00282000": {"vr": "OB", "BulkDataURI": "https://x/y/studies/1.2/bulk/9"},
                 "00081030": {"vr": "LO", "Value": ["see http://else.where/ there"]}}]  # fmt: skip
        pacs.answer = (200, {"content-type": "application/dicom+json"}, json.dumps(told).encode())

        (answer,) = here.http.get("/dicom-web/studies").json()

        assert answer["00081190"]["Value"] == ["/dicom-web/studies/1.2"]
        assert answer["00282000"]["BulkDataURI"] == "/dicom-web/studies/1.2/bulk/9"
        assert answer["00081030"]["Value"] == ["see http://else.where/ there"]

    def test_what_is_the_pacs_s_own_is_kept_back(self, site: Pair) -> None:
        here, pacs = site
        pacs.answer = (
            200,
            {"content-type": "text/plain", "set-cookie": "a=b", "server": "inner", "x-own": "1"},
            b"x",
        )

        answer = here.http.get("/dicom-web/studies/1.2")

        assert not {"set-cookie", "x-own"} & set(answer.headers)
        assert answer.headers.get("server") != "inner"

    @pytest.mark.parametrize(
        ("status", "headers", "ours", "told"),
        [
            (401, {"www-authenticate": "Basic"}, 503, "SONOLOOP_PACS_USER"),
            (403, {}, 503, "SONOLOOP_PACS_USER"),
            (404, {}, 404, "does not have this"),
            (406, {}, 406, "in that form"),
            (400, {}, 400, "refuses the request"),
            (500, {}, 503, "failed: HTTP 500"),
            (503, {}, 503, "failed: HTTP 503"),
            (302, {"location": "http://other/login"}, 503, "failed: HTTP 302"),
        ],
    )
    def test_a_refusal_is_told_in_our_words(
        self, site: Pair, status: int, headers: dict[str, str], ours: int, told: str
    ) -> None:
        here, pacs = site
        pacs.answer = (status, headers, b"<html>inner things</html>")

        answer = here.http.get("/dicom-web/studies")

        assert answer.status_code == ours
        assert told in answer.json()["detail"]
        assert not {"www-authenticate", "location"} & set(answer.headers)

    def test_a_refusal_of_single_instances_is_passed_on(self, site: Pair) -> None:
        here, pacs = site
        body = b'{"00081198": {"vr": "SQ", "Value": []}}'
        pacs.answer = (409, {"content-type": "application/dicom+json"}, body)

        answer = here.http.post("/dicom-web/studies", content=b"x", headers=STOW)

        assert (answer.status_code, answer.content) == (409, body)

    def test_head_has_no_body(self, site: Pair) -> None:
        here, pacs = site
        pacs.answer = (200, {"content-type": "application/dicom+json"}, b"[]")

        answer = here.http.head("/dicom-web/studies")

        assert (answer.status_code, answer.content) == (200, b"")
        assert pacs.asked[0].method == "HEAD"


def test_a_pacs_that_goes_and_comes_back_is_told_and_used_again(
    pacs: FakePacs, make_site: Open
) -> None:
    base = pacs.url.removesuffix("/dw")
    with proxy_to(base) as cable, make_site(studies=f"{cable.url}/dw") as here:
        assert here.http.get("/dicom-web/studies").status_code == 200

        cable.cut()
        down = here.http.get("/dicom-web/studies")
        state = here.service.scanner.state
        cable.mend()
        again = here.http.get("/dicom-web/studies")

        assert (down.status_code, down.json()["code"]) == (503, "pacs")
        assert down.headers["retry-after"] == "2"
        assert state.state == "unreachable"
        assert again.status_code == 200
        assert here.service.scanner.state.state == "ready"


def test_a_pacs_that_says_nothing_is_told(make_site: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sonoloop.pacs.orthanc.TIMEOUT_S", (0.2, 0.2))
    monkeypatch.setattr("sonoloop.web.routes.dicomweb_proxy.TIMEOUT", httpx.Timeout(0.2))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/dw"
        with make_site(studies=url) as here:
            answer = here.http.get("/dicom-web/studies")

    assert answer.status_code == 503
    assert "does not answer in time" in answer.json()["detail"]


def test_for_orthanc_filters_are_sent_bare(pacs: FakePacs, make_site: Open) -> None:
    pacs.system = b'{"Name": "x", "DatabaseVersion": 6}'
    with make_site(studies=pacs.url) as here:
        pacs.asked.clear()

        here.http.get("/dicom-web/studies?StudyDescription=%2AUS%20left%2A&ModalitiesInStudy=US"
                      "&limit=5&offset=10")  # fmt: skip

        assert [asked.target for asked in pacs.asked] == [
            "/dw/studies?StudyDescription=*US?left*&ModalitiesInStudy=US&limit=15&offset=10"
        ]


@pytest.mark.pacs
class TestOrthanc:
    @pytest.fixture
    def here(self, orthanc: Any, make_site: Open, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
        monkeypatch.setenv("SONOLOOP_PACS_USER", orthanc.user)
        monkeypatch.setenv("SONOLOOP_PACS_PASSWORD", orthanc.password)
        with make_site(studies=orthanc.url) as made:
            yield made

    def written(self, folder: Path, uid: str, **facts: Any) -> Path:
        pixels = np.random.default_rng(3).integers(0, 255, (40, 60, 3), dtype=np.uint8)
        settings = UltrasoundDicom(
            sop_instance_uid=uid,
            series_instance_uid=f"{uid}.1",
            study_instance_uid=f"{uid}.2",
            patient_id="p1",
            jpeg_quality=90,
            **facts,
        )
        write_ultrasound_dicom(folder / f"{uid}.dcm", pixels, settings)
        return folder / f"{uid}.dcm"

    def test_a_viewer_stores_finds_and_fetches_through_us(
        self, here: Any, orthanc: Any, tmp_path: Path, until: Callable[..., None]
    ) -> None:
        path = self.written(
            tmp_path, "1.2.3", patient_name="Doe^Jane", study_description="US BREAST LEFT"
        )
        client = DICOMwebClient(f"{here.url}/dicom-web")

        client.store_instances([pydicom.dcmread(path)])

        (found,) = client.search_for_studies(search_filters={"StudyDescription": "US BREAST*"})
        assert found["0020000D"]["Value"] == ["1.2.3.2"]
        (fetched,) = client.retrieve_series(
            "1.2.3.2", "1.2.3.1", media_types=(("application/dicom", "*"),)
        )
        original = pydicom.dcmread(path)
        assert fetched.PixelData == original.PixelData
        assert fetched.file_meta.TransferSyntaxUID == original.file_meta.TransferSyntaxUID
        (frame,) = client.retrieve_instance_frames(
            "1.2.3.2", "1.2.3.1", "1.2.3", [1], media_types=(("application/octet-stream", "*"),)
        )
        assert frame.startswith(b"\xff\xd8")
        until(lambda: here.http.get("/datastore/image/info?image=1.2.3").status_code == 200)

    @pytest.mark.parametrize("name", ["Doe^Jane", "Doe*", "O'Hara^X Y", "Müller^Ä", "D*^J?ne"])
    def test_filters_that_orthanc_mishears_are_answered(
        self, here: Any, orthanc: Any, tmp_path: Path, name: str
    ) -> None:
        stored = {"Doe*": "Doe^Jane", "D*^J?ne": "Doe^Jane"}.get(name, name)
        orthanc.store(self.written(tmp_path, "1.2.3", patient_name=stored))
        orthanc.store(self.written(tmp_path, "1.2.4", patient_name="Smith^Ann"))
        here.service.scanner.scan()

        answer = here.http.get("/dicom-web/studies", params={"PatientName": name})

        assert [study["0020000D"]["Value"][0] for study in answer.json()] == ["1.2.3.2"]

    def test_pages_of_a_worklist_by_modality_do_not_run_dry(
        self, here: Any, orthanc: Any, tmp_path: Path
    ) -> None:
        for number in range(5):
            orthanc.store(self.written(tmp_path, f"1.2.3{number}"))
        here.service.scanner.scan()

        pages = [
            here.http.get(
                "/dicom-web/studies",
                params={"ModalitiesInStudy": "US", "limit": 2, "offset": offset},
            ).json()
            for offset in (0, 2, 4)
        ]

        uids = [study["0020000D"]["Value"][0] for page in pages for study in page]
        assert sorted(uids) == [f"1.2.3{number}.2" for number in range(5)]
