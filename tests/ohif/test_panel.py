"""The panel in every state: what is seen, what a click asks for, what a dialogue does."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

COLUMNS_PX = ((210, 1000), (282, 720), (282, 1000))
"""Width and height: narrow, the smallest screen with the viewer's usual column, a larger one."""
FOOTER_BUTTONS = ("accept", "submit", "next", "skip")

Show = Callable[..., Page]
Calls = Callable[[], list[list[Any]]]

SPILLED = """() => {
  const panel = document.querySelector("sonoloop-panel");
  const right = panel.getBoundingClientRect().right + 0.5;
  const isCut = (e) => e.clientWidth > 0 && e.scrollWidth > e.clientWidth + 1;
  return [...panel.shadowRoot.querySelectorAll("*")]
    .filter((e) => e.checkVisibility() && !e.closest(".unseen, dialog, svg"))
    .filter((e) => e.getBoundingClientRect().right > right
      || (e.matches("button, label, p, h3") && isCut(e)))
    .map((e) => `${e.localName}.${e.className} ${e.textContent.slice(0, 40)}`);
}"""

SWITCH = """(name) => {
  review.change(STATES[name]);
  return new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
}"""

NAMELESS = """() => [...document.querySelector("sonoloop-panel").shadowRoot
    .querySelectorAll("button, input, select, textarea, progress, section, dialog, svg[role=img]")]
  .filter((e) => !(e.getAttribute("aria-label") || e.getAttribute("aria-labelledby")
    || e.textContent.trim() || e.labels?.length))
  .map((e) => e.outerHTML.slice(0, 120))"""

CHANGES = """() => {
  const root = document.querySelector("sonoloop-panel").shadowRoot;
  const changes = [];
  const told = ({ type, attributeName, target }) =>
    `${type} ${attributeName ?? ""} of ${target.nodeName}.${target.className}`;
  new MutationObserver((records) => { changes.push(...records.map(told)); })
    .observe(root, { subtree: true, childList: true, attributes: true, characterData: true });
  return new Promise((resolve) => {
    review.change(JSON.parse(JSON.stringify(review.state)));
    requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => resolve(changes))));
  });
}"""


def states(page: Page) -> list[str]:
    return page.evaluate("Object.keys(STATES)")  # type: ignore[no-any-return]


def part(page: Page, name: str) -> Any:
    return page.locator(f'sonoloop-panel [data-part="{name}"]')


@pytest.mark.parametrize(("width", "height"), COLUMNS_PX)
def test_every_state_fits_its_column_and_names_its_controls(
    page: Page, show: Show, width: int, height: int, artefacts: Path
) -> None:
    found = {}
    page.set_viewport_size({"width": 1280, "height": height})
    show("none", width=width)
    for name in states(page):
        page.evaluate(SWITCH, name)
        page.screenshot(path=artefacts / f"{name}-{width}x{height}.png")
        found[name] = page.evaluate(SPILLED) + page.evaluate(NAMELESS)

    assert len(found) > 20
    assert {name: problems for name, problems in found.items() if problems} == {}


@pytest.mark.parametrize("state", ["predicted", "editing", "training", "cine", "markup"])
def test_nothing_is_touched_when_nothing_changes(show: Show, state: str) -> None:
    page = show(state)

    assert page.evaluate(CHANGES) == []


def test_what_the_server_says_is_never_markup(show: Show) -> None:
    page = show("markup")
    root = page.locator("sonoloop-panel")

    expect(part(page, "message")).to_have_text("Dr <b>Marsh</b> <img src=x onerror=alert(1)>")
    assert root.locator("img").count() == 0
    assert root.get_by_text("Dr <b>Marsh</b>").count() >= 5


@pytest.mark.parametrize("state", ["predicted", "cine_full", "threshold"])
def test_the_deeds_stay_in_sight_on_the_smallest_screen(show: Show, state: str) -> None:
    page = show(state)

    for end in (0, 100_000):
        page.evaluate("(y) => document.getElementById('side').scrollTo(0, y)", end)
        for name in FOOTER_BUTTONS:
            box = part(page, name).bounding_box()
            assert box is not None
            assert 0 <= box["y"] <= page.viewport_size["height"] - box["height"]  # type: ignore[index]


class TestDeeds:
    @pytest.mark.parametrize("name", ["accept", "submit", "next", "predict"])
    def test_a_click_asks_for_it_once(self, show: Show, calls: Calls, name: str) -> None:
        part(show("predicted"), name).click()

        assert calls() == [[name]]

    def test_what_cannot_be_done_is_not_asked_for_and_keeps_the_focus(
        self, show: Show, calls: Calls
    ) -> None:
        page = show("editing")
        submit = part(page, "submit")
        submit.click()

        expect(submit).to_be_disabled()
        expect(submit).to_be_focused()
        expect(submit).to_have_attribute("title", "Not now: it is submitted")
        submit.press("Enter")
        assert calls() == [["submit"]]

    def test_a_draft_can_be_saved(self, show: Show, calls: Calls) -> None:
        part(show("editing"), "draft").click()

        assert calls() == [["saveDraft"]]

    def test_the_counts_are_told(self, show: Show) -> None:
        expect(part(show("predicted"), "progress")).to_have_text("312 of 1,247 labelled")


