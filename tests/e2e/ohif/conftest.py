"""The viewer in Chromium, before servers on drawn and on synthetic studies, and on a real PACS."""

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import uvicorn
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from chaos_site import ship_models
from drawn_studies import Studio
from fakes import fake_worker, load_threshold
from ohif_screen import FLAGS, Screen
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


@contextmanager
def _site(folder: Path, studies: Path | str, **settings: Any) -> Iterator[Site]:
    ship_models(folder / "shipped")
    service = Service.open(
        str(studies),
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
        yield Site(url, service)
        server.should_exit = True
        thread.join(20)


@pytest.fixture(scope="module")
def make_site(
    tmp_path_factory: pytest.TempPathFactory, viewer_there: None
) -> Callable[..., AbstractContextManager[Site]]:
    """Makes servers on drawn studies, a folder of them or the address of a PACS."""

    def making(studies: Path | str, **settings: Any) -> AbstractContextManager[Site]:
        return _site(tmp_path_factory.mktemp("site"), studies, **settings)

    return making


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    """An empty folder of studies, to be drawn."""
    return Studio(tmp_path_factory.mktemp("drawn") / "studies")


@pytest.fixture(scope="module")
def start_ready(
    viewer_there: None,
    start_server: Callable[..., Any],
    served_models: Path,
    tmp_path_factory: pytest.TempPathFactory,
    until: Callable[..., Any],
) -> Callable[[Path | str], Any]:
    """Starts the program itself, with the models that come with it; returns when they serve."""

    def starting(studies: Path | str) -> Any:
        workspace = tmp_path_factory.mktemp("program") / "workspace"
        server = start_server(studies, workspace, models=served_models)
        until(lambda: _serves(server.url), timeout_s=600, what="no model is served")
        return server

    return starting


def _serves(url: str) -> bool:
    return bool(requests.get(f"{url}/info/", timeout=30).json()["sonoloop"]["model_ids"])
