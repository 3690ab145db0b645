"""What 3D Slicer's reviewer module sends: versions of a label, and what it says of each."""

import json
from typing import Any

import httpx
import numpy as np
import pytest

from sonoloop.imaging.masks import decode_label_map, encode_label_map

REVIEW = {
    "status": "approved",
    "approvedBy": "anna",
    "level": "easy",
    "comment": "sharper at the lower edge",
    "editTime": "2026-11-20 10:00:00",
}


def put(site: Any, tag: str, mask: np.ndarray, **params: Any) -> httpx.Response:
    """As the module saves a label: its file is named after the image, in NRRD."""
    image = site.ids[0]
    data = encode_label_map(mask, ".nrrd", None)
    reply: httpx.Response = site.http.put(
        f"/datastore/label?image={image}&tag={tag}",
        data={"params": json.dumps({"label_info": [{"name": "lesion", "idx": 1}], **params})},
        files={"label": (f"{image}.nrrd", data)},
    )
    return reply


def mask_of(site: Any, tag: str) -> np.ndarray:
    reply = site.http.get(f"/datastore/label?label={site.ids[0]}&tag={tag}")
    assert reply.status_code == 200, reply.text
    return decode_label_map(reply.content, "label.nrrd", shape=site.lesion.shape)


def labels(site: Any) -> dict[str, Any]:
    everything = site.http.get("/datastore/?output=all").json()
    found: dict[str, Any] = everything["objects"][site.ids[0]]["labels"]
    return found


@pytest.fixture
def reviewed(site: Any) -> Any:
    """A label of a reader and a version of the reviewer, one row smaller."""
    assert put(site, "", site.lesion, reader="bob").status_code == 200
    smaller = site.lesion.copy()
    smaller[10] = 0
    reply = put(site, "version_1", smaller, segmentationMeta=REVIEW)
    assert reply.status_code == 200, reply.text
    assert reply.json()["tag"] == "version_1"
    return site


def test_a_version_is_listed_fetched_and_the_reviewers_own_reading(reviewed: Any) -> None:
    listed = labels(reviewed)

    assert list(listed) == ["final", "version_1"]
    assert listed["version_1"]["info"]["segmentationMeta"] == REVIEW
    assert listed["version_1"]["info"]["reader"] == "anna"
    assert mask_of(reviewed, "version_1").sum() == reviewed.lesion.sum() - 15
    newest = reviewed.service.store.annotations.newest_by_reader(reviewed.ids[0])
    assert set(newest) == {"anna", "bob"}


def test_versions_are_listed_in_their_order(reviewed: Any) -> None:
    other = REVIEW | {"approvedBy": "carl"}

    put(reviewed, "version_2", reviewed.lesion, segmentationMeta=other)

    assert list(labels(reviewed))[-2:] == ["version_1", "version_2"]


@pytest.mark.parametrize("tag", ["final", "version_1"])
def test_what_the_module_says_of_a_label_is_kept_with_it(reviewed: Any, tag: str) -> None:
    flagged = REVIEW | {"status": "flagged", "comment": "look again"}

    reply = reviewed.http.put(
        f"/datastore/updatelabelinfo?label={reviewed.ids[0]}&tag={tag}",
        data={"params": json.dumps({"segmentationMeta": flagged})},
    )

    assert reply.status_code == 200, reply.text
    assert labels(reviewed)[tag]["info"]["segmentationMeta"] == flagged
    history = reviewed.service.store.annotations.history(reviewed.ids[0])
    assert len(history) == 2
    assert all(one.state == "submitted" for one in history)


def test_deleting_a_version_leaves_the_readers_label(reviewed: Any) -> None:
    reply = reviewed.http.delete(f"/datastore/label?id={reviewed.ids[0]}&tag=version_1")

    assert reply.status_code == 200, reply.text
    assert list(labels(reviewed)) == ["final"]
    np.testing.assert_array_equal(mask_of(reviewed, "final"), reviewed.lesion)
    gone = reviewed.http.get(f"/datastore/label?label={reviewed.ids[0]}&tag=version_1")
    assert (gone.status_code, gone.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("tag", ["version_0", "version_x", "version_", "version_1/..", "origin"])
def test_other_tags_are_refused(site: Any, tag: str) -> None:
    reply = put(site, tag, site.lesion)

    assert (reply.status_code, reply.json()["code"]) == (400, "invalid_id")
