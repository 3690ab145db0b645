"""DICOMweb over a study folder, asked by a client of DICOMweb and by a hostile one."""

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pydicom
import pytest
from dicomweb_client.api import DICOMwebClient
from PIL import Image

from sonoloop.imaging.write_dicom import UltrasoundDicom, write_ultrasound_dicom

STORED = 'multipart/related; type="application/dicom"; transfer-syntax=*'
FRAMES_STORED = "multipart/related; type=application/octet-stream; transfer-syntax=*"
SERIES = "studies/1.2.3.2/series/1.2.3.1"
INSTANCE = f"{SERIES}/instances/1.2.3"
CINE = "studies/1.2.4.2/series/1.2.4.1/instances/1.2.4"


def write(path: Path, uid: str, *, frames: int = 0, colour: bool = False, **facts: Any) -> None:
    """An ultrasound file of 40 x 60 pixels in a study of its own, unless told otherwise."""
    shape = ((frames,) if frames else ()) + (40, 60) + ((3,) if colour else ())
    pixels = np.random.default_rng(len(uid)).integers(0, 255, shape, dtype=np.uint8)
    settings: dict[str, Any] = {
        "sop_instance_uid": uid,
        "series_instance_uid": f"{uid}.1",
        "study_instance_uid": f"{uid}.2",
        "patient_id": "p1",
        "spacing_mm": (0.1, 0.2),
    }
    write_ultrasound_dicom(path, pixels, UltrasoundDicom(**(settings | facts)), cine=frames > 0)


@pytest.fixture(scope="module")
def clinic(make_module_site: Callable[..., AbstractContextManager[Any]]) -> Iterator[Any]:
    """A server whose folder holds three DICOM studies beside its pictures."""
    with make_module_site() as site:
        studies = Path(site.service.training.studies)
        write(studies / "a.dcm", "1.2.3", patient_name="Doe^Jane", study_date="20260102",
              study_description="US BREAST LEFT", accession_number="A 1")  # fmt: skip
        write(studies / "b.dcm", "1.2.4", patient_name="Müller^Änne", study_date="20260203",
              patient_id="p2", frames=3, colour=True, jpeg_quality=90)  # fmt: skip
        write(studies / "c.dcm", "1.2.5", patient_name="Roe^Richard", study_date="20260304",
              patient_id="p3", study_description="{US BREAST RIGHT")  # fmt: skip
        site.service.scanner.scan()
        yield site


@pytest.fixture(scope="module")
def dicomweb(clinic: Any) -> DICOMwebClient:
    return DICOMwebClient(f"{clinic.url}/dicom-web")


def get(site: Any, path: str, accept: str = "*/*", **query: Any) -> httpx.Response:
    answer: httpx.Response = site.http.get(
        f"/dicom-web/{path}", params=query or None, headers={"accept": accept}
    )
    return answer


def studies_of(site: Any, **query: Any) -> list[str]:
    answer = get(site, "studies", **query)
    assert answer.status_code == 200, answer.text
    return [study["0020000D"]["Value"][0] for study in answer.json()]


