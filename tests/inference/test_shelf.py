"""Engines that stay ready."""

import dataclasses
from pathlib import Path

import pytest

from sonoloop.errors import ModelError
from sonoloop.inference import shelf as shelf_module
from sonoloop.inference.absent import Absent
from sonoloop.inference.shelf import EngineShelf
from sonoloop.networks.card import ModelCard, read_card, write_card
from sonoloop.records import ModelTask
from sonoloop.settings import PipelineSettings

GPU = PipelineSettings(device="cuda:0")  # nothing is compiled for it


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Ids of the models that were loaded, in order."""
    ids: list[str] = []

    def load(folder: Path, _: PipelineSettings) -> Absent:
        card = read_card(folder)
        ids.append(card.model_id)
        engine = Absent(card.task)
        engine.card = dataclasses.replace(engine.card, model_id=card.model_id)
        return engine

    monkeypatch.setattr(shelf_module, "load_engine", load)
    return ids


def model(folder: Path, model_id: str, task: ModelTask = "segmentation", sha256: str = "1") -> Path:
    target = folder / model_id
    target.mkdir(exist_ok=True)
    card = ModelCard(model_id=model_id, task=task, architecture="none", weights_sha256=sha256)
    write_card(target, card)
    return target


def test_going_back_loads_nothing(tmp_path: Path, loaded: list[str]) -> None:
    shelf = EngineShelf()
    first, second = model(tmp_path, "s1"), model(tmp_path, "s2")
    classifier = model(tmp_path, "c1", "classification")

    shelf(first, classifier, GPU)
    shelf(second, classifier, GPU)
    back = shelf(first, classifier, GPU)

    assert loaded == ["s1", "c1", "s2"]
    assert back.segmentation_model == "s1"


def test_only_the_last_ones_stay(tmp_path: Path, loaded: list[str]) -> None:
    shelf = EngineShelf(kept=2)
    classifier = model(tmp_path, "c1", "classification")

    for name in ("s1", "s2", "s3", "s1"):
        shelf(model(tmp_path, name), classifier, GPU)

    assert loaded == ["s1", "c1", "s2", "s3", "s1"]


def test_other_weights_in_the_same_folder_are_loaded_anew(
    tmp_path: Path, loaded: list[str]
) -> None:
    shelf = EngineShelf()
    classifier = model(tmp_path, "c1", "classification")
    shelf(model(tmp_path, "s1"), classifier, GPU)

    shelf(model(tmp_path, "s1", sha256="2"), classifier, GPU)

    assert loaded == ["s1", "c1", "s1"]


def test_a_model_of_the_other_task_is_refused(tmp_path: Path, loaded: list[str]) -> None:
    classifier = model(tmp_path, "c1", "classification")

    with pytest.raises(ModelError, match="the pipeline needs a segmentation model there"):
        EngineShelf()(classifier, classifier, GPU)
    assert loaded
