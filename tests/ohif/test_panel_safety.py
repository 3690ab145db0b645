"""What the panel shows of unsaved work and of refused keys, and what stays in sight."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

pytestmark = [pytest.mark.browser]

Show = Callable[[str], Page]
Calls = Callable[[], list[list[object]]]


def part(page: Page, name: str) -> Locator:
    return page.locator(f'[data-part="{name}"]')


def test_that_the_server_is_away_stays_in_sight_while_the_panel_is_scrolled(show: Show) -> None:
    page = show("down")
    page.set_viewport_size({"width": 420, "height": 500})
    part(page, "training").scroll_into_view_if_needed()

    expect(part(page, "connection")).to_be_in_viewport(ratio=1)


def test_a_refused_key_is_told_on_the_screen(show: Show) -> None:
    page = show("saved")
    page.keyboard.press("s")

    expect(part(page, "news")).to_be_in_viewport(ratio=1)
    expect(part(page, "news")).to_have_text("Submit your answer: not now, it is submitted")


def test_after_a_strategy_is_chosen_letters_are_shortcuts_again(show: Show, calls: Calls) -> None:
    page = show("editing")
    select = page.get_by_label("How the next image is chosen")
    select.focus()
    select.select_option("random")
    page.keyboard.press("s")

    assert calls() == [["setStrategy", "random"], ["submit"]]


def test_why_a_draft_is_not_kept_is_told_in_the_dialogue(show: Show) -> None:
    page = show("leaving")
    page.evaluate(
        """review.saveDraft = async () => {
            review.change({ message: { kind: 'error', text: 'the disk is full' } });
        }"""
    )
    page.get_by_role("button", name="Save a draft and go on").click()

    expect(page.get_by_role("dialog")).to_contain_text("the disk is full")


def test_images_that_hold_changes_are_a_click_away(show: Show, calls: Calls) -> None:
    page = show("elsewhere")
    expect(part(page, "elsewhere")).to_contain_text("2 other images hold changes")
    part(page, "elsewhere").get_by_role("button", name="Open it").click()

    assert calls() == [["openUnsaved"]]


def test_the_button_of_the_explanation_says_what_it_does(show: Show) -> None:
    page = show("explained")

    expect(part(page, "explain")).to_have_text("Hide what spoke for it")
    page.evaluate("review.change({ explanationShown: false })")
    expect(part(page, "explain")).to_have_text("Show what spoke for it")