class TestSearching:
    def test_pictures_that_are_no_dicom_are_not_listed(self, clinic: Any) -> None:
        assert len(clinic.ids) > 0
        assert studies_of(clinic) == ["1.2.5.2", "1.2.4.2", "1.2.3.2"]

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ({"PatientName": "doe*"}, ["1.2.3.2"]),
            ({"PatientName": "DOE^JANE"}, ["1.2.3.2"]),
            ({"PatientName": "*müller*"}, ["1.2.4.2"]),
            ({"PatientName": "?oe*"}, ["1.2.5.2", "1.2.3.2"]),
            ({"PatientName": "Doe"}, []),
            ({"00100020": "p2"}, ["1.2.4.2"]),
            ({"PatientID": "*"}, ["1.2.5.2", "1.2.4.2", "1.2.3.2"]),
            ({"PatientID": ""}, ["1.2.5.2", "1.2.4.2", "1.2.3.2"]),
            ({"StudyDescription": "US BREAST*"}, ["1.2.3.2"]),
            ({"StudyDescription": "*US BREAST*"}, ["1.2.5.2", "1.2.3.2"]),
            ({"StudyDescription": "{US*"}, ["1.2.5.2"]),
            ({"PatientName": "{*"}, []),
            ({"StudyDescription": "*left*"}, ["1.2.3.2"]),
            ({"AccessionNumber": "A 1"}, ["1.2.3.2"]),
            ({"StudyDate": "20260203"}, ["1.2.4.2"]),
            ({"StudyDate": "20260102-20260203"}, ["1.2.4.2", "1.2.3.2"]),
            ({"StudyDate": "20260203-"}, ["1.2.5.2", "1.2.4.2"]),
            ({"StudyDate": "-20260131"}, ["1.2.3.2"]),
            ({"ModalitiesInStudy": "US"}, ["1.2.5.2", "1.2.4.2", "1.2.3.2"]),
            ({"ModalitiesInStudy": "SEG,US"}, ["1.2.5.2", "1.2.4.2", "1.2.3.2"]),
            ({"ModalitiesInStudy": "SEG"}, []),
            ({"StudyInstanceUID": "1.2.3.2,1.2.5.2"}, ["1.2.5.2", "1.2.3.2"]),
            ({"limit": 2}, ["1.2.5.2", "1.2.4.2"]),
            ({"limit": 2, "offset": 2}, ["1.2.3.2"]),
            ({"offset": 9}, []),
            ({"fuzzymatching": "false", "includefield": "00081030,00080060"},
             ["1.2.5.2", "1.2.4.2", "1.2.3.2"]),
        ],
    )  # fmt: skip
    def test_a_worklist_is_filtered(
        self, clinic: Any, query: dict[str, Any], found: list[str]
    ) -> None:
        assert studies_of(clinic, **query) == found

    def test_a_study_says_what_a_worklist_shows(self, clinic: Any) -> None:
        (study,) = get(clinic, "studies", PatientID="p2").json()

        assert study["00100010"]["Value"] == [{"Alphabetic": "Müller^Änne"}]
        assert study["00080061"]["Value"] == ["US"]
        assert study["00201206"]["Value"] == [1]
        assert study["00201208"]["Value"] == [1]
        assert study["00081190"]["Value"] == ["/dicom-web/studies/1.2.4.2"]

    def test_series_and_instances_are_found_below_and_across_studies(
        self, dicomweb: DICOMwebClient
    ) -> None:
        below = dicomweb.search_for_instances("1.2.4.2", "1.2.4.1")
        across = dicomweb.search_for_instances(search_filters={"SOPInstanceUID": "1.2.4"})

        assert below == across
        assert below[0]["00280008"]["Value"] == [3]
        assert len(dicomweb.search_for_series()) == 3
        assert [s["00080060"]["Value"] for s in dicomweb.search_for_series("1.2.3.2")] == [["US"]]

    @pytest.mark.parametrize(
        ("path", "query", "told"),
        [
            ("studies", {"StudyInstanceUID": "../x"}, "is no UID"),
            ("studies", {"StudyDate": "yesterday"}, "is no date"),
            ("studies", {"limit": "-1"}, "limit must be a whole number"),
            ("studies", {"offset": "x"}, "offset must be a whole number"),
            ("studies", {"Colour": "red"}, "'Colour' is no attribute of DICOM"),
            ("studies", {"Manufacturer": "x"}, "cannot be asked for here"),
            ("studies", {"Modality": "US"}, "is told of series, not of studies"),
            ("studies", {"PatientName": "x" * 2000}, "is longer than"),
            ("studies", {"ModalitiesInStudy": "\\"}, "names no modality"),
            ("instances", {"ModalitiesInStudy": ",,"}, "names no modality"),
            ("studies/1..2/series", {}, "is no UID"),
            ("studies/%2e%2e/series", {}, "is no UID"),
            ("studies/1.2/series/a%2Fb/instances", {}, "is no UID|there is nothing"),
        ],
    )
    def test_a_query_that_makes_no_sense_is_told(
        self, clinic: Any, path: str, query: dict[str, str], told: str
    ) -> None:
        answer = get(clinic, path, **query)

        assert answer.status_code in (400, 404)
        assert any(word in answer.json()["detail"] for word in told.split("|"))

    def test_a_pattern_of_stars_is_answered_at_once(self, clinic: Any) -> None:
        assert studies_of(clinic, StudyDescription="*" + "?*" * 400 + "x") == []

    def test_xml_is_not_to_be_had(self, clinic: Any) -> None:
        answer = get(clinic, "studies", accept='multipart/related; type="application/dicom+xml"')

        assert (answer.status_code, answer.json()["code"]) == (406, "not_acceptable")