class TestSuggestion:
    def test_probabilities_are_bars_as_long_as_they_are_large(self, show: Show) -> None:
        page = show("predicted")
        row = part(page, "prediction").locator("li.malignant")

        expect(row.locator(".value")).to_have_text("82 %")
        shares = row.evaluate(
            "(e) => e.querySelector('.fill').offsetWidth / e.querySelector('.track').offsetWidth"
        )
        assert shares == pytest.approx(0.82, abs=0.02)

    def test_doubts_are_words_and_numbers(self, show: Show) -> None:
        page = show("unsure")

        expect(part(page, "outline-doubt")).to_have_text("high (0.46)")
        expect(part(page, "pathology-doubt")).to_have_text("high (0.98)")

    def test_the_explanation_is_a_switch_where_it_is_offered(
        self, show: Show, calls: Calls
    ) -> None:
        page = show("predicted")
        part(page, "explain").click()

        expect(part(page, "explain")).to_have_attribute("aria-pressed", "true")
        assert calls() == [["toggleExplanation"]]

    def test_where_it_is_not_offered_the_reason_is_told(self, show: Show) -> None:
        page = show("unsure")

        expect(part(page, "explain")).to_be_hidden()
        expect(part(page, "explain-reason")).to_contain_text("average pooling")

    def test_a_newer_model_can_be_asked(self, show: Show, calls: Calls) -> None:
        page = show("trained")
        part(page, "outdated").get_by_role("button").click()

        assert calls() == [["predict"]]


class TestLesions:
    def test_areas_are_told_and_one_is_painted(self, show: Show) -> None:
        page = show("editing")
        first, second = part(page, "lesions").locator(".pick").all()

        expect(first).to_have_text("Lesion 160.5 mm²")
        expect(second).to_have_attribute("aria-pressed", "true")
        expect(first.locator(".swatch")).to_have_css("background-color", "rgb(221, 84, 84)")

    def test_they_are_added_chosen_and_removed(self, show: Show, calls: Calls) -> None:
        page = show("editing")
        part(page, "add-lesion").click()
        page.get_by_role("button", name="Lesion 1", exact=False).first.click()
        page.get_by_role("button", name="Remove lesion 2").click()

        assert calls() == [["addLesion"], ["selectLesion", 1], ["removeLesion", 2]]
        expect(part(page, "lesions").locator(".pick")).to_have_count(2)

    def test_no_lesion_can_be_said_and_taken_back(self, show: Show, calls: Calls) -> None:
        page = show("editing")
        part(page, "no-lesion").click()
        expect(part(page, "no-lesion")).to_have_attribute("aria-pressed", "true")
        part(page, "no-lesion").click()

        assert calls() == [["noLesion", True], ["noLesion", False]]


class TestTools:
    @pytest.mark.parametrize(
        "tool", ["brush", "eraser", "contour", "threshold", "pan", "windowLevel"]
    )
    def test_a_tool_is_taken_up(self, show: Show, calls: Calls, tool: str) -> None:
        page = show("predicted")
        button = page.locator(f'[data-tool="{tool}"]')
        button.click()

        expect(button).to_have_attribute("aria-pressed", "true")
        assert calls() == [["setTool", tool]]

    def test_brushes_have_sizes_of_the_image(self, show: Show, calls: Calls) -> None:
        page = show("editing")
        page.get_by_role("button", name="Large brush, radius 26 px").click()
        expect(part(page, "brush-size").locator("output")).to_have_text("26 px")
        page.get_by_role("slider", name="Radius of the brush in pixels").press("ArrowRight")

        expect(part(page, "brush-size").locator("output")).to_have_text("27 px")
        assert calls() == [["setBrushSize", 26], ["setBrushSize", 27]]

    def test_the_threshold_stays_a_range(self, show: Show, calls: Calls) -> None:
        page = show("threshold")
        page.get_by_role("slider", name="Darkest grey that is painted").fill("200")

        assert calls() == [["setThreshold", 200, 200]]

    def test_undo_and_redo_wait_for_something_to_undo(self, show: Show, calls: Calls) -> None:
        page = show("editing")
        expect(part(page, "redo")).to_be_disabled()
        part(page, "undo").click()
        expect(part(page, "undo")).to_be_disabled()
        part(page, "redo").click()

        assert calls() == [["undo"], ["redo"]]


