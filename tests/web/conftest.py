"""A server on drawn images, answering over HTTP, with models that threshold."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import uvicorn
from monailabel.client import MONAILabelClient
from PIL import Image

from fakes import fake_worker, load_threshold
from sonoloop.networks.card import ModelCard, write_card
from sonoloop.records import ModelTask
from sonoloop.service.server import Service
from sonoloop.settings import PipelineSettings, ServerSettings
from sonoloop.web.app import create_app
from sonoloop.web.launch import bind

LESION = (slice(10, 20), slice(15, 30))
IMAGES = 12


@dataclass(frozen=True)
class Site:
    """A server that answers.

    Attributes:
        url: Without a slash at the end.
        http: Client that sends to it.
        lesion: (40, 60) label map of every drawn image.
    """

    url: str
    service: Service
    http: httpx.Client
    client: Any
    lesion: np.ndarray
    ids: tuple[str, ...]


def _draw(path: Path, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 90, (40, 60), dtype=np.uint8)
    pixels[LESION] = 200
    Image.fromarray(pixels).save(path)


def _drawn(folder: Path) -> Path:
    folder.mkdir()
    for number in range(IMAGES):
        _draw(folder / f"img{number:02}.png", number)
    return folder


def _ship(folder: Path) -> Path:
    tasks: tuple[ModelTask, ...] = ("segmentation", "classification")
    for task in tasks:
        (folder / task).mkdir(parents=True)
        (folder / task / "weights.safetensors").write_bytes(b"weights of " + task.encode())
        write_card(folder / task, ModelCard(model_id=f"{task}-0", task=task, architecture="fake"))
    return folder


@contextlib.contextmanager
def _answering(service: Service) -> Iterator[str]:
    config = uvicorn.Config(create_app(service), log_config=None, access_log=False)
    server = uvicorn.Server(config)
    with bind("127.0.0.1", 0) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.005)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join(20)


@contextlib.contextmanager
def _site(folder: Path, **settings: Any) -> Iterator[Site]:
    studies = settings.pop("studies", None) or _drawn(folder / "studies")
    options = {"load_pipeline": load_threshold, "command": fake_worker} | {
        name: settings.pop(name) for name in ("load_pipeline", "command") if name in settings
    }
    service = Service.open(
        str(studies),
        folder / "workspace",
        ServerSettings(**({"rescan_s": 0, "max_upload_mb": 2} | settings)),
        PipelineSettings(),
        shipped_models=_ship(folder / "shipped"),
        **options,
    )
    lesion = np.zeros((40, 60), dtype=np.uint8)
    lesion[LESION] = 1
    received = folder / "received"
    received.mkdir()
    with service, _answering(service) as url, httpx.Client(base_url=url, timeout=60) as http:
        service.inference.pipeline()
        client = MONAILabelClient(url, tmpdir=str(received), client_id="reader-1")
        ids = service.store.images.unlabelled_ids()
        yield Site(url, service, http, client, lesion, ids)


@pytest.fixture
def make_site(tmp_path: Path) -> Callable[..., AbstractContextManager[Site]]:
    """Makes a server of its own, with settings, on drawn images or on ``studies``."""

    def making(**settings: Any) -> AbstractContextManager[Site]:
        return _site(tmp_path, **settings)

    return making


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A server of its own for tests that change things."""
    with _site(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def shared_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One server for the tests of a module that change nothing."""
    with _site(tmp_path_factory.mktemp("site")) as made:
        yield made


@pytest.fixture(scope="module")
def make_module_site(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., AbstractContextManager[Site]]:
    """Makes servers for the tests of one module, with settings."""

    def making(**settings: Any) -> AbstractContextManager[Site]:
        return _site(tmp_path_factory.mktemp("site"), **settings)

    return making


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
def label_file(tmp_path: Path) -> Callable[..., Path]:
    """Writes a label map as PNG."""

    def writing(label_map: np.ndarray, name: str = "label.png") -> Path:
        path = tmp_path / name
        Image.fromarray(label_map).save(path)
        return path

    return writing
