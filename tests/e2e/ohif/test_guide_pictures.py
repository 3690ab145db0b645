"""The pictures of the guides: taken from the running program with SONOLOOP_DOCS_IMAGES=1."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import pytest
import requests
from PIL import Image
from playwright.sync_api import BrowserContext, Page, expect

from ohif_screen import CHANGED, PREDICTED, SUBMITTED, Screen

DOCS: Final = Path(__file__).parents[3] / "docs"
IMAGES: Final = DOCS / "images"
GUIDES: Final = ("radiologist.md", "it.md", "slicer.md")
PREFIX: Final = "guide-"
WIDTH_PX: Final = 1200
COLOURS: Final = (256, 200, 128, 80, 48)
MAX_BYTES: Final = 250_000
MODE: Final = "Breast review"
PASSWORD: Final = "synthetic images only"

TAKEN: Final = frozenset(
    f"{PREFIX}{name}.png"
    for name in (
        *("worklist", "review", "explained", "corrected", "submitted", "conflict", "skip"),
        *("training", "cine", "try", "dashboard", "login"),
    )
)


def test_the_guides_show_what_is_taken_here() -> None:
    shown = {
        name
        for guide in GUIDES
        for name in re.findall(rf"images/({PREFIX}[\w-]+\.png)", (DOCS / guide).read_text())
    }

    assert shown == TAKEN
    assert {path.name for path in IMAGES.glob(f"{PREFIX}*.png")} == TAKEN


def keep(page: Page, name: str) -> None:
    """Keep what the page shows as a picture of the guides: narrower, in few colours."""
    file = f"{PREFIX}{name}.png"
    assert file in TAKEN
    page.mouse.move(2, 2)
    picture = Image.open(BytesIO(page.screenshot())).convert("RGB")
    height = round(picture.height * WIDTH_PX / picture.width)
    picture = picture.resize((WIDTH_PX, height), Image.Resampling.LANCZOS)
    for colours in COLOURS:
        stream = BytesIO()
        few = picture.quantize(
            colours, method=Image.Quantize.MEDIANCUT, kmeans=3, dither=Image.Dither.NONE
        )
        few.save(stream, "PNG", optimize=True)
        if stream.tell() <= MAX_BYTES:
            break
    assert stream.tell() <= MAX_BYTES
    (IMAGES / file).write_bytes(stream.getvalue())


if os.environ.get("SONOLOOP_DOCS_IMAGES"):
    pytestmark = [pytest.mark.browser, pytest.mark.ohif, pytest.mark.slow]

    @pytest.fixture(scope="module")
    def server(start_ready: Callable[[Path | str], Any], sample_studies: Path) -> Iterator[Any]:
        started = start_ready(sample_studies)
        yield started
        started.stop()

    @pytest.fixture
    def study_of(server: Any) -> Callable[[str], str]:
        """StudyInstanceUID of a patient of the sample data."""

        def finding(patient: str) -> str:
            answer = requests.get(f"{server.url}/datastore/?output=all", timeout=30).json()
            infos = [entry["image"]["info"] for entry in answer["objects"].values()]
            return str(next(i["StudyInstanceUID"] for i in infos if i["PatientID"] == patient))

        return finding

    def test_worklist(server: Any, open_screen: Callable[..., Screen]) -> None:
        screen = open_screen(server.url)
        screen.worklist()
        screen.page.get_by_text("PHANTOM-02").click()
        expect(screen.page.get_by_text(MODE).first).to_be_visible()

        keep(screen.page, "worklist")

    def test_review_correction_and_answer(
        server: Any, open_screen: Callable[..., Screen], study_of: Callable[[str], str]
    ) -> None:
        screen = open_screen(server.url)
        screen.study(study_of("PHANTOM-02"))
        screen.until_stage(PREDICTED)
        shown = screen.shown()
        assert shown is not None
        screen.until_shown(shown.image)
        keep(screen.page, "review")

        explain = screen.panel.locator("[data-part=explain]")
        explain.click()
        expect(explain).to_have_attribute("aria-pressed", "true")
        screen.page.wait_for_timeout(1500)  # until it is drawn
        keep(screen.page, "explained")
        explain.click()

        rows, columns = shown.lesion.nonzero()
        top = float(rows.min())
        middle = float(columns[rows == rows.min()].mean())
        screen.page.keyboard.press("b")
        screen.drag((middle - 6, top), (middle, top - 3), (middle + 6, top))
        screen.until_stage(CHANGED)
        screen.panel.locator("label[data-value=benign]").click()
        screen.panel.locator("label[data-value='3']").click()
        keep(screen.page, "corrected")

        screen.page.keyboard.press("s")
        screen.until_stage(SUBMITTED)
        keep(screen.page, "submitted")

    def test_conflict(
        server: Any,
        open_screen: Callable[..., Screen],
        new_reader: Callable[[], BrowserContext],
        study_of: Callable[[str], str],
    ) -> None:
        """One reader in two windows."""
        screen, other = (
            open_screen(server.url, context=new_reader(), forgiven=("409",)) for _ in range(2)
        )
        for window in (screen, other):
            window.study(study_of("PHANTOM-04"))
            window.until_stage(PREDICTED)
        other.panel.locator("label[data-value=malignant]").click()
        other.panel.locator("label[data-value='4B']").click()
        other.panel.locator("[data-part=submit]").click()
        other.until_stage(SUBMITTED)
        screen.page.bring_to_front()
        screen.panel.locator("label[data-value=benign]").click()
        screen.until_stage(CHANGED)
        screen.panel.locator("[data-part=submit]").click()
        screen.panel.locator("dialog[data-dialog=conflict]").wait_for(timeout=20_000)

        keep(screen.page, "conflict")
        screen.panel.locator("[data-answer=theirs]").click()

    def test_cine_and_skip(
        server: Any, open_screen: Callable[..., Screen], study_of: Callable[[str], str]
    ) -> None:
        screen = open_screen(server.url)
        screen.study(study_of("PHANTOM-08"))
        screen.until_stage(PREDICTED)
        frames = screen.panel.locator("[data-part=frame]")
        screen.until(lambda: _to_cine(screen, frames), "the cine is not shown")
        screen.scroll(1)
        screen.until(lambda: "Frame 2" in frames.inner_text(), "the second frame is not shown")
        screen.until_stage(PREDICTED)
        keep(screen.page, "cine")

        screen.panel.locator("[data-part=skip]").click()
        screen.panel.locator("dialog[data-dialog=skip]").wait_for()
        keep(screen.page, "skip")

    def _to_cine(screen: Screen, frames: Any) -> bool:
        if frames.is_visible():
            return True
        thumbnails = screen.page.locator("[id^=thumbnail-]")
        thumbnails.nth(1).dblclick()
        screen.page.wait_for_timeout(2000)
        return bool(frames.is_visible())

    def test_training(
        server: Any,
        open_screen: Callable[..., Screen],
        study_of: Callable[[str], str],
        label_first: Callable[[Any, int], list[str]],
        tmp_path: Path,
    ) -> None:
        label_first(server.client(tmp_path), 8)
        screen = open_screen(server.url)
        screen.study(study_of("PHANTOM-06"))
        screen.until_stage(PREDICTED)
        start = screen.panel.get_by_role("button", name="Start training: Outline")
        start.scroll_into_view_if_needed()
        start.click()
        task = screen.panel.locator("[data-task=segmentation]")
        screen.until(lambda: "epoch 1" in task.inner_text(), "no training runs", seconds=900)
        task.scroll_into_view_if_needed()
        keep(screen.page, "training")
        requests.delete(f"{server.url}/train/", timeout=60).raise_for_status()

    def test_try_page(server: Any, reader: BrowserContext, sample_studies: Path) -> None:
        page = reader.new_page()
        page.goto(f"{server.url}/try")
        page.locator("#file").set_input_files(next(sample_studies.rglob("phantom-02-1.dcm")))
        expect(page.locator("#doing")).to_contain_text("Analysed", timeout=60_000)

        keep(page, "try")
        page.close()

    def test_dashboard(server: Any, reader: BrowserContext) -> None:
        page = reader.new_page()
        page.goto(server.url)
        expect(page.locator("#models-list table").first).to_be_visible(timeout=60_000)
        expect(page.locator("#queue-list table").first).to_be_visible(timeout=60_000)

        keep(page, "dashboard")
        page.close()

    def test_login(server: Any, new_reader: Callable[[], BrowserContext]) -> None:
        """The last one: from here on the server wants a name."""
        program = Path(sys.executable).parent / "sonoloop"
        subprocess.run(
            [str(program), "accounts", "add", "anna", "--workspace", str(server.workspace)],
            input=f"{PASSWORD}\n",
            text=True,
            check=True,
            capture_output=True,
        )
        page = new_reader().new_page()
        page.goto(f"{server.url}/ohif/")
        expect(page).to_have_url(re.compile("/login"))
        page.get_by_label("Name").fill("anna")

        keep(page, "login")
        page.close()
