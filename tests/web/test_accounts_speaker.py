"""With accounts nobody can speak for another, whatever a request claims."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

import people
from sonoloop.networks.card import ModelCard, write_card
from sonoloop.records import Account
from sonoloop.store.dump import TABLES
from sonoloop.web.parsing import CLAIMS, Speaker

OTHER = "mallory"
CLAIMED = dict.fromkeys(CLAIMS, OTHER)
REVIEW = {"segmentationMeta": {"approvedBy": OTHER, "status": "approved"}}
PROVEN = {
    "/activelearning/{strategy}",
    "/datastore/label",
    "/datastore/label/info",
    "/datastore/updatelabelinfo",
    "/sonoloop/adjudication",
    "/sonoloop/assignments",
    "/sonoloop/leases",
    "/sonoloop/models/{task}/pin",
    "/sonoloop/models/{task}/publish",
    "/sonoloop/models/{task}/rollback",
    "/sonoloop/outbox/retry",
    "/sonoloop/quality/dismiss",
    "/sonoloop/quality/{flag_id}/dismiss",
    "/sonoloop/reviews/{annotation}",
    "/sonoloop/skips",
}
"""Routes of which a test here claims to be somebody else."""
READING = {"/sonoloop/events", "/sonoloop/assignments/{reader}"}
"""Routes that ask about a name and change nothing."""


class As:
    """Asks as one account, claiming to be another."""

    def __init__(self, http: httpx.Client, token: str) -> None:
        self._http, self._headers = http, people.bearer(token)

    def __call__(self, method: str, path: str, **how: Any) -> Any:
        answer = self._http.request(method, path, headers=self._headers, **how)
        assert answer.is_success, f"{method} {path}: {answer.text}"
        return answer.json()


@pytest.fixture
def askers(site: Any) -> dict[str, As]:
    return {name: As(site.http, token) for name, token in people.make_people(site.service).items()}


@pytest.fixture
def anna(askers: dict[str, As]) -> As:
    return askers["anna"]


@pytest.fixture
def rita(askers: dict[str, As]) -> As:
    return askers["rita"]


@pytest.fixture
def ed(askers: dict[str, As]) -> As:
    return askers["ed"]


@pytest.fixture(autouse=True)
def nobody_was_believed(site: Any) -> Iterator[None]:
    """Afterwards the name that was claimed is nowhere in the database."""
    yield
    with site.service.store.dump.snapshot() as snapshot:
        rows = {name: json.dumps(list(snapshot.rows(name))) for name in TABLES}
    assert [name for name, text in rows.items() if OTHER in text] == []


def png(mask: np.ndarray) -> dict[str, Any]:
    stream = io.BytesIO()
    Image.fromarray(mask).save(stream, "PNG")
    return {"label": ("label.png", stream.getvalue())}


def label(asker: As, site: Any, image: str, *, tag: str = "final", **params: Any) -> Any:
    told = {"params": json.dumps({**CLAIMED, **REVIEW, "pathology": "benign", **params})}
    return asker(
        "PUT", f"/datastore/label?image={image}&tag={tag}", data=told, files=png(site.lesion)
    )


def actors(site: Any, kind: str) -> list[str]:
    return [event.actor for event in site.service.store.events.list(kind=kind)]


def test_a_next_sample_is_lent_to_who_is_logged_in(site: Any, anna: As) -> None:
    sample = anna("POST", "/activelearning/first", json=CLAIMED)

    assert sample["sonoloop"]["reader"] == "anna"
    assert [lease.reader for lease in site.service.store.leases.active()] == ["anna"]


@pytest.mark.parametrize("tag", ["final", "version_1"])
def test_a_label_is_hers_who_is_logged_in(site: Any, anna: As, tag: str) -> None:
    label(anna, site, site.ids[0], tag=tag)

    [kept] = site.service.store.annotations.history(site.ids[0])
    assert kept.reader == "anna"
    assert kept.info["segmentationMeta"] == {"approvedBy": "anna", "status": "approved"}
    assert actors(site, "annotation_saved") == ["anna"]


def test_a_label_does_not_end_the_lease_of_another(site: Any, anna: As, rita: As) -> None:
    held = rita("POST", "/activelearning/first", json={})["id"]
    told = {"params": json.dumps({"client_id": "rita", "pathology": "normal"})}

    anna("PUT", f"/datastore/label?image={held}", data=told)

    assert [lease.reader for lease in site.service.store.leases.active()] == ["rita"]


def test_images_are_told_of_by_who_is_logged_in(site: Any, anna: As) -> None:
    told = json.dumps({**CLAIMED, "machine": "A"})
    with io.BytesIO() as stream:
        Image.fromarray(np.full((40, 60), 7, dtype=np.uint8)).save(stream, "PNG")
        file = {"file": ("own.png", stream.getvalue())}

    added = anna("PUT", "/datastore/image?image=own", data={"params": told}, files=file)
    anna("PUT", f"/datastore/image/info?image={site.ids[0]}", data={"info": told})

    for image in (added["image"], site.ids[0]):
        assert site.service.store.images.get(image).info["client_id"] == "anna"


def test_an_amended_label_is_amended_by_who_is_logged_in(site: Any, anna: As, rita: As) -> None:
    image = site.ids[0]
    label(anna, site, image)

    for path, field in (("label/info", "info"), ("updatelabelinfo", "params")):
        info = {
            field: json.dumps({**CLAIMED, **REVIEW, "birads": "4A" if field == "info" else "5"})
        }
        rita("PUT", f"/datastore/{path}?label={image}", data=info)

    history = site.service.store.annotations.history(image)
    assert [one.reader for one in history] == ["anna", "rita", "rita"]


def test_a_label_is_withdrawn_by_who_is_logged_in(site: Any, anna: As, ed: As) -> None:
    label(anna, site, site.ids[0])

    ed("DELETE", f"/datastore/label?id={site.ids[0]}&client_id={OTHER}")

    assert actors(site, "annotation_withdrawn") == ["ed"]


def test_leases_and_skips_are_those_of_who_is_logged_in(site: Any, anna: As, rita: As) -> None:
    image, other, third = site.ids[:3]
    body = {"image": image, "reader": OTHER}

    assert anna("POST", "/sonoloop/leases", json=body)["reader"] == "anna"
    assert rita("DELETE", f"/sonoloop/leases?image={image}&reader=anna") == {"released": False}
    assert anna("DELETE", f"/sonoloop/leases?image={image}&reader={OTHER}") == {"released": True}
    skipped = anna("POST", "/sonoloop/skips", json={**body, "image": other, "reason": "shadow"})
    assert skipped["reader"] == "anna"
    assert rita("DELETE", f"/sonoloop/skips?image={other}&reader=anna") == {"withdrawn": False}
    assert anna("DELETE", f"/sonoloop/skips?image={other}&reader={OTHER}") == {"withdrawn": True}
    rita("POST", "/sonoloop/assignments", json={"images": [third], "readers": ["anna"]})
    assert actors(site, "assignment") == ["rita"]


def test_reviews_and_adjudications_are_those_of_who_is_logged_in(
    site: Any, anna: As, rita: As
) -> None:
    image = site.ids[0]
    annotation = label(anna, site, image)["annotation"]

    told = rita(
        "POST", f"/sonoloop/reviews/{annotation}", json={"reviewer": OTHER, "verdict": "accept"}
    )
    settled = rita(
        "PUT",
        f"/sonoloop/adjudication?image={image}",
        data={"params": json.dumps({**CLAIMED, "pathology": "benign"})},
        files=png(site.lesion),
    )

    assert (told["reviewer"], settled["reader"]) == ("rita", "rita")
    assert actors(site, "review") == actors(site, "adjudication") == ["rita"]


def test_doubts_are_dismissed_by_who_is_logged_in(
    site: Any, anna: As, rita: As, until: Any
) -> None:
    images = site.ids[:2]
    for image in images:
        mask = np.ones_like(site.lesion)
        told = {"params": json.dumps({"pathology": "benign"})}
        anna("PUT", f"/datastore/label?image={image}", data=told, files=png(mask))
    quality = site.service.store.quality
    until(
        lambda: (
            {flag.image_id for flag in quality.list() if flag.kind == "whole_image"} >= {*images}
        )
    )
    flag = next(flag for flag in quality.list(kind="whole_image"))
    body: dict[str, str] = {"reviewer": OTHER, "client_id": OTHER, "reason": "it is so"}

    one = rita("POST", f"/sonoloop/quality/{flag.flag_id}/dismiss", json=body)
    rita("POST", "/sonoloop/quality/dismiss?kind=whole_image", json=body)

    assert one["resolved_by"] == "rita"
    assert set(actors(site, "quality_flag_resolved")) == {"rita"}


def test_models_are_changed_by_who_is_logged_in(site: Any, ed: As, tmp_path: Path) -> None:
    card = ModelCard(model_id="seg-1", task="segmentation", architecture="fake")
    (tmp_path / "seg-1").mkdir()
    (tmp_path / "seg-1" / "weights.safetensors").write_bytes(b"weights")
    write_card(tmp_path / "seg-1", card)
    site.service.store.models.register(card.as_dict(), tmp_path / "seg-1")
    body = {"actor": OTHER, "reason": "a try"}

    ed("POST", "/sonoloop/models/segmentation/publish", json={**body, "model_id": "seg-1"})
    ed("POST", "/sonoloop/models/segmentation/rollback", json=body)
    ed("PUT", "/sonoloop/models/segmentation/pin", json=body)
    ed("DELETE", "/sonoloop/models/segmentation/pin")

    assert actors(site, "model_published")[0] == "ed"
    for kind in ("model_rolled_back", "model_pinned", "model_unpinned"):
        assert actors(site, kind) == ["ed"]


def test_a_training_is_begun_by_who_is_logged_in(site: Any, anna: As, ed: As) -> None:
    for image in site.ids[:4]:
        label(anna, site, image)

    job = ed("POST", "/train/segmentation", json={"client_id": OTHER, "max_epochs": 1})
    ed("POST", "/train/", json={"classification": {"client_id": OTHER, "max_epochs": 1}})

    assert set(actors(site, "training_started")) == {"ed"}
    assert site.service.store.jobs.get(job["id"]).request["actor"] == "ed"


def test_the_outbox_is_tried_again_by_who_is_logged_in(site: Any, ed: As) -> None:
    assert ed("POST", "/sonoloop/outbox/retry", json={"actor": OTHER})["retried"] == 0


def test_every_route_that_takes_a_name_is_tested_here(site: Any, ed: As) -> None:
    schema = ed("GET", "/openapi.json")

    named = {
        path
        for path, operations in schema["paths"].items()
        for operation in operations.values()
        if set(CLAIMS) & names_in(operation, schema)
    }

    assert named <= PROVEN | READING


def names_in(part: Any, schema: Any) -> set[str]:
    """Names of parameters and of fields of bodies, those a reference leads to included."""
    if isinstance(part, list):
        return set().union(*(names_in(one, schema) for one in part))
    if not isinstance(part, dict):
        return set()
    found = {part["name"]} if isinstance(part.get("name"), str) else set()
    found |= set(part.get("properties", {}))
    reference = part.get("$ref", "")
    if reference.startswith("#/components/schemas/"):
        found |= names_in(schema["components"]["schemas"][reference.rpartition("/")[2]], schema)
    inner = [value for key, value in part.items() if key != "responses"]
    return found.union(*(names_in(value, schema) for value in inner))


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_claim_is_replaced_wherever_it_stands(claim: Any) -> None:
    anna = Speaker(Account("anna", "annotator"))

    assert anna.signed({claim: OTHER, "birads": "3"}) == {claim: "anna", "birads": "3"}
    assert anna.signed({}, claim) == {claim: "anna"}
    assert anna.name(OTHER) == "anna"
    assert Speaker(None).signed({claim: OTHER}, "reader") == {claim: OTHER}
    assert Speaker(None).name(OTHER) == OTHER
