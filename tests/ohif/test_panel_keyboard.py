"""The panel by keyboard: shortcuts, what the viewer hears of them, the way through its controls."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

Show = Callable[..., Page]
Calls = Callable[[], list[list[Any]]]

FOCUSED = """() => {
  const at = document.querySelector("sonoloop-panel").shadowRoot.activeElement;
  if (at === null) return null;
  const outermost = (e) => (e.parentElement === null ? e : outermost(e.parentElement));
  const shown = at.matches(".choice input") ? at.closest("label") : at;
  const style = getComputedStyle(shown);
  return {
    part: outermost(at).dataset.part ?? outermost(at).localName,
    ringed: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
  };
}"""

REACHABLE = """() => [...document.querySelector("sonoloop-panel").shadowRoot
    .querySelectorAll("button, input:not([type=radio]), select")]
  .filter((e) => e.checkVisibility() && !e.disabled).length"""


def heard(page: Page) -> list[str]:
    """Keys that reached the page, where the viewer listens."""
    return page.evaluate("heard")  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("state", "key", "asked"),
    [
        ("predicted", "a", ["accept"]),
        ("editing", "s", ["submit"]),
        ("predicted", "n", ["next"]),
        ("predicted", "b", ["setTool", "brush"]),
        ("predicted", "e", ["setTool", "eraser"]),
        ("editing", "Control+z", ["undo"]),
        ("predicted", "S", ["submit"]),
    ],
)
def test_a_shortcut_does_one_thing_and_the_viewer_hears_nothing(
    show: Show, calls: Calls, state: str, key: str, asked: list[Any]
) -> None:
    page = show(state)
    page.evaluate("document.activeElement.blur()")
    if key == "S":
        page.evaluate("dispatchEvent(new KeyboardEvent('keydown', { key: 'S' }))")
    else:
        page.keyboard.press(key)

    assert calls() == [asked]
    assert [told for told in heard(page) if not told.endswith("Control")] == []


def test_other_keys_stay_the_viewers(show: Show, calls: Calls) -> None:
    page = show("predicted")
    for key in ("z", "r", "Space", "ArrowDown", "Shift+S", "Control+s"):
        page.keyboard.press(key)

    assert calls() == []
    told = [key for key in heard(page) if key.startswith("keydown")]
    assert told == [
        *(f"keydown {key}" for key in ("z", "r", " ", "ArrowDown", "Shift", "S", "Control", "s"))
    ]


def test_keys_are_typed_where_text_is_typed(show: Show, calls: Calls) -> None:
    page = show("predicted")
    page.locator("#field").press_sequentially("sane")
    expect(page.locator("#field")).to_have_value("sane")
    page.get_by_label("Reader: the name your answers are kept under").press_sequentially("sane")

    expect(page.get_by_label("Reader: the name")).to_have_value(re.compile("sane"))
    assert calls() == []


def test_what_is_typed_in_the_panel_turns_nothing_in_the_viewer(show: Show) -> None:
    page = show("predicted")
    page.get_by_label("Reader: the name").press_sequentially("rhvi")
    page.get_by_role("radio", name="normal").focus()
    for key in ("ArrowRight", "ArrowDown", "Space", "Home"):
        page.keyboard.press(key)
    page.get_by_role("button", name="Brush", exact=True).press("Enter")

    assert heard(page) == []


def test_a_key_that_is_held_submits_once(show: Show, calls: Calls) -> None:
    page = show("predicted")
    page.keyboard.down("n")
    page.keyboard.down("n")
    page.keyboard.up("n")

    assert calls() == [["next"]]
    assert heard(page) == []


def test_what_cannot_be_done_is_said(show: Show, calls: Calls) -> None:
    page = show("editing")
    page.keyboard.press("a")

    expect(page.locator('[data-part="news"]')).to_contain_text(
        "not now, the suggestion was changed: submit instead"
    )
    assert calls() == []


@pytest.mark.parametrize("state", ["leaving", "conflict", "login"])
def test_no_shortcut_works_behind_a_question(show: Show, calls: Calls, state: str) -> None:
    page = show(state)
    for key in ("s", "n", "a", "b", "Control+z"):
        page.keyboard.press(key)

    assert calls() == []
    assert heard(page) == []


def test_a_dialogue_of_the_viewer_keeps_its_keys(show: Show, calls: Calls) -> None:
    page = show("predicted")
    page.evaluate(
        """() => {
          const dialog = document.createElement("div");
          dialog.setAttribute("role", "dialog");
          dialog.tabIndex = 0;
          document.body.append(dialog);
          dialog.focus();
        }"""
    )
    page.keyboard.press("s")

    assert calls() == []


def test_the_question_mark_shows_the_list(show: Show, calls: Calls) -> None:
    page = show("predicted")
    page.keyboard.press("?")
    told = page.get_by_role("dialog", name="Keyboard")

    for text in ("Submit your answer", "Next image", "Brush", "Eraser", "Undo", "Redo"):
        expect(told.get_by_text(text, exact=True)).to_be_visible()
    page.keyboard.press("Escape")
    expect(told).to_be_hidden()
    assert calls() == []


@pytest.mark.parametrize("state", ["editing", "cine", "training"])
def test_the_tab_key_visits_every_control_and_shows_where_it_is(show: Show, state: str) -> None:
    page = show(state)
    page.locator("#field").focus()
    wanted = page.evaluate(REACHABLE) + 2  # and one of each group of choices
    visited = []
    for _ in range(wanted + 5):
        page.keyboard.press("Tab")
        at = page.evaluate(FOCUSED)
        if at is None:
            break
        visited.append(at)

    assert all(at["ringed"] for at in visited)
    assert len(visited) == wanted
    parts = [at["part"] for at in visited]
    assert parts[0] == "header"
    assert parts[-1] == "footer"
    assert parts == sorted(parts, key=parts.index), "comes back to a part it has left"


class TestTabsOfTheViewer:
    def test_a_panel_that_was_taken_away_hears_nothing(self, show: Show, calls: Calls) -> None:
        page = show("predicted")
        page.evaluate("() => document.querySelector('sonoloop-panel').remove()")
        page.keyboard.press("s")
        page.evaluate("review.change({ dirty: true })")

        assert calls() == []
        assert heard(page) == ["keydown s", "keypress s"]

    def test_a_panel_that_is_put_back_shows_what_is_and_listens_once(
        self, show: Show, calls: Calls
    ) -> None:
        page = show("editing")
        page.evaluate(
            """() => {
              window.panel = document.querySelector("sonoloop-panel");
              panel.remove();
              review.change(STATES.leaving);
              document.getElementById("side").append(panel);
            }"""
        )
        expect(page.get_by_role("dialog", name="Leave this image?")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_be_hidden()
        page.keyboard.press("s")

        assert calls() == [["confirmLeave", False], ["submit"]]

    def test_a_question_that_was_open_is_no_ghost(self, show: Show) -> None:
        page = show("leaving")
        page.evaluate(
            """() => {
              const panel = document.querySelector("sonoloop-panel");
              panel.remove();
              review.change({ leaving: false });
              document.getElementById("side").append(panel);
            }"""
        )

        expect(page.locator("sonoloop-panel footer")).to_be_visible()
        expect(page.get_by_role("dialog")).to_be_hidden()

    def test_another_review_takes_over(self, show: Show, calls: Calls) -> None:
        page = show("predicted")
        page.evaluate(
            """() => {
              const other = new review.constructor(STATES.saved);
              window.old = review;
              window.review = other;
              registerPanel(other);
            }"""
        )
        expect(page.locator('[data-part="stage"]')).to_have_text("Submitted")
        page.keyboard.press("n")

        assert calls() == [["next"]]
        assert page.evaluate("old.calls") == []
