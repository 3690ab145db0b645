"""A DICOMweb PACS as an archive: what it is sent, and what its answers mean."""

import errno
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from loopback import loopback
from sonoloop.errors import InstanceRefusedError, NotFoundError, PacsError, StoreError
from sonoloop.pacs.dicomweb import DicomWebSource
from sonoloop.pacs.port import InstanceAddress, ScanSummary
from sonoloop.records import ImageRecord
from sonoloop.store import Store

WHERE = InstanceAddress(study="1.2.3.2", series="1.2.3.1", instance="1.2.3")


@dataclass
class Archive:
    """A PACS that answers what the test says.

    Attributes:
        answers: By the path without query; what is not there is a 404.
        sent: Bodies of requests to store.
        locations: Where an answer that redirects points to, by its path.
    """

    url: str = ""
    answers: dict[str, tuple[int, Any]] = field(default_factory=dict)
    sent: list[tuple[str, bytes]] = field(default_factory=list)
    locations: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    """One request to the PACS, which its server carries."""

    def do_GET(self) -> None:
        archive: Archive = self.server.archive  # type: ignore[attr-defined]
        archive.asked.append(self.path)
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if body:
            archive.sent.append((self.headers["content-type"], body))
        status, told = archive.answers.get(
            self.path, archive.answers.get(self.path.partition("?")[0], (404, ""))
        )
        content = told if isinstance(told, bytes) else json.dumps(told).encode()
        self.send_response(status)
        if self.path in archive.locations:
            self.send_header("location", archive.locations[self.path])
        self.send_header("content-type", "application/dicom+json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def archive() -> Iterator[Archive]:
    fake = Archive()
    with loopback(Handler, archive=fake) as fake.url:
        yield fake


@pytest.fixture
def source(archive: Archive, workspace: Path, store: Store) -> DicomWebSource:
    return DicomWebSource(f"{archive.url}/dw", workspace)


@pytest.fixture
def content(studies: Path, write_dicom: Callable[..., str]) -> bytes:
    write_dicom("a.dcm", "1.2.3")
    return (studies / "a.dcm").read_bytes()


def kept(*uids: str) -> dict[str, Any]:
    items = [{"00081155": {"vr": "UI", "Value": [uid]}} for uid in uids]
    return {"00081199": {"vr": "SQ", "Value": items}}


def failed(uid: str, reason: int) -> dict[str, Any]:
    item = {
        "00081155": {"vr": "UI", "Value": [uid]},
        "00081197": {"vr": "US", "Value": [reason]},
    }
    return {"00081198": {"vr": "SQ", "Value": [item]}}


class TestStoring:
    def test_files_are_sent_byte_for_byte_to_their_study(
        self, source: DicomWebSource, archive: Archive, content: bytes
    ) -> None:
        archive.answers["/dw/studies/1.2.3.2"] = (200, kept("1.2.3"))

        source.store("1.2.3.2", [content])

        ((kind, body),) = archive.sent
        boundary = kind.partition("boundary=")[2]
        assert kind.startswith('multipart/related; type="application/dicom"')
        assert body.startswith(
            f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode() + content
        )
        assert body.endswith(f"\r\n--{boundary}--\r\n".encode())

    @pytest.mark.parametrize(
        ("status", "answer", "error", "told"),
        [
            (200, failed("1.2.3", 0x0122), InstanceRefusedError, "SOP class not supported 0122H"),
            (202, kept("1.9") | failed("1.2.3", 0xA700), PacsError, "out of resources A700H"),
            (409, failed("1.2.3", 0xA7FF), PacsError, "out of resources A7FFH"),
            (409, failed("1.2.3", 0x0110), PacsError, "processing failure 0110H"),
            (409, failed("1.2.3", 0xA900), InstanceRefusedError, "does not match its SOP class"),
            (409, failed("1.2.3", 0x0111), InstanceRefusedError, "duplicate instance 0111H"),
            (409, failed("1.2.3", 0x1234), InstanceRefusedError, "reason 1234H"),
            (400, b"no", InstanceRefusedError, "HTTP 400"),
            (415, b"no", InstanceRefusedError, "HTTP 415"),
            (200, {}, PacsError, r"does not say that it has kept 1\.2\.3"),
            (200, kept("1.9"), PacsError, "does not say that it has kept"),
            (200, b"", PacsError, "does not say that it has kept"),
            (200, b"<html>", PacsError, "is no DICOMweb"),
            (200, ["x"], PacsError, "is no DICOMweb"),
            (401, b"", PacsError, "SONOLOOP_PACS_USER"),
            (404, b"404 page not found", PacsError, "nothing that takes instances: HTTP 404"),
            (410, b"", PacsError, "nothing that takes instances: HTTP 410"),
            (500, b"", PacsError, "HTTP 500"),
            (503, b"", PacsError, "HTTP 503"),
            (507, b"", PacsError, "HTTP 507"),
        ],
    )
    def test_an_answer_means_kept_refused_or_try_again(
        self,
        source: DicomWebSource,
        archive: Archive,
        content: bytes,
        *,
        status: int,
        answer: Any,
        error: type[Exception],
        told: str,
    ) -> None:
        archive.answers["/dw/studies/1.2.3.2"] = (status, answer)

        with pytest.raises(error, match=told):
            source.store("1.2.3.2", [content])

        assert source.state.reachable == (error is InstanceRefusedError)

    def test_of_several_failures_the_one_that_stays_is_told(
        self, source: DicomWebSource, archive: Archive, content: bytes
    ) -> None:
        both = failed("1.9", 0xA700)
        both["00081198"]["Value"] += failed("1.2.3", 0x0122)["00081198"]["Value"]
        archive.answers["/dw/studies/1.2.3.2"] = (409, both)

        with pytest.raises(InstanceRefusedError, match=r"instance 1\.2\.3: SOP class"):
            source.store("1.2.3.2", [content])

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    @pytest.mark.parametrize(
        ("location", "told"),
        [
            ("https://me:secret@new.example:444/dw?token=secret", "to https://new.example:444:"),
            ("/dw/studies/moved", "has moved: HTTP"),
            ("http://[::1", "is no DICOMweb"),
        ],
    )
    def test_instances_are_not_sent_after_a_pacs_that_has_moved(
        self,
        source: DicomWebSource,
        archive: Archive,
        content: bytes,
        *,
        status: int,
        location: str,
        told: str,
    ) -> None:
        archive.locations["/dw/studies/1.2.3.2"] = location
        archive.answers["/dw/studies/1.2.3.2"] = (status, b"")

        with pytest.raises(PacsError, match=told) as raised:
            source.store("1.2.3.2", [content])

        assert archive.asked == ["/dw/studies/1.2.3.2"]
        assert "secret" not in str(raised.value)

    @pytest.mark.parametrize(
        ("study", "data", "told"),
        [("1.2.3.2", b"garbage", "no DICOM instance"), ("1.9", None, "belongs to study")],
    )
    def test_what_does_not_belong_there_is_not_sent(
        self,
        source: DicomWebSource,
        archive: Archive,
        content: bytes,
        *,
        study: str,
        data: bytes | None,
        told: str,
    ) -> None:
        with pytest.raises(InstanceRefusedError, match=told):
            source.store(study, [data or content])

        assert archive.asked == []


class TestReading:
    def test_the_header_has_the_identity_the_cache_has_not(
        self, source: DicomWebSource, archive: Archive, record: ImageRecord
    ) -> None:
        metadata = {
            "00080005": {"vr": "CS", "Value": ["ISO_IR 100"]},
            "00080018": {"vr": "UI", "Value": ["1.2.3"]},
            "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Müller^Jane"}]},
            "00100020": {"vr": "LO", "Value": ["p7"]},
            "00281201": {"vr": "OW", "BulkDataURI": "http://elsewhere/bulk"},
        }
        path = "/dw/studies/1.2.3.2/series/1.2.3.1/instances/1.2.3/metadata"
        archive.answers[path] = (200, [metadata])

        header = source.header(record)

        assert (str(header.PatientName), header.PatientID) == ("Müller^Jane", "p7")
        assert header.SpecificCharacterSet == "ISO_IR 192"
        assert archive.asked == [path]

    @pytest.mark.parametrize("listed", [[], [{"0020000D": {"vr": "UI", "Value": ["1.2.3.2"]}}]])
    def test_an_image_that_has_left_has_no_header(
        self, source: DicomWebSource, archive: Archive, record: ImageRecord, listed: list[Any]
    ) -> None:
        archive.answers["/dw/studies"] = (200, listed)

        with pytest.raises(NotFoundError, match="does not have this"):
            source.header(record)

    @pytest.mark.parametrize("answer", [(404, b"404 page not found"), (502, b"")])
    def test_a_gateway_without_its_pacs_does_not_say_that_an_image_has_left(
        self, source: DicomWebSource, archive: Archive, record: ImageRecord, answer: tuple[int, Any]
    ) -> None:
        archive.answers["/dw/studies"] = answer

        with pytest.raises(PacsError):
            source.header(record)

    def test_a_header_that_is_nested_without_end_is_told(
        self, source: DicomWebSource, archive: Archive, record: ImageRecord
    ) -> None:
        path = "/dw/studies/1.2.3.2/series/1.2.3.1/instances/1.2.3/metadata"
        archive.answers[path] = (200, b"[" * 200_000)

        with pytest.raises(PacsError, match="is no DICOMweb"):
            source.header(record)

    def test_a_full_disk_is_told_and_is_no_fault_of_the_pacs(
        self, source: DicomWebSource, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: object, **__: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr("tempfile.TemporaryDirectory", full)

        with pytest.raises(StoreError, match="No space left on device"):
            source.retrieve(WHERE)

        assert source.state.reachable

    def test_a_study_that_is_not_there_has_no_instances(self, source: DicomWebSource) -> None:
        assert source.instances("1.9", "SEG") == []

    def test_instances_of_a_modality_are_asked_for(
        self, source: DicomWebSource, archive: Archive
    ) -> None:
        series = {"0020000E": {"vr": "UI", "Value": ["1.2.3.1"]},
                  "00080060": {"vr": "CS", "Value": ["SEG"]}}  # fmt: skip
        instance = {"00080018": {"vr": "UI", "Value": ["1.2.3"]}}
        archive.answers["/dw/studies/1.2.3.2/series"] = (200, [series])
        archive.answers["/dw/studies/1.2.3.2/series/1.2.3.1/instances"] = (200, [instance])

        assert source.instances("1.2.3.2", "SEG") == [WHERE]
        assert archive.asked[0] == "/dw/studies/1.2.3.2/series?Modality=SEG"

    def test_an_instance_that_is_not_there_is_told_and_leaves_nothing(
        self, source: DicomWebSource, store: Store
    ) -> None:
        with pytest.raises(NotFoundError, match="does not have"):
            source.retrieve(WHERE)

        assert [path for path in store.paths.cache.rglob("*") if path.is_file()] == []


@pytest.fixture
def record() -> ImageRecord:
    return ImageRecord(
        image_id="1.2.3", source="dicomweb", locator="1.2.3.2/1.2.3.1/1.2.3", frame=0,
        frame_count=1, rows=40, columns=48, spacing_mm=None, patient_id="p7",
        study_instance_uid="1.2.3.2", series_instance_uid="1.2.3.1", sop_instance_uid="1.2.3",
    )  # fmt: skip


def test_a_pacs_that_is_down_is_remembered_as_such_until_it_answers(
    archive: Archive, workspace: Path, store: Store
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nobody = DicomWebSource(f"http://127.0.0.1:{probe.getsockname()[1]}/dw", workspace)
    with pytest.raises(PacsError, match="cannot be reached"):
        nobody.instances("1.2", "US")
    first = nobody.state
    with pytest.raises(PacsError, match="cannot be reached"):
        nobody.instances("1.2", "US")

    assert (first.reachable, nobody.state.since) == (False, first.since)
    assert "cannot be reached" in str(first.problem)


def test_a_pacs_that_refuses_has_answered(
    source: DicomWebSource, archive: Archive, content: bytes
) -> None:
    archive.answers["/dw/studies/1.2.3.2"] = (503, b"")
    with pytest.raises(PacsError, match="HTTP 503"):
        source.store("1.2.3.2", [content])
    archive.answers["/dw/studies/1.2.3.2"] = (400, b"")

    with pytest.raises(InstanceRefusedError, match="HTTP 400"):
        source.store("1.2.3.2", [content])

    assert (source.state.reachable, source.state.problem) == (True, None)


class TestOrthancChanges:
    """What Orthanc says is new, by a stand-in: its numbers and order are under control."""

    @pytest.fixture
    def changes(self, archive: Archive) -> list[dict[str, Any]]:
        news: list[dict[str, Any]] = []
        archive.answers["/system"] = (200, {"Name": "", "DatabaseVersion": 6})
        archive.answers["/changes?last"] = (200, {"Changes": [], "Done": True, "Last": 7})
        archive.answers["/dw/studies"] = (200, [])
        archive.answers["/changes"] = (200, {"Changes": news, "Done": True, "Last": 9})
        return news

    def test_what_was_there_before_the_look_at_everything_is_no_news(
        self, source: DicomWebSource, archive: Archive, store: Store, changes: list[Any]
    ) -> None:
        source.scan(store)
        archive.asked.clear()

        assert source.scan_news(store) is None
        assert archive.asked == ["/changes?since=7&limit=1000"]

    def test_the_studies_of_what_is_new_are_looked_into(
        self, source: DicomWebSource, archive: Archive, store: Store, changes: list[Any]
    ) -> None:
        source.scan(store)
        changes += [
            {"ChangeType": "NewInstance", "ResourceType": "Instance", "ID": "ab-1"},
            {"ChangeType": "StableSeries", "ResourceType": "Series", "ID": "ab-2"},
            {"ChangeType": "NewStudy", "ResourceType": "Study", "ID": "ab-3"},
            {"ChangeType": "NewSeries", "ResourceType": "Series", "ID": "gone"},
            {"ChangeType": "NewStudy", "ResourceType": "Study", "ID": "../x"},
        ]
        told = (200, {"MainDicomTags": {"StudyInstanceUID": "1.5"}})
        archive.answers["/dw/studies/1.5/series"] = (200, [])
        archive.answers["/instances/ab-1/study"] = archive.answers["/studies/ab-3"] = told
        archive.asked.clear()

        summary = source.scan_news(store)

        assert summary is not None
        assert [path for path in archive.asked if path.startswith("/dw")] == [
            "/dw/studies/1.5/series?Modality=US"
        ]
        assert not any("ab-2" in path or "x" in path for path in archive.asked)

    def test_a_database_made_anew_has_everything_looked_at_once(
        self, source: DicomWebSource, archive: Archive, store: Store, changes: list[Any]
    ) -> None:
        source.scan(store)
        archive.answers["/changes"] = (200, {"Changes": changes, "Done": True, "Last": 3})
        archive.asked.clear()

        first, second = source.scan_news(store), source.scan_news(store)

        assert (first, second) == (ScanSummary(), None)
        assert [path.partition("&")[0] for path in archive.asked if "/dw" not in path] == [
            "/changes?since=7",
            "/changes?since=3",
        ]
        assert any(path.startswith("/dw/studies?") for path in archive.asked)

    def test_too_much_that_is_new_is_looked_for_everywhere(
        self, source: DicomWebSource, archive: Archive, store: Store, changes: list[Any]
    ) -> None:
        source.scan(store)
        changes += [
            {"ChangeType": "NewInstance", "ResourceType": "Instance", "ID": f"a{number}"}
            for number in range(300)
        ]
        archive.asked.clear()

        source.scan_news(store)

        assert not any(path.startswith("/instances") for path in archive.asked)
        assert any(path.startswith("/dw/studies?") for path in archive.asked)

    def test_news_that_could_not_be_followed_up_are_told_again(
        self, source: DicomWebSource, archive: Archive, store: Store, changes: list[Any]
    ) -> None:
        source.scan(store)
        changes.append({"ChangeType": "NewStudy", "ResourceType": "Study", "ID": "ab"})
        archive.answers["/studies/ab"] = (500, {})
        with pytest.raises(PacsError, match="HTTP 500"):
            source.scan_news(store)
        archive.asked.clear()

        with pytest.raises(PacsError, match="HTTP 500"):
            source.scan_news(store)

        assert archive.asked[0] == "/changes?since=7&limit=1000"

    @pytest.mark.parametrize(
        ("told", "problem"),
        [
            ({"Changes": ["x"]}, "a change that is no JSON object"),
            ({"Changes": [{"ChangeType": [], "ResourceType": {}}], "Last": 9}, None),
            ({"Changes": [], "Done": True}, "the number of its last change"),
            (b"[" * 200_000, "no JSON object"),
        ],
    )
    def test_changes_that_are_none_are_told(
        self,
        source: DicomWebSource,
        archive: Archive,
        store: Store,
        changes: list[Any],
        *,
        told: Any,
        problem: str | None,
    ) -> None:
        source.scan(store)
        archive.answers["/changes"] = (200, told)

        with pytest.raises(PacsError, match=problem) if problem else nullcontext():
            source.scan_news(store)

        assert source.state.reachable == (problem is None)

    @pytest.mark.parametrize(
        "system",
        [
            (404, ""),
            (401, ""),
            (200, b"<html>"),
            (200, []),
            (200, {"Name": "other"}),
            (200, b"[" * 200_000),
        ],
    )
    def test_another_pacs_is_not_taken_for_orthanc(
        self, source: DicomWebSource, archive: Archive, store: Store, system: tuple[int, Any]
    ) -> None:
        archive.answers |= {"/system": system, "/dw/studies": (200, [])}

        source.scan(store)

        assert source.scan_news(store) is None
        assert not source.is_orthanc
        assert not any(path.startswith("/changes") for path in archive.asked)
