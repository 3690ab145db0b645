"""The panel of the viewer's extension in a browser, over a review that needs no server."""

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

CHECKOUT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SMALLEST_SCREEN = ViewportSize(width=1280, height=720)


class _Files(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


@pytest.fixture(scope="session")
def preview_url() -> Iterator[str]:
    """Address of the page that shows the panel alone."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Files, directory=str(CHECKOUT)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/tests/ohif/preview/index.html"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def panel_browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def page(panel_browser: Browser, preview_url: str) -> Iterator[Page]:
    """A page that may neither complain nor ask another host."""
    opened = panel_browser.new_page(viewport=SMALLEST_SCREEN)
    problems: list[str] = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on("dialog", lambda dialog: problems.append(f"dialog: {dialog.message}"))
    opened.on("console", lambda message: problems.append(f"{message.type}: {message.text}"))
    opened.on(
        "request",
        lambda request: (
            None
            if request.url.startswith(preview_url.split("/tests/")[0])
            or request.url.startswith("data:")
            else problems.append(f"asked {request.url}")
        ),
    )
    yield opened
    opened.close()
    assert problems == []


@pytest.fixture
def show(page: Page, preview_url: str) -> Callable[..., Page]:
    """Shows the panel in a state, in a column of some width in pixels."""

    def showing(state: str, *, width: int = 282) -> Page:
        page.goto(f"{preview_url}?state={state}&width={width}")
        page.locator("sonoloop-panel footer").wait_for()
        return page

    return showing


@pytest.fixture
def calls(page: Page) -> Callable[[], list[list[Any]]]:
    """What the panel has asked of the review so far, as [action, argument, ...]."""
    return lambda: page.evaluate("review.calls")


@pytest.fixture
def artefacts(tmp_path: Path) -> Path:
    """Where screenshots are kept: SONOLOOP_ARTEFACTS, else with the test."""
    folder = Path(os.environ.get("SONOLOOP_ARTEFACTS", tmp_path)) / "panel"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