class TestRetrieving:
    @pytest.mark.parametrize("uid", ["1.2.3", "1.2.4"])
    def test_an_instance_comes_as_it_is_stored(
        self, clinic: Any, dicomweb: DICOMwebClient, uid: str
    ) -> None:
        dataset = dicomweb.retrieve_instance(
            f"{uid}.2", f"{uid}.1", uid, media_types=(("application/dicom", "*"),)
        )

        original = pydicom.dcmread(
            Path(clinic.service.training.studies) / {"1.2.3": "a.dcm", "1.2.4": "b.dcm"}[uid]
        )
        assert dataset == original
        assert dataset.file_meta.TransferSyntaxUID == original.file_meta.TransferSyntaxUID

    def test_an_instance_comes_decompressed_to_who_takes_no_jpeg(
        self, dicomweb: DICOMwebClient
    ) -> None:
        (dataset,) = dicomweb.retrieve_series("1.2.4.2", "1.2.4.1")

        assert dataset.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
        assert dataset.PhotometricInterpretation == "RGB"
        assert dataset.pixel_array.shape == (3, 40, 60, 3)

    def test_a_single_instance_may_come_bare(self, clinic: Any) -> None:
        answer = get(clinic, INSTANCE, accept="application/dicom; transfer-syntax=*")

        assert answer.headers["content-type"] == "application/dicom"
        assert answer.content[128:132] == b"DICM"

    def test_a_study_comes_in_parts(self, clinic: Any) -> None:
        answer = get(clinic, "studies/1.2.3.2", accept=STORED)

        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("multipart/related; type=")
        assert answer.content.count(b"DICM") == 1

    def test_metadata_are_the_header_as_it_is(self, clinic: Any, dicomweb: DICOMwebClient) -> None:
        (told,) = dicomweb.retrieve_series_metadata("1.2.3.2", "1.2.3.1")

        assert told["00180011" if "00180011" in told else "00186011"]["vr"] == "SQ"
        assert told["00280010"]["Value"] == [40]
        assert "7FE00010" not in told
        assert get(clinic, f"{INSTANCE}/metadata").headers["cache-control"] == "no-store"

    @pytest.mark.parametrize("uid", ["1.2.3", "1.2.4"])
    def test_frames_come_as_they_are_stored_or_plain(
        self, clinic: Any, dicomweb: DICOMwebClient, uid: str
    ) -> None:
        where = (f"{uid}.2", f"{uid}.1", uid)
        plain = dicomweb.retrieve_instance_frames(
            *where, [1], media_types=("application/octet-stream",)
        )
        stored = dicomweb.retrieve_instance_frames(
            *where, [1], media_types=(("application/octet-stream", "*"),)
        )

        samples = 3 if uid == "1.2.4" else 1
        assert len(plain[0]) == 40 * 60 * samples
        if uid == "1.2.4":
            assert stored[0].startswith(b"\xff\xd8")
            shown = np.asarray(Image.open(BytesIO(stored[0])).convert("RGB")).astype(int)
            decoded = np.frombuffer(plain[0], np.uint8).reshape(40, 60, 3)
            assert np.abs(shown - decoded).mean() < 3
        else:
            assert stored == plain

    def test_several_frames_come_in_the_order_asked_for(self, clinic: Any) -> None:
        path = "studies/1.2.4.2/series/1.2.4.1/instances/1.2.4/frames"
        both = get(clinic, f"{path}/3,1", accept=FRAMES_STORED).content
        third = get(clinic, f"{path}/3", accept=FRAMES_STORED).content
        stream = third[third.index(b"\xff\xd8") : third.rindex(b"\xff\xd9")]

        assert both.count(b"\xff\xd8\xff") == 2
        assert both.index(stream) < 300

    def test_the_type_of_a_frame_says_its_transfer_syntax(self, clinic: Any) -> None:
        path = "studies/1.2.4.2/series/1.2.4.1/instances/1.2.4/frames/1"

        octets = get(clinic, path, accept=FRAMES_STORED)
        jpeg = get(clinic, path, accept='multipart/related; type="image/jpeg"')

        octets_told = (
            b"Content-Type: application/octet-stream; transfer-syntax=1.2.840.10008.1.2.4.50"
        )
        assert octets_told in octets.content
        assert b"Content-Type: image/jpeg; transfer-syntax=1.2.840.10008.1.2.4.50" in jpeg.content

    @pytest.mark.parametrize(
        ("path", "accept", "status", "told"),
        [
            (INSTANCE, "application/pdf", 406, "multipart/related; type=application/dicom"),
            (INSTANCE, 'multipart/related; type="image/png"', 406, "multipart/related"),
            (INSTANCE, f"{STORED[:-1]}1.2.840.10008.1.2.4.50", 406, "stored in transfer syntax"),
            (f"{INSTANCE}/frames/1", "text/html", 406, "application/octet-stream"),
            (f"{INSTANCE}/frames/1", "image/jpeg", 406, "application/octet-stream"),
            (f"{INSTANCE}/rendered", "video/mp4", 406, "image/jpeg"),
            (f"{INSTANCE}/metadata", "text/xml", 406, "application/dicom+json"),
            (INSTANCE, "a" * 5000, 406, "Accept header is longer"),
            (f"{INSTANCE}/frames/0", FRAMES_STORED, 400, "frames count from 1"),
            (f"{INSTANCE}/frames/x", FRAMES_STORED, 400, "frames are numbers"),
            (f"{INSTANCE}/frames/1,,2", FRAMES_STORED, 400, "frames are numbers"),
            (f"{INSTANCE}/frames/2", FRAMES_STORED, 404, "there is no frame 2"),
            (f"{INSTANCE}/frames/1,3,2", FRAMES_STORED, 404, "there is no frame 3"),
            (f"{CINE}/frames/1,4", "*/*", 404, "there is no frame 4"),
            (f"{INSTANCE}/frames/9/rendered", "*/*", 404, "there is no frame 9"),
            (f"{INSTANCE}/rendered?viewport=0,5", "*/*", 400, "viewport must be"),
            (f"{INSTANCE}/rendered?viewport=a", "*/*", 400, "viewport must be"),
            (f"{INSTANCE}/rendered?quality=101", "*/*", 422, "quality"),
            (f"{INSTANCE}/bulkdata/00281201", "*/*", 404, "no binary value"),
            (f"{INSTANCE}/bulkdata/x", "*/*", 404, "no binary value"),
            ("studies/9.9", STORED, 404, "does not hold 9.9"),
            (f"{SERIES}/instances/9.9", STORED, 404, "does not hold 9.9"),
            ("studies/9.9/series/1.2.3.1/instances/1.2.3", STORED, 404, "does not hold 1.2.3"),
            ("studies/1.2.3.2/metadata/more", "*/*", 404, "there is nothing at"),
        ],
    )
    def test_what_cannot_be_given_is_told(
        self, clinic: Any, path: str, accept: str, status: int, told: str
    ) -> None:
        answer = get(clinic, path, accept=accept)

        assert answer.status_code == status, answer.text
        assert told in answer.json()["detail"]

    def test_a_picture_of_a_frame_is_in_colour_and_as_large_as_asked(self, clinic: Any) -> None:
        path = "studies/1.2.4.2/series/1.2.4.1/instances/1.2.4"

        jpeg = Image.open(BytesIO(get(clinic, f"{path}/rendered").content))
        png = Image.open(BytesIO(get(clinic, f"{path}/frames/2/rendered", "image/png").content))
        small = Image.open(BytesIO(get(clinic, f"{path}/rendered", viewport="30,30").content))
        thumbnail = Image.open(BytesIO(get(clinic, "studies/1.2.4.2/thumbnail").content))

        assert (jpeg.format, jpeg.size, jpeg.mode) == ("JPEG", (60, 40), "RGB")
        assert (png.format, png.size) == ("PNG", (60, 40))
        assert small.size == (30, 20)
        assert thumbnail.size == (60, 40)

    def test_many_at_once_are_answered(self, clinic: Any) -> None:
        def ask(number: int) -> int:
            paths = ["studies", f"{SERIES}/metadata", f"{INSTANCE}/frames/1", INSTANCE]
            return get(clinic, paths[number % 4]).status_code

        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(ask, range(64))) == {200}


