"""The dashboard in a real browser, on a real server with drawn images."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from archives import FakeArchive, make_fakes
from drawn_studies import Studio
from fakes import fake_worker
from forwarding import proxy_to
from sonoloop.active_learning.candidates import Proposal
from sonoloop.evaluation.verdicts import Comparison, GateDecision
from sonoloop.records import Job
from sonoloop.service.outbox import Outbox

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
LAPTOPS = ((1366, 768), (1280, 720))
MARKUP = "Dr <b>Marsh</b> <img src=x onerror=alert(1)>"
SOON_MS = 60_000
WORKER_MS = 300_000  # trainings are niced: on a busy machine they begin late

CUT_OFF = """() => [...document.querySelectorAll(".scroll")]
  .filter((e) => e.scrollWidth > e.clientWidth).map((e) => e.id)"""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens pages; none may ask another host or complain, unless it is ``forgiven``."""
    problems: list[str] = []
    hosts: set[str] = set()
    opened: list[Page] = []

    def opening(url: str, *, forgiven: str = "", **options: Any) -> Page:
        page = browser.new_page(**({"viewport": {"width": 1366, "height": 768}} | options))
        page.set_default_timeout(SOON_MS)
        opened.append(page)
        page.on("request", lambda request: hosts.add(urlparse(request.url).netloc))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("dialog", lambda dialog: problems.append(f"dialog: {dialog.message}"))

        def on_console(message: Any) -> None:
            if message.type in ("error", "warning") and not (forgiven and forgiven in message.text):
                problems.append(message.text)

        page.on("console", on_console)
        page.goto(url)
        hosts.discard(urlparse(url).netloc)
        expect(page.locator("#state")).to_have_text("ready", timeout=SOON_MS)
        hosts.discard(urlparse(url).netloc)
        return page

    expect.set_options(timeout=SOON_MS)
    yield opening
    expect.set_options(timeout=5000)
    for page in opened:
        page.close()
    assert problems == []
    assert {host for host in hosts if not host.startswith("127.0.0.1:")} == set()


