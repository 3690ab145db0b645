import dataclasses
import json
import logging
from pathlib import Path

import numpy as np
import pytest
import torch

from sonoloop.errors import TrainingError
from sonoloop.networks.card import read_card
from sonoloop.networks.weights import load_model
from sonoloop.records import LabelledImage
from sonoloop.settings import TrainingSettings
from sonoloop.training.examples import segmentation_examples
from sonoloop.training.progress import Progress
from sonoloop.training.segmentation import train_segmentation
from sonoloop.training.start import divide

pytestmark = pytest.mark.usefixtures("small_networks")

QUICK = TrainingSettings(
    input_size_px=64,
    max_epochs=8,
    batch_size=4,
    learning_rate=5e-3,
    validation_fraction=0.3,
    ema_decay=0.5,
    tracking="none",
    precision="float32",
    threads=1,
    device="cpu",
)


def test_a_segmenter_learns_what_a_blob_is(blobs: list[LabelledImage], tmp_path: Path) -> None:
    told: list[Progress] = []

    folder = train_segmentation(blobs, QUICK, tmp_path, report=told.append)

    card = read_card(folder)
    assert card.metrics["validation"]["dice"] > 0.8
    assert card.data["train"]["images"] + card.data["validation"]["images"] == 24
    assert told[-1].epoch == 8
    assert told[-1].best_metric == card.metrics["validation"]["dice"]


def test_no_patient_is_on_both_sides(blobs: list[LabelledImage]) -> None:
    train, validation = divide(blobs, QUICK)

    assert {i.patient for i in train}.isdisjoint(i.patient for i in validation)
    assert len(train) + len(validation) == len(blobs)


def test_a_held_out_patient_stays_held_out_when_labels_grow() -> None:
    items = [
        LabelledImage(image_id=str(i), image_path=Path(f"{i}.png"), patient=f"p{i}")
        for i in range(80)
    ]

    _, before = divide(items[:40], QUICK)
    train, _ = divide(items, QUICK)

    assert len(before) > 4
    assert {i.patient for i in before}.isdisjoint(i.patient for i in train)


def test_an_interrupted_run_goes_on_where_it_was(
    blobs: list[LabelledImage], tmp_path: Path
) -> None:
    settings = dataclasses.replace(QUICK, max_epochs=4)

    class InterruptedRunError(Exception):
        pass

    def interrupt(progress: Progress) -> None:
        if progress.epoch == 3:
            raise InterruptedRunError

    with pytest.raises(InterruptedRunError):
        train_segmentation(blobs, settings, tmp_path / "torn", report=interrupt)
    torn = read_card(train_segmentation(blobs, settings, tmp_path / "torn"))
    whole = read_card(train_segmentation(blobs, settings, tmp_path / "whole"))

    assert [p["epoch"] for p in torn.metrics["history"]] == [1, 2, 3, 4]
    figures = [[p["validation"] for p in c.metrics["history"]] for c in (torn, whole)]
    np.testing.assert_allclose(figures[0], figures[1], atol=0.02)


def test_a_stopped_training_keeps_its_best(blobs: list[LabelledImage], tmp_path: Path) -> None:
    steps = iter(range(1000))

    folder = train_segmentation(blobs, QUICK, tmp_path, should_stop=lambda: next(steps) > 12)

    card = read_card(folder)
    assert card.metrics["stopped"] is True
    assert card.metrics["epochs"] < QUICK.max_epochs


def test_a_training_stopped_at_once_has_nothing_to_give(
    blobs: list[LabelledImage], tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match="before its first validation"):
        train_segmentation(blobs, QUICK, tmp_path, should_stop=lambda: True)


def test_training_stops_early_when_nothing_gets_better(
    blobs: list[LabelledImage], tmp_path: Path
) -> None:
    settings = dataclasses.replace(
        QUICK, max_epochs=30, early_stop_patience=2, learning_rate=1e-7, ema_decay=0.01
    )

    card = read_card(train_segmentation(blobs, settings, tmp_path))

    assert card.metrics["epochs"] < 12


def test_a_warm_start_begins_from_the_given_model(
    blobs: list[LabelledImage], tmp_path: Path
) -> None:
    first = train_segmentation(blobs, QUICK, tmp_path / "first")
    settings = dataclasses.replace(QUICK, max_epochs=1, learning_rate=1e-7)

    second = train_segmentation(blobs, settings, tmp_path / "second", initial=first)

    assert read_card(second).parent_id == read_card(first).model_id
    assert read_card(second).model_id != read_card(first).model_id
    before, after = (dict(load_model(folder)[0].named_parameters()) for folder in (first, second))
    for name, tensor in before.items():
        torch.testing.assert_close(after[name], tensor, atol=1e-4, rtol=1e-3)


def test_the_same_seed_trains_the_same_model(blobs: list[LabelledImage], tmp_path: Path) -> None:
    settings = dataclasses.replace(QUICK, max_epochs=1)

    first, again = (
        load_model(train_segmentation(blobs, settings, tmp_path / name))[0] for name in ("a", "b")
    )

    for one, other in zip(first.parameters(), again.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-3)


def test_runs_are_tracked_in_sqlite(blobs: list[LabelledImage], tmp_path: Path) -> None:
    from mlflow.tracking import MlflowClient

    settings = dataclasses.replace(QUICK, max_epochs=1, tracking="mlflow")

    train_segmentation(blobs, settings, tmp_path / "run")

    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'mlflow.db'}")
    (experiment,) = [e for e in client.search_experiments() if e.name == "segmentation"]
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    assert 0 <= run.data.metrics["metric"] <= 1


def test_one_patient_is_too_few(blobs: list[LabelledImage], tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="at least two patients"):
        train_segmentation(blobs[:2], QUICK, tmp_path)


def test_images_without_outline_are_left_out(blobs: list[LabelledImage]) -> None:
    bare = [dataclasses.replace(item, has_mask=False, mask_paths=()) for item in blobs[:6]]

    examples = segmentation_examples([*bare, *blobs[12:]], 64)

    assert set(examples.image_ids) == {str(i) for i in range(12, 24)}


def test_an_unreadable_image_is_left_out_and_logged(
    blobs: list[LabelledImage], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    torn = dataclasses.replace(blobs[1], image_path=tmp_path / "torn.png", image_id="torn")
    torn.image_path.write_bytes(b"no image")

    with caplog.at_level(logging.WARNING, logger="sonoloop.training.examples"):
        examples = segmentation_examples([torn, *blobs[:4]], 64)

    assert "torn" not in examples.image_ids
    assert "torn" in caplog.text


def test_the_card_is_plain_json(blobs: list[LabelledImage], tmp_path: Path) -> None:
    settings = dataclasses.replace(QUICK, max_epochs=1)

    folder = train_segmentation(blobs, settings, tmp_path)

    content = json.loads((folder / "card.json").read_text())
    assert content["settings"]["max_epochs"] == 1
    assert len(content["data"]["train"]["sha256"]) == 64
