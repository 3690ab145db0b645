"""A service on drawn images with models that threshold, and MONAI Label's app over it."""

import logging
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fakes import fake_worker, load_threshold
from sonoloop.imaging.write_dicom import UltrasoundDicom, write_ultrasound_dicom
from sonoloop.networks.card import ModelCard, write_card
from sonoloop.quality.doubt import FLAG_KINDS
from sonoloop.records import ModelTask
from sonoloop.service.server import Service
from sonoloop.settings import PipelineSettings, ServerSettings
from sonoloop.tasks.datastore import StoreDatastore

APP_DIR = Path(__file__).parents[2] / "apps" / "breast_ultrasound"
SHAPE = (40, 60)
LESION = (slice(10, 20), slice(15, 30))
CINE = "1.2.826.0.1.3680043.8.498.7"


def lesion_pixels(seed: int) -> np.ndarray:
    pixels = np.random.default_rng(seed).integers(0, 90, SHAPE, dtype=np.uint8)
    pixels[LESION] = 200
    return pixels


@pytest.fixture
def crashing_worker() -> Callable[[Path, str], list[str]]:
    """Command of a training that fails."""

    return partial(fake_worker, mode="crash")


@pytest.fixture
def lesion() -> np.ndarray:
    """Label map of the lesion in every drawn image."""
    label_map = np.zeros(SHAPE, dtype=np.uint8)
    label_map[LESION] = 1
    return label_map


@pytest.fixture
def studies(tmp_path: Path) -> Path:
    """Five drawn PNG images and a cine of three frames, the lesion in its last frame alone."""
    folder = tmp_path / "studies"
    folder.mkdir()
    for number in range(5):
        Image.fromarray(lesion_pixels(number)).save(folder / f"img{number}.png")
    frames = np.zeros((3, *SHAPE), dtype=np.uint8)
    frames[2] = lesion_pixels(9)
    write_ultrasound_dicom(folder / "cine.dcm", frames, cine_settings(), cine=True)
    return folder


def cine_settings() -> UltrasoundDicom:
    return UltrasoundDicom(
        patient_id="P-1",
        sop_instance_uid=CINE,
        series_instance_uid=f"{CINE}.1",
        study_instance_uid=f"{CINE}.2",
    )


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    """A folder of shipped models."""
    tasks: tuple[ModelTask, ...] = ("segmentation", "classification")
    for task in tasks:
        folder = tmp_path / "shipped" / task
        folder.mkdir(parents=True)
        (folder / "weights.safetensors").write_bytes(task.encode())
        write_card(folder, ModelCard(model_id=f"{task}-0", task=task, architecture="fake"))
    return tmp_path / "shipped"


@pytest.fixture
def open_service(studies: Path, shipped: Path, tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Opens services, each with a workspace of its own, and closes them."""
    opened: list[Service] = []

    def opening(**options: Any) -> Service:
        chosen: dict[str, Any] = {"shipped_models": shipped, "command": fake_worker} | options
        workspace = tmp_path / f"workspace{len(opened)}"
        # Drawn frames are black: every label on them is doubtful.
        server = ServerSettings(rescan_s=0, training_threads=1, quality_ignored=FLAG_KINDS)
        service = Service.open(
            str(studies),
            workspace,
            server,
            PipelineSettings(),
            load_pipeline=load_threshold,
            **chosen,
        )
        opened.append(service)
        return service

    yield opening
    for service in opened:
        service.close()


@pytest.fixture
def service(open_service: Callable[..., Service]) -> Service:
    """A service on eight images with two models."""
    return open_service()


@pytest.fixture
def datastore(service: Service) -> StoreDatastore:
    """MONAI Label's datastore over it."""
    return StoreDatastore(service)


@pytest.fixture
def png_of(tmp_path: Path) -> Callable[[np.ndarray], str]:
    """Writes a label map as PNG; its path."""

    def writing(label_map: np.ndarray) -> str:
        path = tmp_path / "label.png"
        Image.fromarray(label_map).save(path)
        return str(path)

    return writing


@pytest.fixture
def label_some(service: Service, datastore: StoreDatastore, lesion: np.ndarray, png_of: Any) -> Any:
    """Labels the first images as a reader would, benign and malignant in turn; their ids."""

    def labelling(count: int) -> list[str]:
        ids = datastore.get_unlabeled_images()[:count]
        for number, image_id in enumerate(ids):
            pathology = ("benign", "malignant")[number % 2]
            datastore.save_label(image_id, png_of(lesion), "final", {"pathology": pathology})
        return ids

    return labelling


@pytest.fixture
def load_app(
    tmp_path: Path, shipped: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Any]]:
    """Loads the app as MONAI Label's server does, and closes it."""
    from monailabel.interfaces.utils.app import app_instance, clear_cache

    opening = partial(Service.open, shipped_models=shipped, load_pipeline=load_threshold)
    monkeypatch.setattr(Service, "open", opening)
    handlers = list(logging.getLogger().handlers)
    opened: list[Any] = []

    def loading(studies: Path | str, **conf: str) -> Any:
        chosen = {"workspace": str(tmp_path / "app-workspace"), "rescan_s": "0"} | conf
        app = app_instance(str(APP_DIR), str(studies), chosen)
        opened.append(app)
        return app

    yield loading
    for app in opened:
        app.close()
    clear_cache()
    logging.getLogger().handlers[:] = handlers
