"""What goes otherwise than planned: unsaved work, no server, no log-in, no lesion, a skip."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, expect

from drawn_studies import Studio
from forwarding import proxy_to
from ohif_screen import CHANGED, PREDICTED, SUBMITTED, Screen
from served_masks import kept_mask, predicted_mask, revisions

pytestmark = [pytest.mark.browser, pytest.mark.ohif]

STUDIES = ("brush", "guard", "down", "none", "skipped", "undo")
PASSWORD = "twelve quiet sheep"


@pytest.fixture(scope="module")
def site(studio: Studio, make_site: Callable[..., AbstractContextManager[Any]]) -> Iterator[Any]:
    for study in STUDIES:
        studio.single(study, "only")
    with make_site(studio.folder) as made:
        yield made


@pytest.fixture
def opened(site: Any, studio: Studio, open_screen: Callable[..., Screen]) -> Callable[..., Any]:
    """Opens the image of a study, and waits for its suggestion."""

    def opening(study: str, *, url: str = "", **options: Any) -> tuple[Screen, Any]:
        (image,) = (item for item in studio if item.study == Studio.study_of(study))
        screen = open_screen(url or site.url, **options)
        screen.study(image.study, image)
        screen.until_shown(image.image)
        screen.until_stage(PREDICTED)
        return screen, image

    return opening


def paint(screen: Screen, image: Any) -> None:
    """A stroke in a corner that the lesion leaves free."""
    corner = next(
        (column, row)
        for column, row in ((20, 20), (180, 20), (20, 100), (180, 100))
        if not image.mask[row - 12 : row + 12, column - 12 : column + 12].any()
    )
    before = screen.until_shown(image.image).lesion
    screen.drag(corner, (corner[0] + 3, corner[1]))
    screen.until(lambda: (screen.until_shown(image.image).lesion != before).any(), "no paint")
    screen.until_stage(CHANGED)


def test_the_brush_stays_in_hand_on_the_next_image(
    site: Any, studio: Studio, opened: Callable[..., Any]
) -> None:
    screen, image = opened("brush")

    screen.page.keyboard.press("b")
    paint(screen, image)
    screen.answer("benign")
    screen.page.keyboard.press("s")
    screen.until_stage(SUBMITTED)
    with screen.page.expect_response(lambda answer: "/activelearning/" in answer.url) as told:
        screen.page.keyboard.press("n")
    following = told.value.json()["id"]
    screen.until_shown(following)
    screen.until_stage(PREDICTED)
    (next_image,) = (item for item in studio if item.image == following)
    paint(screen, next_image)

    screen.until_stage(CHANGED)
    expect(screen.panel.locator("[data-tool=brush]")).to_have_attribute("aria-pressed", "true")


def test_unsaved_work_is_not_left_without_a_word(site: Any, opened: Callable[..., Any]) -> None:
    screen, image = opened("guard")

    screen.page.keyboard.press("b")
    paint(screen, image)
    painted = screen.until_shown(image.image).lesion
    screen.panel.locator("[data-part=next]").click()
    screen.panel.locator("dialog[data-dialog=leave]").wait_for()
    screen.shot("leave")
    screen.panel.locator("[data-answer=stay]").click()

    expect(screen.panel.locator("dialog[data-dialog=leave]")).to_be_hidden()
    assert (screen.until_shown(image.image).lesion == painted).all()
    assert revisions(site.url, image.image) == []


def test_work_survives_a_server_that_goes_and_comes_back(
    site: Any, opened: Callable[..., Any]
) -> None:
    broken = ("Failed to load resource", "ERR_", "fetch")
    with proxy_to(site.url) as proxy:
        screen, image = opened("down", url=proxy.url, forgiven=broken)
        screen.page.keyboard.press("b")
        paint(screen, image)
        screen.answer("malignant")
        painted = screen.until_shown(image.image).lesion
        proxy.cut()
        screen.page.keyboard.press("s")
        expect(screen.panel.locator("[data-part=connection]")).to_be_visible()
        screen.shot("server-down")
        proxy.mend()
        expect(screen.panel.locator("[data-part=connection]")).to_be_hidden()
        screen.page.keyboard.press("s")
        screen.until_stage(SUBMITTED)

        assert (kept_mask(site.url, image.image) == painted).all()


def test_no_lesion_is_an_answer(site: Any, opened: Callable[..., Any]) -> None:
    screen, image = opened("none")

    screen.panel.locator("[data-part=no-lesion]").click()
    screen.until_stage(CHANGED)
    screen.page.keyboard.press("s")
    screen.until_stage(SUBMITTED)

    (kept,) = revisions(site.url, image.image)
    assert (kept["pathology"], kept["state"]) == ("normal", "submitted")
    assert not kept_mask(site.url, image.image).any()
    assert not screen.until_shown(image.image, marked=False).lesion.any()


def test_an_image_is_skipped_with_a_reason(site: Any, opened: Callable[..., Any]) -> None:
    screen, image = opened("skipped")

    screen.panel.locator("[data-part=skip]").click()
    dialog = screen.panel.locator("dialog[data-dialog=skip]")
    dialog.locator("[data-answer=skip]").click()
    expect(dialog.locator(".problem")).to_have_text("Say why: others read it.")
    dialog.get_by_text("Poor image quality").click()
    screen.shot("skip")
    with screen.page.expect_response(lambda answer: "/sonoloop/skips" in answer.url):
        dialog.locator("[data-answer=skip]").click()

    (skip,) = site.service.store.skips.history(image.image)
    assert skip.reason == "Poor image quality"


def test_a_stroke_is_undone_and_done_again(site: Any, opened: Callable[..., Any]) -> None:
    screen, image = opened("undo")

    def lesion() -> Any:
        return screen.until_shown(image.image).lesion

    screen.page.keyboard.press("b")
    paint(screen, image)
    painted = lesion()
    screen.page.keyboard.press("Control+z")
    screen.until(lambda: (lesion() == image.mask).all(), "the stroke is not undone")
    screen.page.keyboard.press("Control+y")

    screen.until(lambda: (lesion() == painted).all(), "the stroke is not done again")
    assert (predicted_mask(site.url, image.image) == image.mask).all()


def test_with_accounts_the_viewer_opens_after_a_log_in(
    tmp_path: Any,
    make_site: Callable[..., AbstractContextManager[Any]],
    open_screen: Callable[..., Screen],
    new_reader: Callable[[], BrowserContext],
) -> None:
    studio = Studio(tmp_path / "studies")
    image = studio.single("guarded", "only")
    with make_site(studio.folder) as site:
        site.service.accounts.add("anna", "annotator", PASSWORD, actor="it")
        screen = open_screen(site.url, context=new_reader(), forgiven=("401",))

        screen.study(image.study, image)
        screen.page.locator("#username").fill("anna")
        screen.page.locator("#password").fill(PASSWORD)
        screen.shot("log-in")
        screen.page.locator("#enter").click()
        screen.page.wait_for_url("**/ohif/sonoloop?**")
        shown = screen.until_shown(image.image)
        screen.until_stage(PREDICTED)
        screen.page.keyboard.press("a")
        screen.until_stage(SUBMITTED)
        screen.shot("logged-in")

        assert (shown.lesion == image.mask).all()
        assert site.service.store.annotations.latest(image.image).reader == "anna"