def stow(site: Any, parts: list[bytes], path: str = "studies", **headers: str) -> httpx.Response:
    body = b"".join(
        b"--xx\r\nContent-Type: application/dicom\r\n\r\n" + part + b"\r\n" for part in parts
    )
    kind = 'multipart/related; type="application/dicom"; boundary=xx'
    answer: httpx.Response = site.http.post(
        f"/dicom-web/{path}",
        content=body + b"--xx--\r\n",
        headers={"content-type": kind} | headers,
    )
    return answer


class TestStoring:
    def made(self, folder: Path, uid: str, **facts: Any) -> bytes:
        write(folder / "made.dcm", uid, **facts)
        return (folder / "made.dcm").read_bytes()

    def test_an_image_that_is_stored_is_listed_and_becomes_a_sample(
        self, clinic: Any, dicomweb: DICOMwebClient, tmp_path: Path, until: Callable[..., None]
    ) -> None:
        content = self.made(tmp_path, "1.7.1")

        dicomweb.store_instances([pydicom.dcmread(BytesIO(content))])

        assert "1.7.1.2" in studies_of(clinic)
        until(lambda: clinic.http.get("/datastore/image/info?image=1.7.1").status_code == 200)
        studies = Path(clinic.service.training.studies)
        assert not list(studies.rglob("*1.7.1*"))

    def test_twice_the_same_is_kept_once(self, clinic: Any, tmp_path: Path) -> None:
        content = self.made(tmp_path, "1.7.2")

        answers = [stow(clinic, [content], "studies/1.7.2.2") for _ in range(2)]

        assert [answer.status_code for answer in answers] == [200, 200]
        (stored,) = answers[1].json()["00081199"]["Value"]
        assert stored["00081155"]["Value"] == ["1.7.2"]

    def test_what_is_refused_is_told_by_its_uid_and_the_rest_is_kept(
        self, clinic: Any, tmp_path: Path
    ) -> None:
        first = self.made(tmp_path, "1.7.3")
        changed = self.made(tmp_path, "1.7.3", patient_id="other")
        stow(clinic, [first])

        mixed = stow(clinic, [self.made(tmp_path, "1.7.4"), changed, b"garbage"])
        refused = stow(clinic, [changed])

        assert (mixed.status_code, refused.status_code) == (202, 409)
        failed = mixed.json()["00081198"]["Value"]
        assert failed[0]["00081155"]["Value"] == ["1.7.3"]
        assert [item["00081197"]["Value"] for item in failed] == [[0x0111], [0xC000]]
        assert mixed.json()["00081199"]["Value"][0]["00081155"]["Value"] == ["1.7.4"]

    def test_an_instance_of_another_study_is_refused(self, clinic: Any, tmp_path: Path) -> None:
        answer = stow(clinic, [self.made(tmp_path, "1.7.5")], "studies/1.2.3.2")

        assert answer.status_code == 409
        assert answer.json()["00081198"]["Value"][0]["00081197"]["Value"] == [0xA900]

    @pytest.mark.parametrize(
        ("headers", "path", "status", "told"),
        [
            ({"content-type": "application/dicom"}, "studies", 415, "multipart/related"),
            ({"content-type": "multipart/related; type=x"}, "studies", 400, "no boundary"),
            ({"content-type": "multipart/related; boundary=yy"}, "studies", 400, "malformed"),
            ({}, "studies/1..2", 400, "is no UID"),
            ({"accept": "application/dicom+xml"}, "studies", 406, "application/dicom+json"),
            ({"sec-fetch-site": "cross-site"}, "studies", 403, "other sites"),
            ({}, "series", 405, "does not answer POST"),
        ],
    )
    def test_a_message_that_is_none_is_told(
        self, clinic: Any, headers: dict[str, str], path: str, status: int, told: str
    ) -> None:
        answer = stow(clinic, [b"x"], path, **headers)

        assert answer.status_code == status, answer.text
        assert told in answer.json()["detail"]

    def test_a_message_that_is_cut_off_is_told(self, clinic: Any) -> None:
        answer = clinic.http.post(
            "/dicom-web/studies",
            content=b"--xx\r\nContent-Type: application/dicom\r\n\r\nhalf of",
            headers={"content-type": "multipart/related; boundary=xx"},
        )

        assert answer.status_code == 400
        assert "stops in the middle" in answer.json()["detail"]

    def test_a_message_without_parts_is_told(self, clinic: Any) -> None:
        answer = stow(clinic, [])

        assert answer.status_code == 400

    def test_one_instance_sent_by_many_is_kept_once(self, clinic: Any, tmp_path: Path) -> None:
        contents = [self.made(tmp_path, "1.7.8", patient_id=f"p{i}") for i in range(6)]
        begin = threading.Barrier(6)

        def send(content: bytes) -> int:
            begin.wait()
            return stow(clinic, [content]).status_code

        with ThreadPoolExecutor(6) as pool:
            statuses = list(pool.map(send, contents))

        assert sorted(statuses) == [200, 409, 409, 409, 409, 409]


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_nothing_can_be_changed_or_deleted(clinic: Any, method: str) -> None:
    answer = clinic.http.request(method, f"/dicom-web/{INSTANCE}")

    assert answer.status_code == 405