class TestAssessment:
    def test_an_answer_is_chosen_and_cleared(self, show: Show, calls: Calls) -> None:
        page = show("predicted")
        page.get_by_role("radio", name="benign", exact=True).check()
        page.get_by_role("radio", name="4B: Moderate suspicion").check()
        expect(part(page, "birads-meaning")).to_contain_text("Moderate suspicion")
        part(page, "clear-answer").click()

        expect(page.get_by_role("radio", name="benign", exact=True)).not_to_be_checked()
        expect(part(page, "hints")).to_have_text("No pathology is chosen yet.")
        assert calls() == [
            ["setPathology", "benign"],
            ["setBirads", "4B"],
            ["setPathology", None],
            ["setBirads", None],
        ]

    def test_contradictions_are_asked_about_and_not_refused(self, show: Show) -> None:
        page = show("contradictory")

        expect(part(page, "hints")).to_contain_text("benign with BI-RADS 5")
        expect(part(page, "submit")).to_be_enabled()


def test_a_marked_frame_is_a_click_away(show: Show, calls: Calls) -> None:
    page = show("cine")
    page.get_by_role("button", name="Frame 41, looked at").click()

    expect(part(page, "frame")).to_have_text("Frame 12 of 120")
    assert calls() == [["openFrame", 40]]


class TestQueue:
    def test_strategies_are_chosen_and_explained(self, show: Show, calls: Calls) -> None:
        page = show("predicted")
        page.get_by_label("How the next image is chosen").select_option("random")

        expect(part(page, "strategy-told")).to_have_text("Any image, drawn at random.")
        expect(part(page, "reason")).to_contain_text("the outline of this one is least sure")
        assert calls() == [["setStrategy", "random"]]

    def test_an_image_is_skipped_with_a_reason_only(self, show: Show, calls: Calls) -> None:
        page = show("predicted")
        part(page, "skip").click()
        asking = page.get_by_role("dialog", name="Skip this image")
        asking.get_by_role("radio", name="Not assessable").check()
        asking.get_by_role("button", name="Answer: not assessable").click()
        expect(asking.get_by_role("alert")).to_have_text("Say why: others read it.")
        assert calls() == []
        asking.get_by_role("button", name="Poor image quality").click()
        asking.get_by_label("Why").press_sequentially(", b")
        asking.get_by_role("button", name="Answer: not assessable").click()

        expect(asking).to_be_hidden()
        assert calls() == [["skip", "not_assessable", "Poor image quality, b"]]

    def test_escape_changes_nothing_and_the_next_question_is_empty(
        self, show: Show, calls: Calls
    ) -> None:
        page = show("predicted")
        part(page, "skip").click()
        page.get_by_label("Why").fill("wrong window")
        page.keyboard.press("Escape")
        expect(part(page, "skip")).to_be_focused()
        part(page, "skip").click()

        expect(page.get_by_label("Why")).to_have_value("")
        assert calls() == []


class TestTraining:
    def test_it_is_started_for_one_task(self, show: Show, calls: Calls) -> None:
        show("predicted").get_by_role("button", name="Start training: Pathology").click()

        assert calls() == [["startTraining", "classification"]]

    def test_it_tells_how_far_it_is(self, show: Show) -> None:
        page = show("training")
        task = page.locator('[data-task="segmentation"]')

        expect(task).to_contain_text("epoch 24 of 60 · 21 min left · best Dice 0.834")
        expect(task.get_by_role("progressbar")).to_have_attribute("aria-valuetext", "40 %")
        expect(task.get_by_role("img")).to_have_attribute(
            "aria-label", "Dice 0.330 at epoch 1, 0.814 at epoch 24, best 0.833"
        )

    def test_it_is_stopped_when_that_is_meant(self, show: Show, calls: Calls) -> None:
        page = show("training")
        page.get_by_role("button", name="Stop training: Outline").click()
        asking = page.get_by_role("dialog", name="Stop the training?")
        asking.get_by_role("button", name="Go on training").click()
        assert calls() == []
        page.get_by_role("button", name="Stop training: Outline").click()
        asking.get_by_role("button", name="Stop", exact=True).click()

        assert calls() == [["stopTraining"]]


