"""The PACS source against services that misbehave."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from loopback import loopback
from sonoloop.errors import ConfigError, NotFoundError, PacsError, StoreError
from sonoloop.imaging.read import read_header
from sonoloop.pacs import wado
from sonoloop.pacs.dicomweb import DicomWebSource, credentials_from
from sonoloop.pacs.folder import FolderSource
from sonoloop.pacs.open import open_source
from sonoloop.pacs.port import InstanceAddress
from sonoloop.pacs.qido import Credentials
from sonoloop.records import ImageRecord
from sonoloop.store import Store

MULTIPART = "multipart/related; type=application/dicom; boundary=xx"

Answer = tuple[int, str, bytes]

WHERE = InstanceAddress(study="1.2", series="1.1", instance="1.2.3")
"""Where the fake PACS has the image."""


@dataclass
class FakePacs:
    """Answers every path with what the test says.

    Attributes:
        answer: From the path and the query to status, content type and body.
        asked: Paths with queries, in order.
    """

    url: str
    answer: Callable[[str, dict[str, list[str]]], Answer]
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def fake() -> Iterator[FakePacs]:
    """A PACS without studies, until the test gives it others answers."""
    pacs = FakePacs("", lambda path, query: (200, "application/dicom+json", b"[]"))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            pacs.asked.append(self.path)
            parts = urlsplit(self.path)
            status, kind, body = pacs.answer(parts.path, parse_qs(parts.query))
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with loopback(Handler) as address:
        pacs.url = f"{address}/dicom-web"
        yield pacs


@pytest.fixture
def source(fake: FakePacs, workspace: Path) -> DicomWebSource:
    return DicomWebSource(fake.url, workspace)


@pytest.fixture
def image(
    studies: Path, store: Store, workspace: Path, write_dicom: Callable[..., str]
) -> ImageRecord:
    """An image of the PACS; its file is ``studies/1.2.3.dcm``."""
    write_dicom("1.2.3.dcm", "1.2.3")
    FolderSource(studies, workspace).scan(store)
    facts: dict[str, Any] = {
        name: getattr(store.images.get("1.2.3"), name) for name in ImageRecord.__dataclass_fields__
    }
    return ImageRecord(**(facts | {"source": "dicomweb", "locator": "1.2/1.1/1.2.3"}))


@pytest.fixture
def content(image: ImageRecord, studies: Path) -> bytes:
    """The bytes of that image."""
    return (studies / f"{image.image_id}.dcm").read_bytes()


def dicom_json(body: object) -> Answer:
    return (200, "application/dicom+json", json.dumps(body).encode())


def study(uid: str) -> dict[str, Any]:
    return {"0020000D": {"vr": "UI", "Value": [uid]}}


class TestScanning:
    def test_an_empty_pacs_has_nothing(self, source: DicomWebSource, store: Store) -> None:
        assert source.scan(store).added == 0

    def test_no_content_is_an_empty_answer(
        self, source: DicomWebSource, store: Store, fake: FakePacs
    ) -> None:
        fake.answer = lambda path, query: (204, "application/dicom+json", b"")

        assert source.scan(store).added == 0

    @pytest.mark.parametrize("knows_offset", [True, False])
    def test_a_pacs_that_caps_its_answers_is_asked_on_until_it_has_no_more(
        self, source: DicomWebSource, fake: FakePacs, knows_offset: bool
    ) -> None:
        uids = [f"1.2.{i}" for i in range(130)]

        def answer(path: str, query: dict[str, list[str]]) -> Answer:
            offset = int(query.get("offset", ["0"])[0]) if knows_offset else 0
            return dicom_json([study(uid) for uid in uids[offset : offset + 60]])

        fake.answer = answer

        found = [s.study_instance_uid for s in source._qido.studies()]

        assert found == uids[: 130 if knows_offset else 60]
        assert "limit" not in "".join(fake.asked)

    def test_a_pacs_that_is_down_is_told_at_once_and_nothing_is_marked_as_gone(
        self, workspace: Path, store: Store, image: ImageRecord
    ) -> None:
        store.images.upsert_many([image])
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        source = DicomWebSource(f"http://127.0.0.1:{port}/dicom-web", workspace)
        begin = time.monotonic()

        with pytest.raises(PacsError, match="cannot be reached"):
            source.scan(store)
        with pytest.raises(PacsError, match="cannot be reached"):
            source.path_of(image)

        assert time.monotonic() - begin < 5
        assert store.images.count() == 1

    def test_a_pacs_that_says_nothing_is_told(
        self, workspace: Path, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sonoloop.pacs.qido.TIMEOUT_S", (0.2, 0.2))
        with socket.create_server(("127.0.0.1", 0)) as silent:
            source = DicomWebSource(f"http://127.0.0.1:{silent.getsockname()[1]}", workspace)

            with pytest.raises(PacsError, match="does not answer in time"):
                source.scan(store)

    @pytest.mark.parametrize(
        ("answer", "told"),
        [
            ((500, "text/plain", b"oh"), "failed: HTTP 500"),
            ((503, "text/plain", b""), "failed: HTTP 503"),
            ((401, "text/plain", b""), "SONOLOOP_PACS_USER"),
            ((404, "text/plain", b""), "there is no DICOMweb service"),
            ((200, "text/html", b"<html>log in</html>"), "is no DICOMweb"),
            (dicom_json(["x"]), "is no DICOMweb"),
            (dicom_json([{"0020000D": ["x"]}]), "is no DICOMweb"),
            (dicom_json("x"), "is no DICOMweb"),
            (dicom_json([{"0020000D": None}]), "is no DICOMweb"),
            (dicom_json([{"0020000D": {"Value": {"a": 1}}}]), "is no DICOMweb"),
            (dicom_json([{"0020000D": {"Value": {}}}]), "is no DICOMweb"),
            (dicom_json([{"00201208": None}]), "is no DICOMweb"),
            ((200, "application/dicom+json", b"[" * 200_000), "is no DICOMweb"),
        ],
    )
    def test_what_goes_wrong_is_told_as_a_sentence(
        self, source: DicomWebSource, store: Store, fake: FakePacs, answer: Answer, told: str
    ) -> None:
        fake.answer = lambda path, query: answer

        with pytest.raises(PacsError, match=told):
            source.scan(store)

    @pytest.mark.parametrize("uid", ["../../etc", "1.2\ud800", "1.2\0.3", "1.2.é"])
    def test_a_uid_that_could_leave_the_cache_is_refused(
        self, source: DicomWebSource, store: Store, fake: FakePacs, uid: str
    ) -> None:
        fake.answer = lambda path, query: dicom_json([study(uid)])

        summary = source.scan(store)

        assert [refusal.code for refusal in summary.refused] == ["bad_uid"]
        assert store.images.refusals() == summary.refused


class TestFetching:
    def test_one_part_of_a_multipart_answer_is_the_file(
        self, source: DicomWebSource, fake: FakePacs, image: ImageRecord, studies: Path
    ) -> None:
        content = (studies / "1.2.3.dcm").read_bytes()
        part = b"\r\n--xx\r\nContent-Type: application/dicom\r\n\r\n" + content + b"\r\n--xx--\r\n"
        fake.answer = lambda path, query: (200, MULTIPART, part)

        assert source.retrieve(WHERE) == content

        assert fake.asked == ["/dicom-web/studies/1.2/series/1.1/instances/1.2.3"]

    def test_a_bare_answer_is_the_file(
        self, source: DicomWebSource, fake: FakePacs, image: ImageRecord, studies: Path
    ) -> None:
        content = (studies / "1.2.3.dcm").read_bytes()
        fake.answer = lambda path, query: (200, "application/dicom", content)

        assert source.retrieve(WHERE) == content

    @pytest.mark.parametrize("chunk", [1, 7, 64, 4096])
    def test_the_answer_may_come_in_pieces_of_any_size(
        self,
        source: DicomWebSource,
        fake: FakePacs,
        image: ImageRecord,
        content: bytes,
        *,
        monkeypatch: pytest.MonkeyPatch,
        chunk: int,
    ) -> None:
        monkeypatch.setattr(wado, "_CHUNK_BYTES", chunk)
        part = b"--xx\r\n\r\n" + content + b"\r\n--xx--"
        fake.answer = lambda path, query: (200, MULTIPART, part)

        assert source.retrieve(WHERE) == content

    @pytest.mark.parametrize(
        ("kind", "wrap", "told"),
        [
            (MULTIPART, "--xx\r\n\r\n{}", "stopped in the middle"),
            (MULTIPART, "--xx\r\n\r\n{}\r\n--xx\r\n\r\n{}\r\n--xx--", "several instances"),
            (MULTIPART, "--yy\r\n\r\n{}\r\n--yy--", "without a part"),
            (MULTIPART, "", "without a part"),
            (MULTIPART, "--xx\r\n\r\nnothing\r\n--xx--", "no DICOM file"),
            ("multipart/related", "{}", "instead of an image"),
            ("text/html; charset=utf-8", "<html>log in</html>", "instead of an image"),
            ("application/dicom", "nothing", "no DICOM file"),
        ],
    )
    def test_an_answer_that_is_no_instance_leaves_no_file(
        self,
        source: DicomWebSource,
        fake: FakePacs,
        image: ImageRecord,
        content: bytes,
        *,
        store: Store,
        kind: str,
        wrap: str,
        told: str,
    ) -> None:
        body = wrap.encode().replace(b"{}", content)
        fake.answer = lambda path, query: (200, kind, body)

        with pytest.raises(PacsError, match=told):
            source.path_of(image)

        assert [p for p in store.paths.cache.rglob("*") if p.is_file()] == []

    def test_another_image_than_was_asked_for_is_not_taken_for_it(
        self,
        source: DicomWebSource,
        fake: FakePacs,
        image: ImageRecord,
        studies: Path,
        write_dicom: Callable[..., str],
    ) -> None:
        write_dicom("other.dcm", "1.2.4")
        content = (studies / "other.dcm").read_bytes()
        fake.answer = lambda path, query: (200, "application/dicom", content)

        with pytest.raises(PacsError, match=r"another image than '1\.2\.3'"):
            source.path_of(image)

    def test_an_endless_instance_is_cut_off(
        self,
        source: DicomWebSource,
        fake: FakePacs,
        image: ImageRecord,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(wado, "MAX_INSTANCE_BYTES", 1000)
        fake.answer = lambda path, query: (200, "application/dicom", b"x" * 1001)

        with pytest.raises(PacsError, match="more than"):
            source.path_of(image)

    @pytest.mark.parametrize(
        ("status", "kind", "told"),
        [
            (404, NotFoundError, "does not have this image any more"),
            (410, NotFoundError, "does not have this image any more"),
            (500, PacsError, "failed: HTTP 500"),
            (403, PacsError, "refuses us: HTTP 403"),
        ],
    )
    def test_a_refusal_is_told(
        self,
        source: DicomWebSource,
        fake: FakePacs,
        image: ImageRecord,
        *,
        status: int,
        kind: type[Exception],
        told: str,
    ) -> None:
        fake.answer = lambda path, query: (status, "text/plain", b"no")

        with pytest.raises(kind, match=told):
            source.path_of(image)

    def test_a_cache_that_cannot_be_written_is_told(
        self,
        source: DicomWebSource,
        fake: FakePacs,
        image: ImageRecord,
        store: Store,
        studies: Path,
    ) -> None:
        content = (studies / "1.2.3.dcm").read_bytes()
        fake.answer = lambda path, query: (200, "application/dicom", content)
        (store.paths.cache / "1.2").write_text("a file where the folder should be")

        with pytest.raises(StoreError, match="cannot write"):
            source.path_of(image)

    @pytest.mark.parametrize("locator", ["", "1.2", "1/2/3/4", "../1.2/x", "1.2/../..", "a/b/.."])
    def test_a_locator_that_is_none_is_told(
        self, source: DicomWebSource, fake: FakePacs, image: ImageRecord, locator: str
    ) -> None:
        facts = {name: getattr(image, name) for name in ImageRecord.__dataclass_fields__}

        with pytest.raises(NotFoundError, match="not an instance of a PACS"):
            source.path_of(ImageRecord(**(facts | {"locator": locator})))

        assert fake.asked == []

    def test_an_image_of_a_folder_is_not_asked_for(
        self, source: DicomWebSource, store: Store, image: ImageRecord
    ) -> None:
        with pytest.raises(NotFoundError, match="has left the PACS"):
            source.path_of(store.images.get(image.image_id))


class TestOpening:
    def test_a_folder_and_an_address_are_told_apart(self, studies: Path, workspace: Path) -> None:
        assert isinstance(open_source(str(studies), workspace), FolderSource)
        assert isinstance(open_source("https://pacs/dicom-web/", workspace), DicomWebSource)

    def test_a_folder_that_is_none_is_told(self, workspace: Path) -> None:
        with pytest.raises(ConfigError, match="there is no such folder"):
            open_source("/no/such/folder", workspace)

    def test_an_address_without_a_host_is_told(self, workspace: Path) -> None:
        with pytest.raises(ConfigError, match="not the address of a DICOMweb service"):
            open_source("http://", workspace)

    def test_a_password_in_the_address_is_refused_without_repeating_it(
        self, workspace: Path
    ) -> None:
        with pytest.raises(ConfigError, match="SONOLOOP_PACS_USER") as caught:
            open_source("http://me:hunter2@pacs/dicom-web", workspace)

        assert "hunter2" not in str(caught.value)

    def test_credentials_come_from_the_environment_and_hide_the_password(self) -> None:
        stated = {"SONOLOOP_PACS_USER": "me", "SONOLOOP_PACS_PASSWORD": "hunter2"}

        assert credentials_from({}) is None
        assert credentials_from(stated) == Credentials("me", "hunter2")
        assert "hunter2" not in repr(credentials_from(stated))


def test_the_fixture_is_what_it_says(image: ImageRecord, studies: Path) -> None:
    assert read_header(studies / "1.2.3.dcm").identity.sop_instance_uid == image.sop_instance_uid
