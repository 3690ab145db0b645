"""The dashboard for those who see little, use the keyboard, or listen: by its files and by hand."""

import itertools
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from contrast import SHAPE_CONTRAST, TEXT_CONTRAST, contrast
from sonoloop.web.app import STATIC

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SCRIPTS = sorted(STATIC.rglob("*.js"))
MAX_LINES = 400

NAMELESS = """() => [...document.querySelectorAll(
    "a[href], button, input, select, progress, summary, [tabindex='0'], figure svg, dialog, nav")]
  .filter((e) => e.checkVisibility() && !(e.getAttribute("aria-label") || e.textContent.trim()
    || e.labels?.length || e.getAttribute("aria-labelledby")))
  .map((e) => e.outerHTML.slice(0, 100))"""

HEADINGS = """() => [...document.querySelectorAll("h1, h2, h3")]
  .filter((e) => e.checkVisibility()).map((e) => Number(e.tagName[1]))"""

RING = """() => { const style = getComputedStyle(document.activeElement);
  return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2; }"""


def colours(scheme: str) -> dict[str, str]:
    """Colours of the pages by name, in ``dark`` or ``light``."""
    text = (STATIC / "style.css").read_text()
    dark, light = re.findall(r":root \{(.*?)\}", text, re.DOTALL)[:2]
    found = dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", dark))
    if scheme == "light":
        found |= dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", light))
    return found


@pytest.mark.parametrize("scheme", ["dark", "light"])
class TestColours:
    @pytest.mark.parametrize("text", ["text", "muted", "accent", "warm", "good", "warn"])
    @pytest.mark.parametrize("behind", ["back", "card"])
    def test_text_stands_out(self, scheme: str, text: str, behind: str) -> None:
        known = colours(scheme)

        assert contrast(known[text], known[behind]) >= TEXT_CONTRAST

    @pytest.mark.parametrize("shape", ["accent", "warm", "good", "cool", "edge"])
    def test_lines_bars_and_edges_stand_out(self, scheme: str, shape: str) -> None:
        known = colours(scheme)

        assert contrast(known[shape], known["card"]) >= SHAPE_CONTRAST

    def test_the_text_of_the_strong_button_stands_out(self, scheme: str) -> None:
        known = colours(scheme)

        assert contrast(known["back"], known["accent"]) >= TEXT_CONTRAST


def test_contrast_is_that_of_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
class TestEveryScript:
    def test_it_is_checked_small_and_writes_no_markup(self, path: Path) -> None:
        text = path.read_text()

        assert text.startswith("// @ts-check\n")
        assert len(text.splitlines()) <= MAX_LINES
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text)
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)


@pytest.fixture(scope="module")
def page(shared_site: Any) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        opened = browser.new_page(viewport={"width": 1280, "height": 720})
        opened.goto(shared_site.url)
        expect(opened.locator("#models-list table").first).to_be_visible(timeout=60_000)
        expect(opened.locator("#state")).to_have_text("ready", timeout=60_000)
        yield opened
        browser.close()


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
class TestPage:
    def test_every_control_and_picture_has_a_name(self, page: Page) -> None:
        assert page.evaluate(NAMELESS) == []

    def test_headings_go_down_one_step_at_a_time(self, page: Page) -> None:
        levels = page.evaluate(HEADINGS)

        assert levels[0] == 1
        assert all(after - before <= 1 for before, after in itertools.pairwise(levels))

    def test_the_first_tab_skips_to_the_content(self, page: Page) -> None:
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")

        assert page.evaluate("document.activeElement.id") == "main"

    def test_the_tab_key_visits_every_control_shows_where_it_is_and_comes_out(
        self, page: Page
    ) -> None:
        page.evaluate("document.activeElement.blur()")
        wanted = page.evaluate(
            "() => [...document.querySelectorAll("
            "'main button:not(:disabled), main select, main summary, main [tabindex=\"0\"]')]"
            ".filter((e) => e.checkVisibility()).length"
        )
        visited = []
        for _ in range(100):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement === document.body"):
                break
            assert page.evaluate(RING)
            visited.append(page.evaluate("Boolean(document.activeElement.closest('main'))"))

        assert wanted >= 5
        assert visited.count(True) >= wanted
        assert len(visited) < 100
