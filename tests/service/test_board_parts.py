"""What the dashboard says of the store."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sonoloop.evaluation.verdicts import Comparison, GateDecision
from sonoloop.inference.shipped import SHIPPED_MODELS
from sonoloop.labels import Pathology
from sonoloop.networks.card import read_card
from sonoloop.records import ImageRecord
from sonoloop.service.board_parts import labelling, model
from sonoloop.service.board_work import leases, quality, queue
from sonoloop.store import Store
from sonoloop.store.annotations import NewAnnotation
from sonoloop.store.schema import now


def record(image_id: str) -> ImageRecord:
    return ImageRecord(
        image_id=image_id,
        source="folder",
        locator=f"{image_id}.png",
        frame=0,
        frame_count=1,
        rows=8,
        columns=8,
        spacing_mm=None,
        patient_id=image_id,
        study_instance_uid=None,
        series_instance_uid=None,
        sop_instance_uid=None,
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "workspace") as opened:
        opened.images.upsert_many([record(f"img{number}") for number in range(6)])
        yield opened


def registered(store: Store, folder: Path, model_id: str, **card: Any) -> None:
    source = folder / model_id
    source.mkdir()
    (source / "weights.safetensors").write_bytes(model_id.encode())
    (source / "card.json").write_text("{}")
    told = {"model_id": model_id, "task": "segmentation", "architecture": "fake"}
    store.models.register(told | card, source)


class TestLabelling:
    def test_readers_are_told_with_their_classes(self, store: Store) -> None:
        for number, pathology in enumerate((Pathology.BENIGN, Pathology.BENIGN, None)):
            new = NewAnnotation(
                image_id=f"img{number}", reader="ann", pathology=pathology, seconds_spent=20.0
            )
            store.annotations.save(new, None)
        store.annotations.save(
            NewAnnotation(image_id="img4", reader="bob", pathology=Pathology.MALIGNANT), None
        )

        ann, bob = labelling(store)["readers"]

        assert (ann["reader"], ann["answers"], ann["seconds_an_image"]) == ("ann", 3, 20.0)
        assert ann["classes"] == {"normal": 0, "benign": 2, "malignant": 0, "untold": 1}
        assert (bob["reader"], bob["classes"]["malignant"]) == ("bob", 1)
        assert bob["seconds_an_image"] is None

    def test_the_pace_is_that_of_days_on_which_somebody_worked(self, store: Store) -> None:
        for number in range(4):
            store.annotations.save(NewAnnotation(image_id=f"img{number}", reader="ann"), None)

        told = labelling(store, now=now() + timedelta(days=3))["progress"]

        assert (told["total"], told["labelled"], told["wanted"]) == (6, 4, 2)
        assert told["answers_a_working_day"] == 4
        assert told["working_days_left"] == 0.5
        assert [day["answers"] for day in told["days"]][-4:] == [4, 0, 0, 0]

    def test_labels_that_were_imported_are_no_work_of_the_day(self, store: Store) -> None:
        for number in range(3):
            new = NewAnnotation(image_id=f"img{number}", reader="ann", import_key=f"key{number}")
            store.annotations.save(new, None)
        imported = labelling(store)["progress"]
        store.annotations.save(NewAnnotation(image_id="img3", reader="ann"), None)

        told = labelling(store)["progress"]

        assert (imported["labelled"], imported["answers_a_working_day"]) == (3, None)
        assert (told["labelled"], told["answers_a_working_day"]) == (4, 1)
        assert told["days"][-1]["answers"] == 1
        assert labelling(store)["readers"][0]["answers"] == 4

    def test_nothing_is_foretold_before_the_first_answer(self, store: Store) -> None:
        told = labelling(store)["progress"]

        assert told["answers_a_working_day"] is None
        assert told["working_days_left"] is None


class TestModels:
    def test_versions_come_newest_first_with_what_the_gate_said(
        self, store: Store, tmp_path: Path
    ) -> None:
        registered(store, tmp_path, "first", metrics={"validation": {"dice": 0.8}})
        registered(store, tmp_path, "second")
        store.models.publish("first")
        figure = Comparison(
            measure="dice",
            candidate=0.7,
            serving=0.8,
            difference=-0.1,
            ci95=(-0.2, -0.05),
            margin=0.01,
            patients=20,
        )
        decision = GateDecision(verdict="rejected", reason="proven worse", figures=(figure,))
        store.gates.write("second", decision, against="first")

        second, first = model(store, "segmentation")["versions"]

        assert (first["model_id"], first["serving"], first["validation"]) == ("first", True, 0.8)
        assert first["gate"] is None
        assert second["gate"]["verdict"] == "rejected"
        assert second["gate"]["difference"] == -0.1
        assert list(second["gate"]["ci95"]) == [-0.2, -0.05]

    def test_the_way_back_is_the_version_that_served_before(
        self, store: Store, tmp_path: Path
    ) -> None:
        for model_id in ("first", "second"):
            registered(store, tmp_path, model_id)
            store.models.publish(model_id)

        there = model(store, "segmentation")["way_back"]
        store.models.rollback("segmentation")

        assert there == "first"
        assert model(store, "segmentation")["way_back"] is None

    def test_a_pin_is_told(self, store: Store, tmp_path: Path) -> None:
        registered(store, tmp_path, "first")
        store.models.publish("first")
        store.models.pin("first", actor="ann", reason="a study runs")

        assert model(store, "segmentation")["pinned"]["reason"] == "a study runs"


class TestWork:
    def test_leases_are_told_with_their_reasons(self, store: Store) -> None:
        store.leases.take("img1", "ann", strategy="auto", reason="Typical.", seconds=60)

        (lease,) = leases(store)

        assert (lease["image_id"], lease["reader"], lease["reason"]) == ("img1", "ann", "Typical.")

    def test_every_strategy_is_offered_and_says_why_it_has_no_queue(self, store: Store) -> None:
        told = queue(store)

        empty = {strategy["name"]: strategy["empty"] for strategy in told["strategies"]}
        assert told["preferred"] in empty
        assert "has no queue" in empty["random"]
        assert "No image is queued" in empty["typiclust"]
        assert told["proposals"] == {}

    def test_a_store_without_doubts_says_so(self, store: Store) -> None:
        assert quality(store) == {"open": 0, "counts": {}, "flags": []}


class TestVersions:
    def test_an_ensemble_shows_the_mean_figure_of_its_members(self, store: Store) -> None:
        card = read_card(SHIPPED_MODELS / "classification")
        store.models.register(card.as_dict(), SHIPPED_MODELS / "classification")

        told = model(store, "classification")["versions"][0]

        figures = [part["validation"]["auc"] for part in card.metrics.values()]
        assert len(figures) > 1
        assert told["validation"] == pytest.approx(sum(figures) / len(figures))
        assert told["labels"] == max(part["train"]["images"] for part in card.data.values())

    def test_a_version_whose_card_tells_nothing_has_no_figure(
        self, store: Store, tmp_path: Path
    ) -> None:
        registered(store, tmp_path, "seg-1")

        told = model(store, "segmentation")["versions"][0]

        assert (told["labels"], told["validation"]) == (None, None)