def test_a_number_that_is_none_stays_out_of_the_json(clinic: Any) -> None:
    studies = Path(clinic.service.training.studies)
    write(studies / "nan.dcm", "1.8.1")
    dataset = pydicom.dcmread(studies / "nan.dcm")
    dataset.SequenceOfUltrasoundRegions[0].PhysicalDeltaX = float("nan")
    dataset.save_as(studies / "nan.dcm")
    clinic.service.scanner.scan()

    text = get(clinic, "studies/1.8.1.2/metadata").text

    assert "NaN" not in text
    assert json.loads(text)[0]["00080018"]["Value"] == ["1.8.1"]


def test_a_long_palette_is_fetched_apart(clinic: Any) -> None:
    studies = Path(clinic.service.training.studies)
    write(studies / "lut.dcm", "1.8.2")
    dataset = pydicom.dcmread(studies / "lut.dcm")
    dataset.ICCProfile = bytes(range(256)) * 400
    dataset.save_as(studies / "lut.dcm")
    clinic.service.scanner.scan()

    (told,) = get(clinic, "studies/1.8.2.2/metadata").json()
    address = told["00282000"]["BulkDataURI"]
    content = clinic.http.get(address).content

    assert address.startswith("/dicom-web/studies/1.8.2.2/")
    assert bytes(range(256)) * 400 in content


def test_a_file_that_has_just_gone_is_not_there(clinic: Any) -> None:
    studies = Path(clinic.service.training.studies)
    write(studies / "gone.dcm", "1.8.3")
    clinic.service.scanner.scan()
    (studies / "gone.dcm").unlink()

    assert get(clinic, "studies/1.8.3.2/metadata").status_code == 404
