"""The viewer in Chromium, before servers on drawn and on synthetic studies, and on a real PACS."""

import io
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import uvicorn
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from chaos_site import ship_models
from drawn_studies import Studio
from fakes import fake_worker, load_threshold
from ohif_screen import FLAGS, PATIENCE_MS, Screen
from sonoloop.errors import ViewerError
from sonoloop.service.server import Service
from sonoloop.settings import PipelineSettings, ServerSettings
from sonoloop.viewer import find_viewer
from sonoloop.web.app import create_app
from sonoloop.web.launch import bind

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
CHECKOUT = Path(__file__).parents[3]

HARMLESS = (
    "hanging protocol",  # OHIF complains of its own defaults
    "favicon",
)


@pytest.fixture(scope="session")
def viewer_there() -> None:
    """Skips where the viewer or a browser is missing."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    try:
        viewer = find_viewer()
    except ViewerError as error:
        pytest.skip(f"no ohif viewer: {error}")
    if viewer is None:
        pytest.skip("the ohif viewer is not installed (sonoloop viewer install)")


@pytest.fixture(scope="session")
def artefacts() -> Path:
    """Where screenshots are kept: SONOLOOP_ARTEFACTS, else below tests/."""
    folder = Path(os.environ.get("SONOLOOP_ARTEFACTS", CHECKOUT / "tests" / "artefacts")) / "ohif"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def browser(viewer_there: None) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def new_reader(browser: Browser) -> Iterator[Callable[[], BrowserContext]]:
    """Makes browsers of their own: cookies, caches and names are not shared."""
    made: list[BrowserContext] = []

    def making() -> BrowserContext:
        made.append(browser.new_context(viewport={"width": 1600, "height": 950}))
        return made[-1]

    yield making
    for context in made:
        context.close()


@pytest.fixture(scope="module")
def reader(new_reader: Callable[[], BrowserContext]) -> BrowserContext:
    """The browser of one reader, for a module."""
    return new_reader()


@pytest.fixture
def open_screen(reader: BrowserContext, artefacts: Path) -> Iterator[Callable[..., Screen]]:
    """Opens pages; none may ask another host anything, nor complain of what is not forgiven."""
    opened: list[tuple[Screen, tuple[str, ...]]] = []

    def opening(
        url: str, *, context: BrowserContext | None = None, forgiven: tuple[str, ...] = ()
    ) -> Screen:
        screen = Screen.open(context or reader, url, artefacts)
        opened.append((screen, (*HARMLESS, *forgiven)))
        return screen

    yield opening
    complaints = []
    strangers = set()
    for screen, forgiven in opened:
        strangers |= screen.strangers
        complaints += [
            text for text in screen.complaints if not any(word in text for word in forgiven)
        ]
        screen.page.close(run_before_unload=False)
    assert strangers == set(), "another host was asked"
    assert complaints == []


@dataclass(frozen=True)
class Site:
    """A server on drawn studies, in this process, whose model thresholds."""

    url: str
    service: Service
    http: httpx.Client

    def predicted(self, image: str) -> np.ndarray:
        """(H, W) mask that the model gives, as the server sends it."""
        answer = self.http.post(
            "/infer/lesion",
            params={"image": image, "output": "image"},
            data={"params": '{"result_extension": ".png"}'},
        )
        answer.raise_for_status()
        return decoded(answer.content)

    def kept(self, image: str) -> np.ndarray:
        """(H, W) mask of the label in force."""
        answer = self.http.get(
            "/datastore/label", params={"label": image, "tag": "final", "format": "png"}
        )
        answer.raise_for_status()
        return decoded(answer.content)


def decoded(png: bytes) -> np.ndarray:
    """(H, W) pixels of a PNG."""
    return np.asarray(Image.open(io.BytesIO(png)))


@contextmanager
def _site(folder: Path, studio: Studio, **settings: Any) -> Iterator[Site]:
    ship_models(folder / "shipped")
    service = Service.open(
        str(studio.folder),
        folder / "workspace",
        ServerSettings(**({"rescan_s": 0} | settings)),
        PipelineSettings(),
        shipped_models=folder / "shipped",
        load_pipeline=load_threshold,
        command=fake_worker,
    )
    config = uvicorn.Config(create_app(service), log_config=None, access_log=False)
    server = uvicorn.Server(config)
    with service, bind("127.0.0.1", 0) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.005)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        service.inference.pipeline()
        with httpx.Client(base_url=url, timeout=PATIENCE_MS / 1000) as http:
            yield Site(url, service, http)
        server.should_exit = True
        thread.join(20)


@pytest.fixture(scope="module")
def make_site(
    tmp_path_factory: pytest.TempPathFactory, viewer_there: None
) -> Callable[..., AbstractContextManager[Site]]:
    """Makes servers on drawn studies, with settings."""

    def making(studio: Studio, **settings: Any) -> AbstractContextManager[Site]:
        return _site(tmp_path_factory.mktemp("site"), studio, **settings)

    return making


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    """An empty folder of studies, to be drawn."""
    return Studio(tmp_path_factory.mktemp("drawn") / "studies")
