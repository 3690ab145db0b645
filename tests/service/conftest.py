"""A workspace with drawn images, models that threshold, and workers that do as they are told."""

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sonoloop.geometry import Box
from sonoloop.imaging.image import UltrasoundImage
from sonoloop.labels import Pathology
from sonoloop.networks.card import ModelCard, read_card, write_card
from sonoloop.records import Findings, Lesion, ModelTask
from sonoloop.service.server import Service
from sonoloop.settings import PipelineSettings, ServerSettings

FAKE_WORKER = Path(__file__).parent / "fake_worker.py"


def draw(path: Path, *, seed: int, shape: tuple[int, int] = (40, 60)) -> None:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 90, shape, dtype=np.uint8)
    pixels[10:20, 15:30] = 200
    Image.fromarray(pixels).save(path)


def make_model(folder: Path, model_id: str, task: ModelTask) -> Path:
    folder.mkdir(parents=True)
    (folder / "weights.safetensors").write_bytes(model_id.encode())
    write_card(folder, ModelCard(model_id=model_id, task=task, architecture="fake"))
    return folder


class FakePipeline:
    """Calls everything brighter than 150 one malignant lesion."""

    def __init__(self, segmentation: str, classification: str) -> None:
        self.ids: dict[ModelTask, str] = {
            "segmentation": segmentation,
            "classification": classification,
        }

    def __call__(self, image: UltrasoundImage) -> Findings:
        mask = image.pixels > 150
        probabilities = {
            Pathology.NORMAL: 0.1,
            Pathology.BENIGN: 0.2,
            Pathology.MALIGNANT: 0.7,
        }
        rows, columns = np.nonzero(mask)
        lesions: tuple[Lesion, ...] = ()
        if rows.size:
            lesions = (
                Lesion(
                    box=Box(
                        int(rows.min()),
                        int(columns.min()),
                        int(rows.max()) + 1,
                        int(columns.max()) + 1,
                    ),
                    area_px=int(mask.sum()),
                    area_mm2=None,
                    probabilities=probabilities,
                    confidence=0.9,
                ),
            )
        return Findings(
            mask=mask,
            probability_map=mask.astype(np.float32),
            lesions=lesions,
            probabilities=probabilities,
            pathology=Pathology.MALIGNANT,
            spacing_mm=image.spacing_mm,
            models=dict(self.ids),
            seconds=0.001,
        )


def load_fake(segmentation: Path, classification: Path, _: PipelineSettings) -> FakePipeline:
    return FakePipeline(read_card(segmentation).model_id, read_card(classification).model_id)


@pytest.fixture
def studies(tmp_path: Path) -> Path:
    """Six drawn images of 40 rows and 60 columns."""
    folder = tmp_path / "studies"
    folder.mkdir()
    for number in range(6):
        draw(folder / f"img{number}.png", seed=number)
    return folder


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    """A folder of shipped models."""
    folder = tmp_path / "shipped"
    make_model(folder / "segmentation", "seg-1", "segmentation")
    make_model(folder / "classification", "cls-1", "classification")
    return folder


@pytest.fixture
def worker() -> Callable[..., Callable[[Path, str], Sequence[str]]]:
    """Command of a training worker that behaves as named: see ``fake_worker.py``."""

    def behaving(behaviour: str) -> Callable[[Path, str], Sequence[str]]:
        def command(workspace: Path, job_id: str) -> list[str]:
            script = [sys.executable, str(FAKE_WORKER), behaviour]
            return [*script, "--workspace", str(workspace), "--job", job_id]

        return command

    return behaving


@pytest.fixture
def open_service(tmp_path: Path, studies: Path, shipped: Path) -> Iterator[Callable[..., Service]]:
    """Opens services on one workspace and closes what a test leaves open."""
    opened: list[Service] = []

    def opening(**given: Any) -> Service:
        server = ServerSettings(rescan_s=0, stop_grace_s=2.0, training_threads=1)
        options: dict[str, Any] = {"shipped_models": shipped, "load_pipeline": load_fake, **given}
        service = Service.open(
            str(studies), tmp_path / "workspace", server, PipelineSettings(), **options
        )
        opened.append(service)
        return service

    yield opening
    for service in opened:
        if service.is_open:
            service.stop_training()
        service.close()


@pytest.fixture
def service(open_service: Callable[..., Service]) -> Service:
    """A service on six images with two models."""
    return open_service()


@pytest.fixture
def until() -> Callable[..., None]:
    """Waits for a condition with a deadline."""

    def waiting(condition: Callable[[], object], *, timeout_s: float = 60.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, "waited too long"
            time.sleep(0.02)

    return waiting


@pytest.fixture
def card_json() -> Callable[[Path], dict[str, Any]]:
    """The card of a model folder as JSON."""

    def reading(folder: Path) -> dict[str, Any]:
        card: dict[str, Any] = json.loads((folder / "card.json").read_text())
        return card

    return reading


@pytest.fixture
def new_model(tmp_path: Path) -> Callable[[str, ModelTask], Path]:
    """Makes a model folder."""

    def making(model_id: str, task: ModelTask) -> Path:
        return make_model(tmp_path / "made" / model_id, model_id, task)

    return making