class TestConflict:
    def test_both_answers_are_told_and_one_is_chosen(self, show: Show, calls: Calls) -> None:
        page = show("conflict")
        asking = page.get_by_role("dialog", name="Two answers to one image")

        expect(asking).to_contain_text("malignant, BI-RADS 4C2 lesions: 60.5 mm², 4.0 mm²")
        expect(asking).to_contain_text("benign, BI-RADS 31 lesion: 44.7 mm²")
        asking.get_by_role("button", name="Take theirs").click()
        expect(asking).to_be_hidden()
        assert calls() == [["resolveConflict", "theirs"]]

    def test_it_cannot_be_waved_away(self, show: Show, calls: Calls) -> None:
        page = show("conflict")
        asking = page.get_by_role("dialog", name="Two answers to one image")
        for _ in range(3):
            page.keyboard.press("Escape")
        page.evaluate("review.change({ message: null })")

        expect(asking).to_be_visible()
        assert calls() == []

    def test_no_answer_is_one_slip_of_the_keyboard_away(self, show: Show, calls: Calls) -> None:
        page = show("conflict")
        for key in (" ", "Enter", "s", "a", "n"):
            page.keyboard.press(key)

        assert calls() == []


class TestLeaving:
    @pytest.mark.parametrize(
        ("name", "asked"),
        [
            ("Stay here", [["confirmLeave", False]]),
            ("Discard changes", [["confirmLeave", True]]),
            ("Save a draft and go on", [["saveDraft"], ["confirmLeave", True]]),
        ],
    )
    def test_the_reader_says_what_becomes_of_the_work(
        self, show: Show, calls: Calls, name: str, asked: list[list[Any]]
    ) -> None:
        page = show("leaving")
        page.get_by_role("dialog").get_by_role("button", name=name).click()

        expect(page.get_by_role("dialog")).to_be_hidden()
        assert calls() == asked

    def test_escape_stays(self, show: Show, calls: Calls) -> None:
        show("leaving").keyboard.press("Escape")

        assert calls() == [["confirmLeave", False]]

    def test_a_draft_that_was_not_saved_is_not_left(self, show: Show, calls: Calls) -> None:
        page = show("leaving")
        page.evaluate(
            "() => { review.saveDraft = async () => { review.calls.push(['saveDraft']); }; }"
        )
        page.get_by_role("button", name="Save a draft and go on").click()

        assert calls() == [["saveDraft"]]
        expect(page.get_by_role("dialog")).to_be_visible()


class TestServer:
    def test_a_server_that_is_down_is_told_and_counted_down(
        self, page: Page, show: Show, calls: Calls
    ) -> None:
        page.clock.install()
        show("down")
        banner = part(page, "connection")

        expect(banner).to_contain_text("The server does not answer. Your changes stay")
        expect(part(page, "retry")).to_have_text("Next try in 8 s.")
        page.clock.run_for(3000)
        expect(part(page, "retry")).to_have_text("Next try in 5 s.")
        banner.get_by_role("button", name="Try now").click()
        assert calls() == [["refresh"]]
        page.evaluate("review.change({ server: 'ready' })")
        page.clock.run_for(100)
        expect(banner).to_be_hidden()

    def test_a_login_can_wait_for_the_work_in_hand(self, show: Show, calls: Calls) -> None:
        page = show("login")
        asking = page.get_by_role("dialog", name="Please log in")
        expect(asking).to_contain_text("opens in another tab, and your changes stay here")
        asking.get_by_role("button", name="Not now").click()
        page.evaluate("review.change({ message: null })")
        expect(asking).to_be_hidden()
        part(page, "connection").get_by_role("button", name="Log in").click()

        assert calls() == [["login"]]
        page.evaluate("review.change({ server: 'ready' })")
        expect(part(page, "connection")).to_be_hidden()
        page.evaluate("review.change({ server: 'login' })")
        expect(asking).to_be_visible()

    def test_errors_are_alerts_that_can_be_closed(self, show: Show, calls: Calls) -> None:
        page = show("error")
        expect(page.get_by_role("alert").filter(has_text="does not fit its image")).to_be_visible()
        page.get_by_role("button", name="Close this message").click()

        expect(part(page, "message")).to_be_hidden()
        assert calls() == [["dismissMessage"]]


class TestReader:
    def test_a_name_is_kept_while_it_is_typed(self, show: Show, calls: Calls) -> None:
        page = show("predicted")
        field = page.get_by_label("Reader: the name your answers are kept under")
        field.fill("ann")
        page.evaluate("review.change({ progress: { completed: 313, total: 1247 } })")
        expect(part(page, "progress")).to_have_text("313 of 1,247 labelled")
        field.press_sequentially("a")
        field.press("Tab")

        assert calls() == [["setReader", "anna"]]

    def test_a_name_cannot_be_none(self, show: Show, calls: Calls) -> None:
        page = show("predicted")
        field = page.get_by_label("Reader: the name your answers are kept under")
        field.fill("  ")
        field.press("Tab")

        expect(field).to_have_value("reader-1")
        assert calls() == []

    def test_the_name_of_an_account_is_told_and_not_asked(self, show: Show) -> None:
        page = show("account")

        expect(part(page, "reader")).to_contain_text("reader-with-an-account-name")
        expect(page.get_by_label("Reader: the name your answers are kept under")).to_be_hidden()
