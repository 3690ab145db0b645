"""Doubtful labels are listed and dismissed over HTTP; nonsense is answered with a sentence."""

import io
import json
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image


def submit(site: Any, number: int, mask: np.ndarray, **params: Any) -> str:
    buffer = io.BytesIO()
    Image.fromarray(mask).save(buffer, format="PNG")
    image_id: str = site.ids[number]
    reply = site.http.put(
        f"/datastore/label?image={image_id}&tag=final",
        files={"label": ("label.png", buffer.getvalue())},
        data={"params": json.dumps({"client_id": "ann"} | params)},
    )
    assert reply.status_code == 200, reply.text
    assert site.service.quality.wait_until_idle(20)
    return image_id


def elsewhere(site: Any) -> np.ndarray:
    return np.ascontiguousarray(site.lesion[::-1, ::-1])


def test_a_doubtful_label_is_listed_and_dismissed(site: Any) -> None:
    image_id = submit(site, 0, elsewhere(site), pathology="benign")

    listed = site.http.get("/sonoloop/quality/").json()
    [flag] = listed["flags"]
    reply = site.http.post(
        f"/sonoloop/quality/{flag['id']}/dismiss",
        json={"reviewer": "rev", "reason": "looked twice"},
    )

    assert listed["open"] == {"far_from_model": 1}
    assert (flag["image"], flag["reader"], flag["state"]) == (image_id, "ann", "open")
    assert (reply.status_code, reply.json()["state"]) == (200, "dismissed")
    assert (reply.json()["resolved_by"], reply.json()["reason"]) == ("rev", "looked twice")
    assert site.http.get("/sonoloop/quality/").json() == {"open": {}, "flags": []}
    again = site.http.get("/sonoloop/quality/", params={"state": "dismissed", "image": image_id})
    assert [entry["id"] for entry in again.json()["flags"]] == [flag["id"]]


def test_a_kind_is_dismissed_as_a_whole(site: Any) -> None:
    for number in range(2):
        submit(site, number, site.lesion)
    body = {"reviewer": "rev", "reason": "this project needs no classes"}

    reply = site.http.post("/sonoloop/quality/dismiss?kind=mask_without_class", json=body)

    assert reply.json() == {"dismissed": 2}
    assert site.http.get("/sonoloop/quality/").json()["flags"] == []


def test_every_label_is_checked_as_a_job(site: Any, until: Callable[..., None]) -> None:
    submit(site, 0, site.lesion, pathology="benign")

    job = site.http.post("/sonoloop/quality/check").json()

    assert job["status"] in ("SUBMITTED", "RUNNING", "DONE")
    until(lambda: site.http.get("/scoring/").json()["status"] == "DONE")


def refused(reply: httpx.Response) -> tuple[int, str]:
    return reply.status_code, reply.json()["code"]


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("state=shut", 400, "invalid_request"),
        ("kind=specks", 400, "invalid_request"),
        ("limit=0", 422, "invalid_request"),
        ("before=x", 422, "invalid_request"),
        ("image=../etc", 400, "invalid_id"),
        ("image=nobody", 404, "not_found"),
    ],
)
def test_nonsense_asked_of_the_list_is_told(
    shared_site: Any, query: str, status: int, code: str
) -> None:
    assert refused(shared_site.http.get(f"/sonoloop/quality/?{query}")) == (status, code)


def test_nonsense_dismissed_is_told(shared_site: Any) -> None:
    body = {"reviewer": "rev", "reason": "fine"}
    post = shared_site.http.post

    assert refused(post("/sonoloop/quality/7/dismiss", json=body)) == (404, "not_found")
    assert refused(post("/sonoloop/quality/x/dismiss", json=body)) == (422, "invalid_request")
    assert refused(post("/sonoloop/quality/7/dismiss", json={})) == (400, "invalid_request")
    assert refused(post("/sonoloop/quality/dismiss?kind=x", json=body)) == (400, "invalid_request")


def test_a_flag_is_dismissed_once(site: Any) -> None:
    submit(site, 0, site.lesion)
    [flag] = site.http.get("/sonoloop/quality/").json()["flags"]
    address = f"/sonoloop/quality/{flag['id']}/dismiss"
    body = {"reviewer": "rev", "reason": "fine"}
    site.http.post(address, json=body)

    assert refused(site.http.post(address, json=body)) == (409, "conflict")
