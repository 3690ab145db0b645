"""Bad input over HTTP: a 4xx with a sentence each, and nothing changes outside the workspace."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from monailabel.client.client import MONAILabelClientException
from PIL import Image

Snapshot = dict[str, tuple[int, int]]


def png(pixels: np.ndarray) -> bytes:
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


PICTURE = png(np.full((40, 60), 7, dtype=np.uint8))
MASK = png(np.zeros((40, 60), dtype=np.uint8))
GRADIENT = png(np.arange(2400, dtype=np.uint8).reshape(40, 60))
TWO_LABELS = png(np.arange(2400, dtype=np.uint8).reshape(40, 60) % 3)
SMALL = png(np.zeros((10, 10), dtype=np.uint8))
LABEL = "/datastore/label?image={id}"
INFER = "/infer/lesion?image={id}"
UPLOAD = "/datastore/image?image=x"
PASSWD = "../../../../../../etc/passwd"
LEASES, SKIPS, ASSIGN = "/sonoloop/leases", "/sonoloop/skips", "/sonoloop/assignments"
REVISIONS, REVIEWS, SETTLE = "/sonoloop/revisions", "/sonoloop/reviews", "/sonoloop/adjudication"
MASKS = f"{REVISIONS}/mask?image={{id}}"
SKIP = {"image": "x", "reader": "a", "reason": "because"}
REVIEW = {"reviewer": "a", "verdict": "accept"}
AS_JSON = {"headers": {"content-type": "application/json"}}
HALF = b'{"image": "x", "reader": "a", "reason": "\\ud800"}'


def label(name: str, data: bytes) -> dict[str, Any]:
    return {"files": {"label": (name, data)}}


def image(name: str, data: bytes) -> dict[str, Any]:
    return {"files": {"file": (name, data)}}


def params(**values: Any) -> dict[str, Any]:
    return {"data": {"params": json.dumps(values)}}


TABLE: list[tuple[str, str, str, dict[str, Any], int, str]] = [
    ("unknown image", "POST", "/infer/lesion?image=nobody", {}, 404, "unknown image 'nobody'"),
    ("no image", "POST", "/infer/lesion", {}, 400, "which image"),
    ("unknown model", "POST", "/infer/heart?image={id}", {}, 404, "unknown model 'heart'"),
    ("unknown strategy", "POST", "/activelearning/magic", {"json": {}}, 404, "unknown strategy"),
    ("unknown trainer", "POST", "/train/heart", {"json": {}}, 404, "unknown trainer 'heart'"),
    ("unknown scoring", "POST", "/scoring/magic", {"json": {}}, 404, "unknown scoring method"),
    ("unknown batch model", "POST", "/batch/infer/heart", {"json": {}}, 404, "no batch inference"),
    ("unknown batch choice", "POST", "/batch/infer/lesion?images=some", {}, 400, "one of all"),
    ("unknown session", "GET", "/session/00000000-0000-4000-8000-000000000000", {}, 404, "unknown"),
    ("unknown weights", "GET", "/model/heart", {}, 404, "unknown model 'heart'"),
    ("unknown label", "GET", "/datastore/label?label={id}&tag=final", {}, 404, "has no label"),
    ("unknown info", "GET", "/datastore/image/info?image=nobody", {}, 404, "unknown image"),
    ("unknown route", "GET", "/proxy/dicom/wado/x", {}, 404, "there is nothing at GET"),
    ("reload", "POST", "/reload", {}, 404, "there is nothing at POST /reload"),
    ("weights from a client", "PUT", "/model/lesion", {}, 405, "does not answer PUT"),
    ("DICOM SEG", "POST", "/infer/lesion?image={id}&output=dicom_seg", {}, 400, "not supported"),
    ("odd output", "POST", "/infer/lesion?image={id}&output=gif", {}, 422, "output: "),
    ("class image", "POST", "/infer/classification?image={id}&output=image", {}, 400, "no image"),
    ("whole slide", "POST", "/infer/wsi_v2/lesion", {}, 404, "this is ultrasound"),
    (
        "broken form JSON",
        "POST",
        INFER,
        {"data": {"params": "{oops"}},
        400,
        "params is not valid JSON",
    ),
    ("JSON list", "POST", INFER, {"data": {"params": "[1]"}}, 400, "object"),
    ("broken JSON", "POST", "/train/segmentation", {"content": b"{oops"}, 400, "not valid JSON"),
    ("NaN", "POST", "/train/segmentation", {"content": b'{"max_epochs": NaN}'}, 400, "not valid"),
    (
        "half a character",
        "POST",
        "/batch/infer/lesion",
        {"content": b'{"a":"\\ud800"}'},
        400,
        "JSON",
    ),
    ("deep JSON", "POST", "/activelearning/first", {"content": b"[" * 200_000}, 400, "not valid"),
    ("not text", "POST", "/activelearning/first", {"content": b"\xff\xfe\x00"}, 400, "not valid"),
    ("unknown setting", "POST", "/train/segmentation", {"json": {"epochs": 1}}, 400, "epochs"),
    ("bad setting", "POST", "/train/segmentation", {"json": {"max_epochs": -1}}, 400, "-1"),
    ("no labels", "POST", "/train/segmentation", {"json": {}}, 409, "too few labels"),
    (
        "odd extension",
        "POST",
        INFER,
        params(result_extension="/../x.png"),
        400,
        "unknown result_extension",
    ),
    (
        "float mask",
        "POST",
        INFER,
        params(result_dtype="float32"),
        400,
        "whole-number",
    ),
    ("traversal in image", "POST", f"/infer/lesion?image={PASSWD}", {}, 400, "not an identifier"),
    ("absolute path", "POST", "/infer/lesion?image=/etc/hostname", {}, 400, "not an identifier"),
    ("traversal in download", "GET", f"/datastore/image?image={PASSWD}", {}, 400, "identifier"),
    ("NUL in image", "GET", "/datastore/image?image=a%00b", {}, 400, "not an identifier"),
    (
        "traversal in tag",
        "GET",
        "/datastore/label?label={id}&tag=../x",
        {},
        400,
        "unknown label tag",
    ),
    ("traversal in session", "GET", "/session/..%2f..%2fetc", {}, 404, "there is nothing"),
    ("odd session", "DELETE", "/session/..", {}, 405, "does not answer DELETE"),
    ("no UUID", "GET", "/session/x..y", {}, 400, "not a session id"),
    ("session in infer", "POST", "/infer/lesion?session_id=../../x", {}, 400, "not a session id"),
    ("traversal in static", "GET", "/static/..%2fapp.py", {}, 404, "there is nothing"),
    (
        "image format",
        "GET",
        "/datastore/image?image={id}&format=exe",
        {},
        400,
        "unknown image format",
    ),
    ("corrupt upload", "PUT", UPLOAD, image("x.png", b"\x89PNG torn"), 422, ""),
    ("program", "PUT", UPLOAD, image("evil.exe", b"MZ" * 99), 422, "neither DICOM"),
    ("upload id", "PUT", "/datastore/image?image=../x", image("x.png", PICTURE), 400, "identifier"),
    ("upload name", "PUT", "/datastore/image", image("a b;c.png", PICTURE), 400, "identifier"),
    (
        "taken id",
        "PUT",
        "/datastore/image?image={id}",
        image("x.png", PICTURE),
        409,
        "exists already",
    ),
    ("no file", "PUT", UPLOAD, {}, 422, "file: field required"),
    ("study image", "DELETE", "/datastore/image?id={id}", {}, 409, "belongs to the studies"),
    ("corrupt session", "PUT", "/session/", {"files": {"files": ("a.png", b"torn")}}, 422, ""),
    ("torn volume", "PUT", "/session/", {"files": {"files": ("a.nrrd", b"NRRD0004")}}, 422, "NRRD"),
    (
        "torn NIfTI",
        "PUT",
        "/session/",
        {"files": {"files": ("a.nii.gz", b"\x1f\x8b1")}},
        422,
        "NIfTI",
    ),
    (
        "archive",
        "PUT",
        "/session/?uncompress=true",
        {"files": {"files": ("a.zip", b"PK")}},
        400,
        "",
    ),
    ("corrupt file", "POST", "/infer/lesion", image("a.dcm", b"\0" * 128 + b"DICMx"), 422, ""),
    (
        "unreadable label",
        "PUT",
        LABEL,
        label("a.png", b"no"),
        422,
        "unreadable",
    ),
    (
        "wrong size",
        "PUT",
        LABEL,
        label("a.png", SMALL),
        422,
        "does not fit",
    ),
    ("wrong values", "PUT", LABEL, label("a.png", GRADIENT), 422, "0 to 1"),
    ("two labels", "PUT", LABEL, label("a.png", TWO_LABELS), 422, "0 to 1"),
    ("label type", "PUT", LABEL, label("evil.exe", MASK), 422, "extension"),
    ("no label", "PUT", LABEL, params(birads="3"), 400, "needs a file"),
    ("label image", "PUT", "/datastore/label?image=../x", label("a.png", MASK), 400, "identifier"),
    ("label tag", "PUT", "/datastore/label?image={id}&tag=../x", label("a.png", MASK), 400, "tag"),
    (
        "version tag",
        "PUT",
        "/datastore/label?image={id}&tag=version_one",
        label("a.png", MASK),
        400,
        "tag",
    ),
    (
        "odd pathology",
        "PUT",
        LABEL,
        label("a.png", MASK) | params(pathology="bad"),
        400,
        "unknown pathology 'bad'",
    ),
    (
        "odd BI-RADS",
        "PUT",
        LABEL,
        label("a.png", MASK) | params(birads="9"),
        400,
        "unknown BI-RADS",
    ),
    (
        "contradiction",
        "PUT",
        LABEL,
        label("a.png", png(np.eye(40, 60, dtype=np.uint8))) | params(pathology="normal"),
        400,
        "contradicts a mask of 40 pixels",
    ),
    (
        "odd segments",
        "PUT",
        LABEL,
        label("a.png", MASK) | params(label_info=[{"name": "x", "idx": 999}]),
        400,
        "label_info must be",
    ),
    (
        "odd reader",
        "PUT",
        LABEL,
        label("a.png", MASK) | params(reader="x" * 999),
        400,
        "reader must be printable text",
    ),
    (
        "odd time",
        "PUT",
        LABEL,
        label("a.png", MASK) | params(seconds_spent=-1),
        400,
        "seconds_spent must be",
    ),
    ("no such label", "PUT", "/datastore/label/info?label={id}&tag=final", {}, 404, "has no label"),
    ("withdraw nothing", "DELETE", "/datastore/label?id={id}&tag=final", {}, 404, "has no label"),
    ("empty dataset", "GET", "/datastore/dataset", {}, 404, "no image is labelled yet"),
    ("odd limit", "GET", "/datastore/dataset?limit_cases=0", {}, 400, "at least 1"),
    ("odd lines", "GET", "/logs/?lines=-5", {}, 400, "lines must be"),
    ("no number", "GET", "/logs/?lines=many", {}, 422, "lines: "),
    ("odd listing", "GET", "/datastore/?output=secrets", {}, 422, "output: "),
    (
        "odd client",
        "POST",
        "/activelearning/first",
        {"json": {"client_id": "a\0"}},
        400,
        "client_id",
    ),
    ("odd base", "PUT", LABEL, label("a.png", MASK) | params(base_revision=-1), 400, "revision"),
    ("endless base", "PUT", LABEL, label("a.png", MASK) | params(base_revision="9" * 99), 400, ""),
    ("odd state", "PUT", LABEL, label("a.png", MASK) | params(state="accepted"), 400, "draft"),
    ("lend nothing", "POST", LEASES, {"json": {"image": "nobody", "reader": "a"}}, 404, "unknown"),
    ("lend a path", "POST", LEASES, {"json": {"image": PASSWD, "reader": "a"}}, 400, "identifier"),
    ("lend to nobody", "POST", LEASES, {"json": {"image": "x", "reader": ""}}, 422, "reader: "),
    ("lend without", "POST", LEASES, {}, 422, "field required"),
    ("lend odd JSON", "POST", LEASES, {"content": b"{oops"} | AS_JSON, 422, "json"),
    ("lend a list", "POST", LEASES, {"json": [1]}, 422, "body: "),
    ("lend deep JSON", "POST", LEASES, {"content": b"[" * 200_000} | AS_JSON, 400, "parsing"),
    ("odd holder", "GET", f"{LEASES}?reader=a%00b", {}, 422, "printable text"),
    ("give back nothing", "DELETE", f"{LEASES}?image=nobody&reader=a", {}, 404, "unknown image"),
    ("give back whose", "DELETE", f"{LEASES}?image=x", {}, 422, "reader: field required"),
    ("skip without reason", "POST", SKIPS, {"json": {"image": "x", "reader": "a"}}, 422, "reason"),
    ("skip of an odd kind", "POST", SKIPS, {"json": SKIP | {"kind": "never"}}, 422, "kind: "),
    ("skip nothing", "POST", SKIPS, {"json": SKIP | {"image": "nobody"}}, 404, "unknown image"),
    ("skip with more", "POST", SKIPS, {"json": SKIP | {"admin": True}}, 422, "admin: "),
    (
        "skip with NUL",
        "POST",
        SKIPS,
        {"json": SKIP | {"reason": "a\0"}},
        422,
        "takes text without nul",
    ),
    ("skip with a half", "POST", SKIPS, {"content": HALF} | AS_JSON, 422, "unable to parse"),
    ("skip with a novel", "POST", SKIPS, {"json": SKIP | {"reason": "x" * 9999}}, 422, "2000"),
    ("take back nothing", "DELETE", f"{SKIPS}?image=nobody&reader=a", {}, 404, "unknown image"),
    ("take back whose", "DELETE", f"{SKIPS}?reader=a", {}, 422, "image: field required"),
    ("assign nothing", "POST", ASSIGN, {"json": {"images": [], "readers": 2}}, 422, "images: "),
    ("assign nobody", "POST", ASSIGN, {"json": {"images": ["x"], "readers": []}}, 422, "readers"),
    ("assign none", "POST", ASSIGN, {"json": {"images": ["x"], "readers": 0}}, 422, "readers"),
    ("assign yes", "POST", ASSIGN, {"json": {"images": ["x"], "readers": True}}, 422, "readers"),
    ("assign hosts", "POST", ASSIGN, {"json": {"images": ["x"], "readers": 9**9}}, 422, "readers"),
    ("assign unknown", "POST", ASSIGN, {"json": {"images": ["no"], "readers": 1}}, 404, "unknown"),
    ("how far is nothing", "GET", f"{ASSIGN}?image=nobody", {}, 404, "unknown image"),
    ("how far is what", "GET", ASSIGN, {}, 422, "image: field required"),
    ("assigned to an odd one", "GET", f"{ASSIGN}/a%00b", {}, 422, "printable text"),
    ("past of nothing", "GET", f"{REVISIONS}?image=nobody", {}, 404, "unknown image"),
    ("past of a path", "GET", f"{REVISIONS}?image={PASSWD}", {}, 400, "not an identifier"),
    ("mask of no revision", "GET", f"{MASKS}&revision=7", {}, 404, "has no revision 7"),
    ("mask of revision 0", "GET", f"{MASKS}&revision=0", {}, 422, "revision: "),
    ("mask of 2**63", "GET", f"{MASKS}&revision={2**63}", {}, 422, "revision: "),
    ("mask as a program", "GET", f"{MASKS}&revision=1&format=exe", {}, 400, "image format"),
    ("mask of an odd tag", "GET", f"{MASKS}&revision=1&tag=../x", {}, 422, "tag: "),
    ("waiting for none", "GET", f"{REVIEWS}?limit=0", {}, 422, "limit: "),
    ("review nothing", "POST", f"{REVIEWS}/77", {"json": REVIEW}, 404, "unknown annotation 77"),
    ("review 2**63", "POST", f"{REVIEWS}/{2**63}", {"json": REVIEW}, 422, "annotation: "),
    ("review a word", "POST", f"{REVIEWS}/x", {"json": REVIEW}, 422, "annotation: "),
    ("review maybe", "POST", f"{REVIEWS}/1", {"json": REVIEW | {"verdict": "?"}}, 422, "verdict"),
    (
        "review unnamed",
        "POST",
        f"{REVIEWS}/1",
        {"json": REVIEW | {"reviewer": ""}},
        422,
        "reviewer",
    ),
    ("settle nothing", "PUT", f"{SETTLE}?image=nobody", label("a.png", MASK), 404, "unknown image"),
    ("settle without", "PUT", f"{SETTLE}?image={{id}}", {}, 400, "needs a file"),
    ("settle by none", "PUT", f"{SETTLE}?image={{id}}&adopt=7", {}, 404, "has no revision 7"),
    ("settle by 0", "PUT", f"{SETTLE}?image={{id}}&adopt=0", {}, 422, "adopt: "),
    (
        "settle twice",
        "PUT",
        f"{SETTLE}?image={{id}}&adopt=1",
        label("a.png", MASK),
        400,
        "exclude one another",
    ),
    ("settle badly", "PUT", f"{SETTLE}?image={{id}}", label("a.png", SMALL), 422, "does not fit"),
    ("agree on nothing", "GET", "/sonoloop/agreement?image=nobody", {}, 404, "unknown image"),
    (
        "another site",
        "POST",
        "/train/segmentation",
        {"headers": {"sec-fetch-site": "cross-site"}, "json": {}},
        403,
        "other sites",
    ),
]


def look(folder: Path, *, without: Path) -> Snapshot:
    files = (path for path in folder.rglob("*") if without not in (path, *path.parents))
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


@pytest.fixture(scope="module")
def untouched(shared_site: Any) -> Iterator[Callable[[], None]]:
    workspace = shared_site.service.store.paths.root
    before = look(workspace.parent, without=workspace)
    kept = ("labels", "uploads", "sessions", "cache", "models", "runs")
    inside = {name: look(workspace / name, without=workspace / "x") for name in kept}

    def compare() -> None:
        assert look(workspace.parent, without=workspace) == before
        assert {name: look(workspace / name, without=workspace / "x") for name in kept} == inside

    yield compare
    compare()


@pytest.mark.parametrize(
    ("method", "address", "request_parts", "status", "sentence"),
    [row[1:] for row in TABLE],
    ids=[row[0] for row in TABLE],
)
def test_bad_input_is_a_4xx_with_a_sentence(  # noqa: PLR0917
    shared_site: Any,
    untouched: Callable[[], None],
    method: str,
    address: str,
    request_parts: dict[str, Any],
    status: int,
    sentence: str,
) -> None:
    path = address.replace("{id}", shared_site.ids[0])

    reply = shared_site.http.request(method, path, **request_parts)

    assert reply.status_code == status, reply.text
    answer = reply.json()
    assert sentence in answer["detail"]
    assert answer["code"]
    assert "Traceback" not in reply.text
    untouched()


def test_params_cannot_choose_a_file_or_a_processor(shared_site: Any) -> None:
    form = {
        "params": json.dumps(
            {"image": "/etc/hostname", "path": "/etc/hostname", "device": "cuda:9", "model": "x"}
        )
    }

    reply = shared_site.http.post(
        f"/infer/lesion?image={shared_site.ids[0]}&output=json", data=form
    )

    assert reply.json()["models"]["segmentation"] == "segmentation-0"


def test_a_second_training_of_a_model_is_refused(site: Any) -> None:
    for number, image_id in enumerate(site.ids):
        reply = site.http.put(
            f"/datastore/label?image={image_id}", files={"label": (f"{number}.png", MASK)}
        )
        assert reply.status_code == 200
    site.service.store.jobs.create("train", "segmentation", {"settings": {"max_epochs": 1}})

    reply = site.http.post("/train/segmentation", json={})

    assert (reply.status_code, reply.json()["code"]) == (429, "job_conflict")
    assert "is running already" in reply.json()["detail"]
    assert "retry-after" in reply.headers


def test_an_unexpected_failure_tells_a_ticket_and_nothing_of_the_inside(
    site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise ZeroDivisionError("secret inside")

    monkeypatch.setattr(site.service.store.images, "refusals", fail)

    reply = site.http.get("/sonoloop/refusals")

    assert reply.status_code == 500
    assert "at ticket" in reply.json()["detail"]
    assert "secret" not in reply.text


class TestUploadLimit:
    """At most 2 MB here."""

    def test_a_300_mb_upload_of_the_real_client_is_refused_and_leaves_nothing(
        self, site: Any, tmp_path: Path
    ) -> None:
        path = tmp_path / "huge.png"
        with path.open("wb") as file:
            file.truncate(300 * 2**20)
        workspace = site.service.store.paths.root
        before = sum(p.stat().st_size for p in workspace.rglob("*") if p.is_file())

        with pytest.raises(MONAILabelClientException) as refused:
            site.client.upload_image(str(path), "huge")

        assert "Status: 413" in refused.value.msg
        assert "larger than this server takes (2 MB)" in refused.value.msg
        after = sum(p.stat().st_size for p in workspace.rglob("*") if p.is_file())
        assert after - before < 2**20
        assert site.client.info()["datastore"]["total"] == 12

    def test_a_body_without_a_length_is_counted_as_it_comes(self, shared_site: Any) -> None:
        def chunks() -> Iterator[bytes]:
            for _ in range(50):
                yield b"x" * 100_000

        reply = httpx.post(f"{shared_site.url}/train/segmentation", content=chunks(), timeout=60)

        assert (reply.status_code, reply.json()["code"]) == (413, "upload")

    def test_a_client_that_asks_first_is_told_before_it_sends(self, shared_site: Any) -> None:
        import http.client

        host, _, port = shared_site.url.removeprefix("http://").partition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=20)
        connection.putrequest("PUT", UPLOAD)
        connection.putheader("content-length", str(10 * 2**30))
        connection.putheader("expect", "100-continue")
        connection.endheaders()

        assert connection.getresponse().status == 413
        connection.close()

    def test_what_fits_is_taken(
        self, make_site: Callable[..., AbstractContextManager[Any]], tmp_path: Path
    ) -> None:
        path = tmp_path / "big.bmp"
        Image.fromarray(np.zeros((1000, 1500), dtype=np.uint8)).save(path)

        with make_site(max_upload_mb=3) as site:
            assert site.client.upload_image(str(path), "big") == {"image": "big"}
