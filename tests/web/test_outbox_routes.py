"""``/sonoloop/outbox`` over HTTP."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from archives import FakeArchive, make_fakes
from drawn_studies import Studio
from sonoloop.service.outbox import Outbox


@pytest.fixture
def refusing(
    make_site: Callable[..., AbstractContextManager[Any]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Any:
    """A site whose archive has refused what two readers submitted, and the archive."""
    archive = FakeArchive(refuses=True)

    def outbox_to_it(store: Any, _source: Any, settings: Any, **more: Any) -> Outbox:
        return Outbox(store, archive, settings, make=make_fakes, **more)

    monkeypatch.setattr("sonoloop.service.server.Outbox", outbox_to_it)
    studio = Studio(tmp_path / "dicom")
    for number in range(2):
        studio.single("anna", f"image{number}", (40, 60))
    with make_site(studies=studio.folder) as site:
        for image in site.ids:
            submitted = site.http.put(
                "/datastore/label",
                params={"image": image},
                data={"params": '{"reader": "ann", "pathology": "normal"}'},
            )
            assert submitted.status_code == 200
        assert site.service.outbox.wait_until_idle(60)
        yield site, archive


def test_entries_are_told_by_state_image_and_page(refusing: Any) -> None:
    site, _ = refusing
    first, second = site.ids

    told = site.http.get("/sonoloop/outbox", params={"state": "failed"}).json()
    assert [entry["image"] for entry in told["entries"]] == [second, first]
    assert told["summary"]["failed"] == 2
    assert told["summary"]["writes"] == {"segmentations": True, "reports": True, "drafts": False}
    entry = told["entries"][1]
    assert (entry["reader"], entry["revision"], entry["state"]) == ("ann", 1, "failed")
    assert entry["problem"].startswith("the PACS refuses instance")
    page = {"before": told["entries"][0]["id"], "limit": 5}
    rest = site.http.get("/sonoloop/outbox", params=page).json()["entries"]
    assert [entry["image"] for entry in rest] == [first]
    only = site.http.get("/sonoloop/outbox", params={"image": second}).json()["entries"]
    assert [entry["image"] for entry in only] == [second]
    assert site.http.get("/info/").json()["sonoloop"]["outbox"]["failed"] == 2


def test_what_failed_goes_when_asked_and_the_history_tells_it(refusing: Any) -> None:
    site, archive = refusing
    archive.refuses = False

    assert site.http.post("/sonoloop/outbox/retry", json={"actor": "eve"}).json() == {"retried": 2}
    assert site.service.outbox.wait_until_idle(60)
    told = site.http.get("/sonoloop/outbox").json()
    assert told["summary"]["verified"] == 2
    assert list(told["entries"][0]["documents"]) == ["report"]
    history = site.http.get(f"/sonoloop/history/{site.ids[0]}").json()
    lines = [(line["who"], line["what"]) for line in history["timeline"]]
    assert [line for line in lines if line[1].startswith("document")] == [
        ("sonoloop", "document failed"),
        ("eve", "document retried"),
        ("sonoloop", "document sent"),
        ("sonoloop", "document verified"),
    ]


def test_what_cannot_be_asked_is_refused_with_a_sentence(shared_site: Any) -> None:
    unknown = shared_site.http.get("/sonoloop/outbox", params={"state": "lost"})
    assert unknown.status_code == 400
    assert "unknown state 'lost'" in unknown.json()["detail"]

    for body in ({}, {"actor": ""}, {"actor": "a", "entries": []}, {"actor": "a", "entries": [0]}):
        refused = shared_site.http.post("/sonoloop/outbox/retry", json=body)
        assert refused.status_code == 422
