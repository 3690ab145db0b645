"""The page that shows one image, in a real browser."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from canvas import COUNT_TINTED

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]


@pytest.fixture(scope="module")
def asked() -> list[str]:
    """Hosts the page asked for something."""
    return []


@pytest.fixture(scope="module")
def page(shared_site: Any, asked: list[str]) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        opened = browser.new_page(viewport={"width": 1280, "height": 900})
        problems: list[str] = []
        opened.on("request", lambda request: asked.append(urlparse(request.url).netloc))
        opened.on("console", lambda message: problems.append(f"{message.type}: {message.text}"))
        opened.on("pageerror", lambda error: problems.append(str(error)))
        opened.goto(f"{shared_site.url}/look")
        yield opened
        refused = "status of 422"  # the file that is no image
        assert [told for told in problems if "error" in told.lower() and refused not in told] == []
        browser.close()


def test_it_shows_state_models_and_the_notice(page: Page) -> None:
    expect(page.locator("#state")).to_have_text("ready")
    expect(page.locator("#models")).to_contain_text("segmentation-0")
    expect(page.locator(".notice")).to_contain_text("not a medical device")


def test_it_outlines_the_next_image_and_keys_work(page: Page) -> None:
    expect(page.locator("#canvas")).to_be_visible()
    expect(page.locator(".bar.most")).to_contain_text("malignant70 %")
    assert page.evaluate(COUNT_TINTED) == 150

    page.keyboard.press("o")
    assert page.evaluate(COUNT_TINTED) == 0
    expect(page.locator("#toggle")).to_have_attribute("aria-pressed", "false")

    page.keyboard.press("o")
    page.keyboard.press("n")
    expect(page.locator("#canvas")).to_be_visible()


def test_looking_lends_the_image_to_nobody(page: Page, shared_site: Any) -> None:
    expect(page.locator("#canvas")).to_be_visible()

    assert shared_site.service.store.leases.active() == []


def test_a_file_of_ones_own_is_analysed_and_forgotten(
    page: Page, shared_site: Any, tmp_path: Path
) -> None:
    path = tmp_path / "mine.png"
    pixels = np.zeros((64, 96), dtype=np.uint8)
    pixels[10:30, 20:50] = 220
    Image.fromarray(pixels).save(path)

    page.locator("#file").set_input_files(path)

    expect(page.locator("#facts")).to_contain_text("mine.png")
    expect(page.locator("#facts")).to_contain_text("600 px")
    expect(page.locator("#next-title")).to_have_text("Your image")
    assert page.evaluate(COUNT_TINTED) == 600


def test_a_file_that_is_no_image_is_told(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "notes.dcm"
    path.write_text("no image")

    page.locator("#file").set_input_files(path)

    expect(page.locator("#message")).to_contain_text("neither DICOM")


def test_it_asks_nobody_but_its_server(page: Page, shared_site: Any, asked: list[str]) -> None:
    page.reload()
    expect(page.locator("#canvas")).to_be_visible()

    assert set(asked) == {urlparse(shared_site.url).netloc}


def test_it_fits_a_narrow_screen(page: Page) -> None:
    page.set_viewport_size({"width": 380, "height": 800})

    wide = page.evaluate("document.documentElement.scrollWidth")

    assert wide <= 380
