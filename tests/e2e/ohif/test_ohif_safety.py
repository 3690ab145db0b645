"""A mask belongs to one image: it arrives whole, stays there, and never comes late to another."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import BrowserContext, Route

from drawn_studies import Drawn, Studio
from ohif_screen import CHANGED, PREDICTED, SUBMITTED, Screen
from served_masks import kept_mask, predicted_mask

pytestmark = [pytest.mark.browser, pytest.mark.ohif]


@pytest.fixture(scope="module")
def site(studio: Studio, make_site: Callable[..., AbstractContextManager[Any]]) -> Iterator[Any]:
    """Pairs of images of one size that say nothing of where they lie, one pair for each test."""
    for study in ("exact", "twins", "late", "brush", "conflict"):
        studio.single(study, "first")
        studio.single(study, "second")
    with make_site(studio.folder) as made:
        yield made


@pytest.fixture
def pair(site: Any, studio: Studio) -> Callable[[str], tuple[Drawn, Drawn]]:
    """The two images of a study."""

    def finding(study: str) -> tuple[Drawn, Drawn]:
        first, second = (item for item in studio if item.study == Studio.study_of(study))
        return first, second

    return finding


def same(found: np.ndarray, wanted: np.ndarray) -> bool:
    return found.shape == wanted.shape and bool(np.array_equal(found > 0, wanted > 0))


def test_a_mask_is_the_same_to_the_pixel_from_the_model_to_the_viewer_to_the_store(
    site: Any, pair: Callable[[str], tuple[Drawn, Drawn]], open_screen: Callable[..., Screen]
) -> None:
    first, _ = pair("exact")
    screen = open_screen(site.url)

    screen.study(first.study, first)
    shown = screen.until_shown(first.image)
    screen.until_stage(PREDICTED)
    screen.page.keyboard.press("a")
    screen.until_stage(SUBMITTED)

    assert shown.lesion.shape == (120, 200)
    assert same(predicted_mask(site.url, first.image), first.mask)
    assert same(shown.lesion, first.mask)
    assert same(kept_mask(site.url, first.image), first.mask)


def test_scrolling_shows_and_keeps_the_mask_of_each_image(
    site: Any, pair: Callable[[str], tuple[Drawn, Drawn]], open_screen: Callable[..., Screen]
) -> None:
    first, second = pair("twins")
    screen = open_screen(site.url)

    screen.study(first.study, first)
    screen.until_shown(first.image)
    screen.until_stage(PREDICTED)
    screen.scroll(1)
    there = screen.until_shown(second.image)
    screen.until_stage(PREDICTED)
    screen.shot("twins-second")
    screen.page.keyboard.press("a")
    screen.until_stage(SUBMITTED)
    screen.scroll(-1)
    back = screen.until_shown(first.image)
    screen.page.keyboard.press("a")
    screen.until(lambda: screen.stage().startswith(SUBMITTED), "not submitted")

    assert not same(first.mask, second.mask)
    assert same(there.lesion, second.mask)
    assert same(back.lesion, first.mask)
    assert same(kept_mask(site.url, first.image), first.mask)
    assert same(kept_mask(site.url, second.image), second.mask)


def test_an_answer_that_comes_late_is_not_drawn_on_the_image_that_is_open_by_then(
    site: Any, pair: Callable[[str], tuple[Drawn, Drawn]], open_screen: Callable[..., Screen]
) -> None:
    first, second = pair("late")
    held: list[Route] = []
    screen = open_screen(site.url)

    def hold(route: Route) -> None:
        if first.image in route.request.url and not held:
            held.append(route)
        else:
            route.continue_()

    screen.page.route("**/infer/**", hold)
    screen.study(first.study, first)
    screen.until(lambda: held, "the first image is not asked for")
    screen.until_shown(first.image, marked=False)
    screen.scroll(1)
    before = screen.until_shown(second.image)
    screen.until_stage(PREDICTED)
    with screen.page.expect_response(lambda answer: first.image in answer.url):
        held[0].continue_()
    screen.page.wait_for_timeout(500)  # what is drawn wrongly would be drawn by now
    after = screen.shown()
    screen.scroll(-1)
    own = screen.until_shown(first.image)

    assert same(before.lesion, second.mask)
    assert after is not None
    assert after.image == second.image
    assert same(after.lesion, second.mask)
    assert same(own.lesion, first.mask)


def test_a_stroke_changes_the_open_image_where_it_is_drawn_and_nowhere_else(
    site: Any, pair: Callable[[str], tuple[Drawn, Drawn]], open_screen: Callable[..., Screen]
) -> None:
    first, second = pair("brush")
    column, row = clear_of(first.mask)
    screen = open_screen(site.url)

    screen.study(first.study, first)
    screen.until_shown(first.image)
    screen.until_stage(PREDICTED)
    screen.page.keyboard.press("b")
    screen.drag((column, row), (column + 3, row))
    screen.until_stage(CHANGED)
    painted = screen.until_shown(first.image)
    screen.shot("brush")
    screen.answer("benign")
    screen.panel.locator("[data-part=submit]").click()
    screen.until_stage(SUBMITTED)
    screen.scroll(1)
    other = screen.until_shown(second.image)

    added = painted.lesion & ~first.mask
    rows, columns = np.nonzero(added)
    assert added.any()
    assert np.hypot(rows - row, columns - column - 1.5).max() < 20
    assert (painted.lesion | first.mask == painted.lesion).all()
    assert same(kept_mask(site.url, first.image), painted.lesion)
    assert same(other.lesion, second.mask)


def clear_of(mask: np.ndarray) -> tuple[int, int]:
    """A pixel far from the lesion, (column, row)."""
    rows, columns = np.nonzero(mask)
    candidates = [(20, 20), (180, 20), (20, 100), (180, 100)]
    return max(candidates, key=lambda place: np.hypot(columns - place[0], rows - place[1]).min())


def test_two_who_work_under_one_name_are_asked_whose_answer_counts(
    site: Any,
    pair: Callable[[str], tuple[Drawn, Drawn]],
    open_screen: Callable[..., Screen],
    new_reader: Callable[[], BrowserContext],
) -> None:
    first, _ = pair("conflict")
    column, row = clear_of(first.mask)
    refused = ("409",)  # browsers report it, and it is what this is about
    here, there = (
        open_screen(site.url, forgiven=refused),
        open_screen(site.url, context=new_reader(), forgiven=refused),
    )

    for screen in (here, there):
        screen.study(first.study, first)
        screen.until_shown(first.image)
        screen.until_stage(PREDICTED)
    there.page.keyboard.press("a")
    there.until_stage(SUBMITTED)
    here.page.bring_to_front()
    here.page.keyboard.press("b")
    here.drag((column, row), (column + 3, row))
    here.until_stage(CHANGED)
    mine = here.until_shown(first.image)
    here.answer("benign")
    here.panel.locator("[data-part=submit]").click()
    here.panel.locator("dialog[data-dialog=conflict]").wait_for()
    here.shot("conflict")
    here.panel.locator("[data-answer=mine]").click()
    here.until_stage(SUBMITTED)

    assert not same(mine.lesion, first.mask)
    assert same(kept_mask(site.url, first.image), mine.lesion)