@pytest.fixture
def artefacts(tmp_path: Path) -> Path:
    """Where screenshots are kept: SONOLOOP_ARTEFACTS, else with the test."""
    folder = Path(os.environ.get("SONOLOOP_ARTEFACTS", tmp_path / "screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def submit(label_file: Callable[..., Path]) -> Callable[..., None]:
    """Submits the drawn lesion of an image, moved by some columns, as a reader."""

    def submitting(site: Any, image: str, reader: str, pathology: str, moved: int = 0) -> None:
        path = label_file(np.roll(site.lesion, moved, axis=1))
        params = {"reader": reader, "pathology": pathology, "seconds_spent": 40}
        site.client.save_label(image, str(path), params=params)

    return submitting


@pytest.fixture
def worked_at(submit: Callable[..., None]) -> Callable[..., None]:
    """Two readers label, a training publishes, and everything else that a day brings."""

    def working(site: Any, *, reader: str = "reader-1") -> None:
        store, ids = site.service.store, site.ids
        store.assignments.to_any(ids[:3], 2)
        for number, image in enumerate(ids[:3]):
            submit(site, image, reader, "benign")
            submit(site, image, "reader-2", "malignant" if number else "benign", 1 + number)
        for image in ids[3:6]:
            submit(site, image, "reader-2", "benign")
        submit(site, ids[6], "reader-2", "benign", 28)
        assert site.service.quality.wait_until_idle(60)
        site.service.training.wait(site.service.start_training("segmentation", {}).job_id)
        (_, trained) = store.models.list("segmentation")
        figure = Comparison(
            measure="dice",
            candidate=0.871,
            serving=0.866,
            difference=0.005,
            ci95=(-0.003, 0.013),
            margin=0.01,
            patients=61,
        )
        decision = GateDecision(
            verdict="published", reason="not worse than the serving model", figures=(figure,)
        )
        store.gates.write(trained.model_id, decision, against="segmentation-0")
        waiting = store.images.unlabelled_ids()
        proposals = [
            Proposal(image, score=1 - rank / 10, reason="Typical of 40 images that look alike.")
            for rank, image in enumerate(waiting)
        ]
        store.acquisition.set_queue("auto", "m", proposals, labels=7)
        site.service.agreement.overall()  # what it needs is loaded the first time
        store.leases.take(waiting[0], reader, strategy="auto", reason="Typical.", seconds=600)

    return working


@pytest.fixture
def busy_site(make_site: Callable[..., Any], worked_at: Callable[..., None]) -> Iterator[Any]:
    with make_site(command=partial(fake_worker, mode="finish")) as site:
        worked_at(site)
        yield site


def focused(page: Page) -> str:
    """What tells the focused element from the others."""
    told = page.evaluate(
        "document.activeElement.dataset.key ?? document.activeElement.id "
        "?? document.activeElement.tagName"
    )
    return str(told)


def tab_to(page: Page, key: str, *, most: int = 120) -> None:
    """Press the tab key until the control of that key has the focus."""
    for _ in range(most):
        if focused(page) == key:
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"the tab key does not lead to {key!r}")


def test_every_panel_shows_what_has_been_done(
    busy_site: Any, open_page: Callable[..., Page], artefacts: Path
) -> None:
    page = open_page(busy_site.url)

    expect(page.locator("#labelled")).to_have_text("7")
    expect(page.locator("#total")).to_have_text("of 12 images labelled")
    expect(page.locator("#days svg")).to_be_visible()
    readers = page.locator("#readers-list tbody tr")
    expect(readers).to_have_count(3)
    expect(readers.nth(0)).to_contain_text("reader-2")
    expect(readers.nth(0)).to_contain_text("40 s")
    expect(page.locator("#training-segmentation")).to_contain_text("done")
    expect(page.locator("#training-segmentation figure")).to_have_count(2)
    expect(page.locator("#curve-chart .told")).to_contain_text("labels: Dice 0.871")
    expect(page.locator("#models-list tr").nth(1)).to_contain_text("serving")
    expect(page.locator("#models-list tr").nth(1)).to_contain_text("+0.005")
    expect(page.locator("#queue-list tbody tr")).to_have_count(5)
    expect(page.locator("#queue-list")).to_contain_text("Typical of 40 images")
    expect(page.locator("#leases-list")).to_contain_text("min")
    pair = page.locator("#agreement-list tbody").first
    expect(pair).to_contain_text("reader-2")
    expect(pair.locator("td").first).to_have_text("3")
    expect(page.locator("#quality-list tbody tr").first).to_contain_text("Dismiss")
    for (width, height), scheme in zip(LAPTOPS, ("light", "dark"), strict=True):
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.screenshot(path=artefacts / f"dashboard-{width}x{height}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(CUT_OFF) == []


def test_names_that_readers_chose_stay_text(
    site: Any, worked_at: Callable[..., None], open_page: Callable[..., Page]
) -> None:
    worked_at(site, reader=MARKUP)
    page = open_page(site.url)

    expect(page.locator("#readers-list")).to_contain_text(MARKUP)
    expect(page.locator("#leases-list")).to_contain_text(MARKUP)
    expect(page.locator("#agreement-list")).to_contain_text(MARKUP)

    assert page.locator("main b:not(#labelled)").filter(has_text="Marsh").count() == 0
    assert page.locator("img[src=x]").count() == 0


def test_a_new_label_appears_by_itself(
    site: Any, open_page: Callable[..., Page], submit: Callable[..., None]
) -> None:
    page = open_page(site.url)
    expect(page.locator("#labelled")).to_have_text("0")

    submit(site, site.ids[0], "reader-2", "benign")

    expect(page.locator("#labelled")).to_have_text("1")
    expect(page.locator("#readers-list")).to_contain_text("reader-2")


def test_an_empty_workspace_says_so_in_sentences(site: Any, open_page: Callable[..., Page]) -> None:
    page = open_page(site.url)

    for place, sentence in (
        ("days", "No answers in the last two weeks."),
        (
            "training-segmentation",
            "No training yet. Start begins one, on the labels of at least two patients.",
        ),
        ("curve-chart", "The first point comes with the first training here."),
        ("readers-list", "Nobody has labelled an image yet."),
        ("leases-list", "No image is in a reader's hands."),
        ("agreement-list", "No image has been read by two readers yet"),
        ("quality-list", "No label is doubtful."),
        ("queue-list", "No image is queued"),
    ):
        expect(page.locator(f"#{place}")).to_contain_text(sentence)


def test_a_training_is_started_watched_and_stopped_by_keyboard(
    make_site: Callable[..., Any], open_page: Callable[..., Page], submit: Callable[..., None]
) -> None:
    with make_site(command=partial(fake_worker, mode="learn"), stop_grace_s=0.5) as site:
        for image in site.ids[:6]:
            submit(site, image, "reader-2", "benign")
        page = open_page(site.url)

        tab_to(page, "start segmentation")
        page.keyboard.press("Enter")
        block = page.locator("#training-segmentation")
        expect(block.locator(".pill")).to_have_text("running")
        expect(block.locator("figure")).to_have_count(2, timeout=WORKER_MS)
        expect(block).to_contain_text("left")
        line = block.locator("path.line").first
        before = line.get_attribute("d")
        expect(line).not_to_have_attribute("d", str(before))
        tab_to(page, "stop segmentation")
        page.keyboard.press("Enter")
        expect(page.locator("#confirm")).to_be_visible()
        page.keyboard.press("Enter")

        expect(block.locator(".pill")).to_have_text("stopped")
        expect(page.locator("#told")).to_contain_text("training was stopped")
        assert [job.status for job in _trainings(site)] == ["STOPPED"]
        page.close()


def _trainings(site: Any) -> list[Job]:
    return list(site.service.store.jobs.recent("train", 5))


def test_a_refusal_is_told_in_the_servers_words(site: Any, open_page: Callable[..., Page]) -> None:
    page = open_page(site.url, forgiven="status of 409")

    page.get_by_role("button", name="Start training: Outline").click()

    expect(page.locator("#told")).to_contain_text("Too few labels")


def test_rolling_back_needs_the_keyboard_only(
    busy_site: Any, open_page: Callable[..., Page]
) -> None:
    page = open_page(busy_site.url)
    models = busy_site.service.store.models
    trained = models.serving("segmentation").model_id

    tab_to(page, "rollback segmentation")
    page.keyboard.press("Enter")
    expect(page.locator("#confirm-text")).to_contain_text("segmentation-0 serves again")
    page.keyboard.press("Escape")
    expect(page.locator("#confirm")).to_be_hidden()
    assert models.serving("segmentation").model_id == trained
    assert focused(page) == "rollback segmentation"
    page.keyboard.press("Enter")
    page.keyboard.type("worse on small lesions")
    page.keyboard.press("Enter")

    expect(page.locator("#told")).to_contain_text("tation-0 serves again")
    assert models.serving("segmentation").model_id == "segmentation-0"
    assert models.history("segmentation")[0].reason == "worse on small lesions"
    expect(page.get_by_role("button", name=f"Publish {trained}")).to_be_visible()
    tab_to(page, f"publish {trained}")
    page.keyboard.press("Enter")
    page.keyboard.type("it was not")
    page.keyboard.press("Enter")
    expect(page.locator("#told")).to_contain_text("serves now")
    assert models.serving("segmentation").model_id == trained


def test_a_question_right_after_another_is_answered(
    busy_site: Any, open_page: Callable[..., Page]
) -> None:
    page = open_page(busy_site.url)
    page.locator("[data-key='rollback segmentation']").wait_for()
    page.evaluate(
        """() => { // before the page hears that the first question was closed
            const button = document.querySelector("[data-key='rollback segmentation']");
            button.click();
            document.getElementById("confirm").close("no");
            button.click();
        }"""
    )
    page.keyboard.type("worse on small lesions")
    page.keyboard.press("Enter")

    expect(page.locator("#told")).to_contain_text("tation-0 serves again")


def test_a_pin_holds_the_serving_version_until_it_is_taken_off(
    busy_site: Any, open_page: Callable[..., Page]
) -> None:
    page = open_page(busy_site.url)
    models = busy_site.service.store.models

    page.get_by_role("button", name="Pin: Outline").click()
    page.locator("#confirm-field").fill("a study runs")
    page.locator("#confirm-yes").click()
    unpin = page.get_by_role("button", name="Unpin: Outline")
    expect(unpin).to_be_visible()
    pinned = models.pins()["segmentation"].reason
    expect(page.get_by_role("button", name="Roll back: Outline")).to_be_disabled()
    unpin.click()
    expect(page.get_by_role("button", name=re.compile("^Pin: Outline"))).to_be_visible()

    assert pinned == "a study runs"
    assert models.pins() == {}


def test_a_doubt_is_dismissed_with_a_reason(busy_site: Any, open_page: Callable[..., Page]) -> None:
    page = open_page(busy_site.url)
    open_before = sum(busy_site.service.store.quality.counts().values())

    page.locator("#quality-list button").first.click()
    page.locator("#confirm-yes").click()
    expect(page.locator("#confirm")).to_be_visible()  # a reason is needed
    page.locator("#confirm-field").fill("drawn with care")
    page.keyboard.press("Enter")

    expect(page.locator("#told")).to_contain_text("is dismissed")
    expect(page.locator("#quality-list tbody tr")).to_have_count(open_before - 1)
    (flag,) = busy_site.service.store.quality.list(state="dismissed")
    assert flag.reason == "drawn with care"


def test_another_strategy_shows_its_own_queue(
    busy_site: Any, open_page: Callable[..., Page]
) -> None:
    page = open_page(busy_site.url)
    expect(page.locator("#strategy")).to_have_value("auto")

    page.locator("#strategy").select_option("random")

    expect(page.locator("#queue-list")).to_contain_text("it has no queue")


def test_a_cut_connection_is_told_and_mends_by_itself(
    site: Any, open_page: Callable[..., Page], submit: Callable[..., None]
) -> None:
    with proxy_to(site.url) as proxy:
        page = open_page(proxy.url, forgiven="Failed to load resource")

        proxy.cut()
        expect(page.locator("#down")).to_be_visible()
        expect(page.locator("#down")).to_contain_text("The server does not answer since")
        expect(page.locator("#state")).to_have_text("server does not answer")
        submit(site, site.ids[0], "reader-2", "benign")
        proxy.mend()

        expect(page.locator("#down")).to_be_hidden()
        expect(page.locator("#labelled")).to_have_text("1")
        page.close()


def test_a_chart_tells_its_points_by_arrow_keys(
    busy_site: Any, open_page: Callable[..., Page]
) -> None:
    page = open_page(busy_site.url)
    chart = page.locator("#days svg")
    expect(chart).to_have_attribute("aria-valuetext", re.compile(r"\d{4}-\d\d-\d\d: 10 answers"))

    chart.focus()
    page.keyboard.press("ArrowLeft")

    expect(page.locator("#days .told")).to_contain_text("0 answers")
    page.keyboard.press("End")
    expect(page.locator("#days .told")).to_contain_text("10 answers")


def test_it_fits_a_narrow_screen(busy_site: Any, open_page: Callable[..., Page]) -> None:
    page = open_page(busy_site.url, viewport={"width": 390, "height": 800})
    expect(page.locator("#readers-list table")).to_be_visible()

    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.fixture
def archived_site(
    make_site: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[tuple[Any, FakeArchive]]:
    """A site on three DICOM images whose archive does as the test says."""
    archive = FakeArchive(away=True)

    def outbox_to_it(store: Any, _source: Any, settings: Any, **more: Any) -> Outbox:
        return Outbox(store, archive, settings, make=make_fakes, **more)

    monkeypatch.setattr("sonoloop.service.server.Outbox", outbox_to_it)
    studio = Studio(tmp_path / "dicom")
    for number in range(3):
        studio.single("anna", f"image{number}", (40, 60))
    with make_site(studies=studio.folder) as site:
        yield site, archive


def test_what_waits_for_the_archive_is_shown_and_what_it_refused_is_sent_again(
    archived_site: tuple[Any, FakeArchive],
    submit: Callable[..., None],
    open_page: Callable[..., Page],
    artefacts: Path,
) -> None:
    site, archive = archived_site
    page = open_page(site.url)
    panel = page.locator("#outbox-list")
    expect(panel).to_contain_text("No reader has submitted")
    submit(site, site.ids[0], "reader-1", "benign")
    submit(site, site.ids[1], MARKUP, "malignant")
    expect(panel).to_contain_text("The archive does not answer since")
    expect(panel).to_contain_text("2 answers wait since")
    page.locator("#outbox").screenshot(path=artefacts / "outbox-down.png")

    archive.away = False
    expect(panel).to_contain_text("2 of 2 answers in the archive")
    expect(panel).to_contain_text("The archive answers since")

    archive.refuses = True
    submit(site, site.ids[2], MARKUP, "benign")
    expect(panel.locator("tbody tr")).to_contain_text("refuses instance")
    page.locator("#outbox").screenshot(path=artefacts / "outbox-refused.png")
    archive.refuses = False
    panel.get_by_role("button", name="Send again").click()
    expect(page.locator("#told")).to_have_text("1 answer on the way again")
    expect(panel).to_contain_text("3 of 3 answers in the archive")
    assert page.evaluate(CUT_OFF) == []
