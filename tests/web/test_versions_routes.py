"""Versions over HTTP: seen, published by hand, rolled back, pinned."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from sonoloop.evaluation.verdicts import CaseDifference, Comparison, GateDecision, GateVerdict
from sonoloop.networks.card import ModelCard, write_card

WORD = {"actor": "ada", "reason": "looked at every case"}
FIGURE = Comparison(
    measure="dice",
    candidate=0.8,
    serving=0.7,
    difference=0.1,
    ci95=(-0.05, 0.15),
    margin=0.02,
    patients=16,
)
CASE = CaseDifference(
    image_id="img00",
    patient="Jane Roe",
    label_key="key",
    measure="dice",
    candidate=0.8,
    serving=0.7,
)


@pytest.fixture
def add(site: Any, tmp_path: Path) -> Callable[..., None]:
    """Registers a segmenter with the verdict given, measured beside the shipped one."""

    def adding(model_id: str, verdict: GateVerdict | None = "held") -> None:
        folder = tmp_path / "made" / model_id
        folder.mkdir(parents=True)
        (folder / "weights.safetensors").write_bytes(model_id.encode())
        card = ModelCard(model_id=model_id, task="segmentation", architecture="fake")
        write_card(folder, card)
        store = site.service.store
        store.models.register(card.as_dict(), folder)
        if verdict:
            decision = GateDecision(
                verdict=verdict, reason="perhaps worse", figures=(FIGURE,), cases=(CASE,)
            )
            store.gates.write(model_id, decision, against="segmentation-0")

    return adding


def act(site: Any, action: str, **body: str) -> Any:
    return site.http.post(f"/sonoloop/models/segmentation/{action}", json=WORD | body)


def test_the_overview_tells_versions_gates_and_history(site: Any, add: Callable[..., None]) -> None:
    add("seg-1")

    found = site.http.get("/sonoloop/models").json()["segmentation"]

    assert found["serving"] == "segmentation-0"
    assert [version["model_id"] for version in found["versions"]] == ["seg-1", "segmentation-0"]
    gate = found["versions"][0]["gate"]
    assert (gate["verdict"], gate["reason"], gate["against"]) == (
        "held",
        "perhaps worse",
        "segmentation-0",
    )
    assert gate["figures"][0]["ci95"] == [-0.05, 0.15]
    assert [(one["kind"], one["model_id"]) for one in found["history"]] == [
        ("shipped", "segmentation-0")
    ]
    assert (found["pinned"], found["way_back"]) == (None, None)


def test_a_version_tells_its_cases_but_no_patient(site: Any, add: Callable[..., None]) -> None:
    add("seg-1")

    answer = site.http.get("/sonoloop/models/segmentation/seg-1")

    (case,) = answer.json()["cases"]
    assert (case["image_id"], case["measure"]) == ("img00", "dice")
    assert case["difference"] == pytest.approx(0.1)
    assert "Jane" not in answer.text


def test_a_held_version_is_published_by_hand_and_rolled_back(
    site: Any, add: Callable[..., None]
) -> None:
    add("seg-1")

    published = act(site, "publish", model_id="seg-1").json()
    findings = site.http.post(
        "/infer/lesion", params={"image": site.ids[0], "output": "json"}
    ).json()
    back = act(site, "rollback").json()

    assert published == {"task": "segmentation", "model_id": "seg-1", "answers": True}
    assert findings["models"]["segmentation"] == "seg-1"
    assert back == {"task": "segmentation", "model_id": "segmentation-0", "answers": True}
    history = site.http.get("/sonoloop/models").json()["segmentation"]["history"]
    assert [one["kind"] for one in history] == ["rollback", "hand", "shipped"]
    assert {(one["actor"], one["reason"]) for one in history[:2]} == {tuple(WORD.values())}
    assert history[1]["gate"] is not None


def test_a_version_that_was_never_measured_may_be_published_by_hand(
    site: Any, add: Callable[..., None]
) -> None:
    add("seg-1", None)

    assert act(site, "publish", model_id="seg-1").status_code == 200


def test_a_pinned_model_stays(site: Any, add: Callable[..., None]) -> None:
    add("seg-1")

    pinned = site.http.put("/sonoloop/models/segmentation/pin", json=WORD).json()
    refused = act(site, "publish", model_id="seg-1")
    shown = site.http.get("/sonoloop/models").json()["segmentation"]["pinned"]
    loosened = site.http.delete("/sonoloop/models/segmentation/pin").json()

    assert pinned["model_id"] == "segmentation-0"
    assert shown == pinned
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert "pinned to segmentation-0 by ada: looked at every case" in refused.json()["detail"]
    assert loosened == {"pinned": False}
    assert act(site, "publish", model_id="seg-1").status_code == 200


@pytest.mark.parametrize(
    ("action", "body", "expected"),
    [
        ("publish", {"model_id": "rejected"}, (409, "the gate rejected rejected: perhaps worse")),
        ("publish", {"model_id": "nobody"}, (404, "unknown model 'nobody'")),
        ("publish", {"model_id": "classification-0"}, (404, "is no segmentation model")),
        ("publish", {"model_id": "held", "reason": " "}, (400, "needs a reason")),
        ("publish", {}, (422, "model_id")),
        ("rollback", {"actor": ""}, (422, "actor")),
        ("rollback", {}, (409, "no segmentation model to go back to")),
    ],
)
def test_what_cannot_be_is_told(
    site: Any,
    add: Callable[..., None],
    action: str,
    body: dict[str, str],
    expected: tuple[int, str],
) -> None:
    add("held")
    add("rejected", "rejected")

    answer = act(site, action, **body)

    status, told = expected
    assert answer.status_code == status
    assert told in answer.json()["detail"]


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_a_task_there_is_not_is_told(site: Any, method: str) -> None:
    answer = site.http.request(method, "/sonoloop/models/detection/pin", json=WORD)

    assert answer.status_code == 404
    assert "unknown model task 'detection'" in answer.json()["detail"]


def test_changed_weights_are_told(site: Any, add: Callable[..., None]) -> None:
    add("seg-1")
    act(site, "publish", model_id="seg-1")
    weights = site.service.store.paths.models / "segmentation-0" / "weights.safetensors"
    weights.write_bytes(b"torn")

    answer = act(site, "rollback")

    assert answer.status_code == 503
    assert "have changed since they were registered" in answer.json()["detail"]


def test_triggers_tell_what_they_wait_for(
    make_site: Callable[..., AbstractContextManager[Any]],
) -> None:
    from sonoloop.settings import TrainingTriggers

    with make_site(triggers=TrainingTriggers(retrain_after_labels=7)) as site:
        told = site.http.get("/sonoloop/triggers").json()

    assert (told["is_on"], told["retrain_after_labels"]) == (True, 7)
    assert [(task["task"], task["new_labels"]) for task in told["tasks"]] == [
        ("segmentation", 0),
        ("classification", 0),
    ]
