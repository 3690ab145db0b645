"""The panel inside the viewer: on the smallest screen, and by keys that both of them know."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import expect

from drawn_studies import Drawn, Studio
from ohif_screen import CHANGED, PREDICTED, Screen

pytestmark = [pytest.mark.browser, pytest.mark.ohif]

SMALLEST: Any = {"width": 1280, "height": 720}
HELD = """() => window.services.toolGroupService.getToolGroup("default")
  .getActivePrimaryMouseButtonTool()"""
VIEW = """() => {
  const { viewportGridService, cornerstoneViewportService } = window.services;
  const id = viewportGridService.getState().activeViewportId;
  const { rotation, flipHorizontal, flipVertical, zoom } =
    cornerstoneViewportService.getCornerstoneViewport(id).getViewPresentation();
  return { rotation, flipHorizontal, flipVertical, zoom };
}"""


@pytest.fixture(scope="module")
def site(studio: Studio, make_site: Callable[..., AbstractContextManager[Any]]) -> Iterator[Any]:
    for name in ("first", "second"):
        studio.single(name, name)
    with make_site(studio.folder) as made:
        yield made


@pytest.fixture
def open_image(
    site: Any, studio: Studio, open_screen: Callable[..., Screen]
) -> Callable[[int], Screen]:
    """Opens an image with its suggestion on the smallest screen that is asked for."""

    def opening(number: int) -> Screen:
        drawn: Drawn = list(studio)[number]
        screen = open_screen(site.url)
        screen.page.set_viewport_size(SMALLEST)
        screen.study(drawn.study, drawn)
        screen.until_shown(drawn.image)
        screen.until_stage(PREDICTED)
        return screen

    return opening


def test_the_keys_of_the_panel_are_not_the_viewers_too(open_image: Callable[[int], Screen]) -> None:
    screen = open_image(0)
    page = screen.page
    before = screen.shown()
    assert before is not None
    for name in ("accept", "submit", "next", "skip"):
        expect(screen.panel.locator(f"[data-part={name}]")).to_be_in_viewport(ratio=1)
    screen.shot("panel-smallest-screen")

    page.keyboard.press("b")
    assert page.evaluate(HELD) == "CircularBrush"
    page.keyboard.press("e")
    assert page.evaluate(HELD) == "CircularEraser"
    page.keyboard.press("z")
    assert page.evaluate(HELD) == "Zoom"

    page.keyboard.press("b")
    screen.drag((20, 20), (40, 30))
    screen.until_stage(CHANGED)
    screen.shot("panel-brush")
    page.keyboard.press("Control+z")
    screen.until_stage(PREDICTED)
    after = screen.shown()
    assert after is not None
    assert np.array_equal(after.lesion, before.lesion)


def test_what_is_typed_in_the_panel_does_not_turn_the_image(
    open_image: Callable[[int], Screen],
) -> None:
    screen = open_image(1)  # the first one is lent to the reader who began to paint on it
    page = screen.page
    before = page.evaluate(VIEW)
    held = page.evaluate(HELD)

    screen.panel.get_by_label("Reader: the name").press_sequentially("rhviz")
    screen.panel.locator("[data-part=skip]").click()
    page.get_by_label("Why").press_sequentially("rhvi =ba")
    screen.shot("panel-skip")
    page.keyboard.press("Escape")
    screen.panel.get_by_role("radio", name="benign", exact=True).focus()
    page.keyboard.press("Space")
    page.keyboard.press("ArrowRight")

    assert page.evaluate(VIEW) == before
    assert page.evaluate(HELD) == held
