"""What happened to an image is told over HTTP."""

import io
import json
from typing import Any

import numpy as np
import pytest
from PIL import Image


def test_the_history_of_an_image_and_the_log_are_told(site: Any) -> None:
    image_id = site.ids[0]
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(site.lesion)).save(buffer, format="PNG")
    params = {"client_id": "ann", "pathology": "benign", "source_model": "segmentation-0"}
    site.http.put(
        f"/datastore/label?image={image_id}",
        files={"label": ("label.png", buffer.getvalue())},
        data={"params": json.dumps(params)},
    )
    site.service.store.events.append("assignment", actor="chief", image_id=image_id)

    told = site.http.get(f"/sonoloop/history/{image_id}").json()
    log = site.http.get("/sonoloop/events", params={"kind": "assignment", "image": image_id}).json()

    assert told["image"]["id"] == image_id
    assert [(one["reader"], one["revision"]) for one in told["annotations"]] == [("ann", 1)]
    assert [model["model_id"] for model in told["models"]] == ["segmentation-0"]
    whats = [line["what"] for line in told["timeline"]]
    assert {"revision", "assignment", "model made"} <= set(whats)
    assert [event["actor"] for event in log["events"]] == ["chief"]


def test_who_takes_a_label_back_is_in_the_log(site: Any) -> None:
    for client in ("chief", None):
        buffer = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(site.lesion)).save(buffer, format="PNG")
        site.http.put(
            f"/datastore/label?image={site.ids[0]}",
            files={"label": ("label.png", buffer.getvalue())},
            data={"params": json.dumps({"client_id": "ann", "pathology": "benign"})},
        )
        named = {"client_id": client} if client else {}
        reply = site.http.delete("/datastore/label", params={"id": site.ids[0], **named})
        assert reply.status_code == 200

    log = site.http.get("/sonoloop/events", params={"kind": "annotation_withdrawn"}).json()
    assert [event["actor"] for event in log["events"]] == ["unknown", "chief"]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/sonoloop/history/nobody", 404, "not_found"),
        ("/sonoloop/history/..%2fetc", 404, "not_found"),
        ("/sonoloop/history/a..b", 400, "invalid_id"),
        ("/sonoloop/events?kind=nonsense", 400, "invalid_request"),
        ("/sonoloop/events?actor=a%00b", 422, "invalid_request"),
        ("/sonoloop/events?limit=0", 422, "invalid_request"),
        ("/sonoloop/events?before=x", 422, "invalid_request"),
    ],
)
def test_nonsense_is_told(shared_site: Any, path: str, status: int, code: str) -> None:
    reply = shared_site.http.get(path)

    assert (reply.status_code, reply.json()["code"]) == (status, code)
