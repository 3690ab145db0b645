"""The classifier's explanation over HTTP, of a pipeline that can explain and of one that cannot."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from explaining import load_explaining


@pytest.fixture
def explaining(make_site: Callable[..., AbstractContextManager[Any]]) -> Iterator[Any]:
    with make_site(load_pipeline=load_explaining(None)) as site:
        yield site


def picture(reply: Any) -> np.ndarray:
    assert reply.status_code == 200, reply.text
    assert reply.headers["content-type"] == "image/png"
    return np.asarray(Image.open(BytesIO(reply.content)))


def test_the_answer_of_an_inference_leads_to_its_explanation(explaining: Any) -> None:
    site = explaining
    image_id = site.ids[0]

    link = site.http.post(f"/infer/lesion?image={image_id}&output=json").json()["explanation"]
    reply = site.http.get(f"/{link['path']}")

    assert link == {
        "available": True,
        "reason": None,
        "path": f"sonoloop/explanation?image={image_id}",
    }
    assert picture(reply).shape == (40, 60, 3)
    assert reply.headers["x-sonoloop-pathology"] == "malignant"
    assert reply.headers["x-sonoloop-model"] == "classification-0"


def test_the_answer_of_the_classifier_and_the_clients_carry_the_link_too(explaining: Any) -> None:
    site = explaining

    _, params = site.client.infer("lesion", site.ids[0], {"result_extension": ".png"})
    _, raw = site.client.infer("classification", site.ids[0], {})

    assert params["explanation"]["available"] is True
    assert json.loads(raw)["explanation"] == params["explanation"]


def test_a_heat_map_is_grey_on_the_images_own_grid(explaining: Any) -> None:
    site = explaining
    address = f"/sonoloop/explanation?image={site.ids[0]}&form=heatmap"

    heat = picture(site.http.get(address))
    cold = picture(site.http.get(f"{address}&pathology=benign"))

    np.testing.assert_array_equal(heat, site.lesion * 255)
    assert not cold.any()


def test_an_overlay_tints_what_is_hot_and_nothing_else(explaining: Any) -> None:
    site = explaining

    overlay = picture(site.http.get(f"/sonoloop/explanation?image={site.ids[0]}"))

    inside = overlay[1:-1, 1:-1]
    coloured = inside.max(axis=2).astype(int) - inside.min(axis=2) > 20
    np.testing.assert_array_equal(coloured, site.lesion[1:-1, 1:-1] > 0)


def test_an_image_sent_along_is_explained_and_not_kept(explaining: Any, tmp_path: Path) -> None:
    pixels = np.zeros((50, 40), dtype=np.uint8)
    pixels[3:7, 5:9] = 255
    Image.fromarray(pixels).save(tmp_path / "mine.png")
    files = {"file": ("mine.png", (tmp_path / "mine.png").read_bytes())}

    inferred = explaining.http.post("/infer/lesion?output=json", files=files)
    link = inferred.json()["explanation"]
    heat = picture(explaining.http.post(f"/{link['path']}?form=heatmap", files=files))

    assert link["path"] == "sonoloop/explanation"
    np.testing.assert_array_equal(heat, pixels)
    assert list(explaining.service.store.paths.cache.iterdir()) == []
    assert explaining.client.info()["datastore"]["total"] == 12


def test_the_image_of_a_session_is_explained(explaining: Any, tmp_path: Path) -> None:
    path = tmp_path / "mine.png"
    Image.fromarray(np.full((40, 50), 200, dtype=np.uint8)).save(path)
    session_id = explaining.client.create_session(str(path))["session_id"]
    address = f"/infer/lesion?session_id={session_id}&output=json"

    link = explaining.http.post(address).json()["explanation"]

    assert link["path"] == f"sonoloop/explanation?session_id={session_id}"
    assert picture(explaining.http.get(f"/{link['path']}")).shape == (40, 50, 3)


@pytest.mark.parametrize(
    ("query", "status", "told"),
    [
        ("", 400, "which image? give either image or session_id"),
        ("?image=a&session_id=b", 400, "which image? give either"),
        ("?image=nobody", 404, "nobody"),
        ("?session_id=00000000-0000-0000-0000-000000000000", 404, "session"),
        ("?image={id}&pathology=cyst", 400, "unknown pathology 'cyst'"),
        ("?image={id}&pathology=normal", 400, "does not tell normal"),
        ("?image={id}&form=svg", 422, "form: input should be 'overlay' or 'heatmap'"),
    ],
)
def test_a_mistake_is_told(explaining: Any, query: str, status: int, told: str) -> None:
    reply = explaining.http.get("/sonoloop/explanation" + query.format(id=explaining.ids[0]))

    assert reply.status_code == status, reply.text
    assert told in reply.json()["detail"]


@pytest.mark.parametrize(
    ("files", "status"),
    [(None, 422), ({"file": ("x.png", b"torn")}, 422), ({"file": ("x.png", b"")}, 422)],
)
def test_a_file_that_is_no_image_is_told(explaining: Any, files: Any, status: int) -> None:
    reply = explaining.http.post("/sonoloop/explanation", files=files)

    assert reply.status_code == status
    assert reply.json()["detail"]


def test_a_classifier_that_cannot_be_explained_says_why(
    make_site: Callable[..., AbstractContextManager[Any]],
) -> None:
    with make_site(load_pipeline=load_explaining("cls offers no explanation: its head")) as site:
        inferred = site.http.post(f"/infer/lesion?image={site.ids[0]}&output=json").json()
        reply = site.http.get(f"/sonoloop/explanation?image={site.ids[0]}")

    assert inferred["explanation"] == {
        "available": False,
        "reason": "cls offers no explanation: its head",
        "path": None,
    }
    assert (reply.status_code, reply.json()["code"]) == (409, "conflict")
    assert "cls offers no explanation" in reply.json()["detail"]


def test_a_pipeline_that_knows_of_no_explanation_has_none(shared_site: Any) -> None:
    site = shared_site

    inferred = site.http.post(f"/infer/lesion?image={site.ids[0]}&output=json").json()
    reply = site.http.get(f"/sonoloop/explanation?image={site.ids[0]}")

    assert inferred["explanation"]["available"] is False
    assert reply.status_code == 409
