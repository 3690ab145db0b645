"""The page for images of one's own, in a real browser."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, Route, expect, sync_playwright

from canvas import COUNT_TINTED
from explaining import load_explaining
from sonoloop.imaging.write_dicom import UltrasoundDicom, stable_uid, write_ultrasound_dicom

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SPACING_MM = (0.2, 0.1)
FRAMES = 3

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]

DROP = """([name, bytes]) => {
  const files = new DataTransfer();
  files.items.add(new File([new Uint8Array(bytes)], name));
  document.dispatchEvent(new DragEvent("drop", { dataTransfer: files, cancelable: true }));
}"""


@pytest.fixture(scope="module")
def site(make_module_site: Any) -> Iterator[Any]:
    """A server of this module whose pipeline explains what it says."""
    with make_module_site(load_pipeline=load_explaining(None)) as made:
        yield made


@pytest.fixture(scope="module")
def asked() -> list[str]:
    """Hosts the page asked for something."""
    return []


@pytest.fixture(scope="module")
def opened(site: Any, asked: list[str]) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        problems: list[str] = []
        page.on("request", lambda request: asked.append(urlparse(request.url).netloc))
        page.on("console", lambda message: problems.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: problems.append(f"error: {error}"))
        yield page
        expected = ("status of 4", "ERR_FAILED", "status of 503")  # what the tests provoke
        unexpected = [told for told in problems if not any(word in told for word in expected)]
        assert unexpected == []
        browser.close()


@pytest.fixture
def page(opened: Page, site: Any) -> Page:
    """The page, without an image."""
    opened.goto(f"{site.url}/try")
    return opened


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture without calibration: a lesion of 20 x 30 pixels."""
    path = tmp_path_factory.mktemp("photo") / "my image (2).png"
    pixels = np.zeros((64, 96), dtype=np.uint8)
    pixels[10:30, 20:50] = 220
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture(scope="module")
def cine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A calibrated cine: the lesion is 10, 12 and 14 rows high."""
    path = tmp_path_factory.mktemp("cine") / "cine.dcm"
    frames = np.zeros((FRAMES, 48, 64), dtype=np.uint8)
    for number in range(FRAMES):
        frames[number, 10 : 20 + 2 * number, 16:46] = 220
    uid = stable_uid("test", "try", "cine")
    write_ultrasound_dicom(path, frames, dicom(uid), cine=True)
    return path


def dicom(uid: str) -> UltrasoundDicom:
    return UltrasoundDicom(
        sop_instance_uid=uid,
        series_instance_uid=stable_uid(uid, "series"),
        study_instance_uid=stable_uid(uid, "study"),
        patient_id="P",
        spacing_mm=SPACING_MM,
    )


def choose(page: Page, path: Path) -> None:
    page.locator("#file").set_input_files(path)
    expect(page.locator("#doing")).to_contain_text("Analysed")


def pool(site: Any) -> int:
    return int(site.http.get("/info/").json()["datastore"]["total"])


def sessions(site: Any) -> list[Path]:
    return list(site.service.store.paths.sessions.iterdir())


def test_it_says_what_it_is_and_keeps_nothing(page: Page) -> None:
    expect(page.locator(".notice").first).to_contain_text("not a medical device")
    expect(page.locator("#private")).to_contain_text("Nothing is kept")
    expect(page.locator("#state")).to_have_text("ready")


def test_a_picture_without_calibration_is_measured_in_pixels(page: Page, photo: Path) -> None:
    choose(page, photo)

    sizes = page.locator("#lesions")
    expect(sizes).to_contain_text("Area600 px")
    expect(sizes).to_contain_text("Long axis36 px")
    expect(sizes).not_to_contain_text("mm")
    expect(page.locator("#scale")).to_contain_text("states no calibration")
    expect(page.locator("#verdict")).to_have_text("Most probable: malignant (70 %)")
    expect(page.locator(".bar.most")).to_contain_text("malignant70 %")
    assert page.evaluate(COUNT_TINTED) == 600


def test_each_frame_of_a_cine_is_measured_in_millimetres(page: Page, cine: Path) -> None:
    choose(page, cine)
    expect(page.locator("#frame-told")).to_have_text("1 of 3")
    expect(page.locator("#lesions")).to_contain_text("Height2.0 mm")
    expect(page.locator("#lesions")).to_contain_text("Width3.0 mm")
    expect(page.locator("#scale")).to_contain_text("0.2000 mm a row, 0.1000 mm a column")

    page.locator("#frame").focus()
    page.keyboard.press("End")

    expect(page.locator("#frame-told")).to_have_text("3 of 3")
    expect(page.locator("#lesions")).to_contain_text("Height2.8 mm")
    expect(page.locator("#on")).to_be_disabled()
    assert page.evaluate(COUNT_TINTED) == 14 * 30

    page.locator("#back").click()

    expect(page.locator("#frame-told")).to_have_text("2 of 3")
    expect(page.locator("#lesions")).to_contain_text("Height2.4 mm")


def test_outline_fill_and_explanation_are_switched_by_keyboard(page: Page, photo: Path) -> None:
    choose(page, photo)

    page.keyboard.press("o")
    assert page.evaluate(COUNT_TINTED) == 0
    expect(page.locator("#outline")).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("o")
    page.locator("#fill").fill("0")
    assert page.evaluate(COUNT_TINTED) == 2 * (20 + 30) - 4
    page.keyboard.press("g")

    expect(page.locator("#explain-note")).to_contain_text("what spoke for malignant")
    expect(page.locator("#explain")).to_have_attribute("aria-pressed", "true")
    assert page.evaluate(COUNT_TINTED) >= 18 * 28


def test_a_dropped_file_is_shown(page: Page, photo: Path) -> None:
    page.evaluate(DROP, ["dropped.png", list(photo.read_bytes())])

    expect(page.locator("#name")).to_have_text("dropped.png")
    expect(page.locator("#verdict")).to_contain_text("malignant")


def test_it_enters_no_pool_and_is_deleted_when_the_page_is_left(
    page: Page, site: Any, photo: Path, until: Any
) -> None:
    before = pool(site)
    choose(page, photo)
    held = sessions(site)

    page.goto(f"{site.url}/look")

    assert len(held) == 1
    until(lambda: sessions(site) == [])
    assert pool(site) == before


def test_it_is_kept_for_labelling_when_that_is_asked_for(
    page: Page, site: Any, photo: Path, until: Any
) -> None:
    before = pool(site)
    choose(page, photo)

    page.locator("#keep").click()

    expect(page.locator("#kept")).to_contain_text("Kept: my-image-2")
    expect(page.locator("#keep")).to_be_disabled()
    expect(page.locator("#private")).to_be_hidden()
    until(lambda: pool(site) == before + 1)
    record = site.service.store.images.get("my-image-2")
    assert (record.rows, record.columns, record.labelled) == (64, 96, False)
    assert site.service.store.annotations.history("my-image-2") == []


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("notes.dcm", b"no image", "neither DICOM with its preamble nor PNG"),
        ("empty.png", b"", "0 bytes"),
        ("cut.png", b"\x89PNG\r\n\x1a\n" + bytes(20), "header cannot be parsed"),
        ("tiny.png", None, "32"),
    ],
)
def test_a_file_that_cannot_be_read_is_told(
    page: Page, tmp_path: Path, name: str, data: bytes | None, sentence: str
) -> None:
    path = tmp_path / name
    if data is None:
        Image.fromarray(np.zeros((8, 8), dtype=np.uint8)).save(path)
    else:
        path.write_bytes(data)

    page.locator("#file").set_input_files(path)

    expect(page.locator("#problem-title")).to_have_text(f"{name} cannot be shown.")
    expect(page.locator("#problem-text")).to_contain_text(sentence)
    expect(page.locator("#canvas")).to_be_hidden()
    expect(page.locator("#keeping")).to_be_hidden()


def test_a_file_that_is_too_large_is_told(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "large.dcm"
    path.write_bytes(bytes(3 * 2**20))

    page.locator("#file").set_input_files(path)

    expect(page.locator("#problem-text")).to_contain_text("larger than this server takes (2 MB)")


def test_a_server_that_is_away_is_told_and_asked_again(page: Page, photo: Path) -> None:
    page.route("**/session/**", lambda route: route.abort())
    page.locator("#file").set_input_files(photo)
    expect(page.locator("#problem-text")).to_contain_text("server does not answer")

    page.unroute("**/session/**")
    page.locator("#again").click()

    expect(page.locator("#doing")).to_contain_text("Analysed")
    expect(page.locator("#problem")).to_be_hidden()


def test_the_picture_is_shown_where_no_model_answers(page: Page, photo: Path) -> None:
    def no_model(route: Route) -> None:
        told = {"detail": "no model published yet", "code": "not_found"}
        route.fulfill(status=404, json=told)

    page.route("**/infer/**", no_model)
    page.locator("#file").set_input_files(photo)

    expect(page.locator("#problem-title")).to_have_text("There are no findings.")
    expect(page.locator("#problem-text")).to_have_text("No model published yet.")
    expect(page.locator("#canvas")).to_be_visible()
    expect(page.locator("#keeping")).to_be_visible()
    page.unroute("**/infer/**")


def test_the_answer_for_one_file_is_never_shown_with_the_next(
    page: Page, photo: Path, cine: Path
) -> None:
    waiting: list[Route] = []
    page.route("**/infer/**", lambda route: waiting.append(route))
    with page.expect_request("**/infer/**"):
        page.locator("#file").set_input_files(photo)
    page.unroute("**/infer/**")
    choose(page, cine)

    for route in waiting:
        route.fulfill(status=200, json={})

    expect(page.locator("#name")).to_have_text("cine.dcm")
    expect(page.locator("#lesions")).to_contain_text("Height2.0 mm")
    expect(page.locator("#problem")).to_be_hidden()


def test_every_control_has_a_name_and_problems_are_announced(page: Page, photo: Path) -> None:
    choose(page, photo)

    nameless = page.evaluate(
        """() => [...document.querySelectorAll("button, input, canvas, progress, [role=region]")]
        .filter((e) => !(e.textContent.trim() || e.labels?.length || e.ariaLabel ||
          e.getAttribute("aria-label") || e.getAttribute("aria-labelledby"))).map((e) => e.id)"""
    )

    assert nameless == []
    expect(page.locator("#problem")).to_have_attribute("role", "alert")
    expect(page.locator("#doing")).to_have_attribute("role", "status")
    label = page.locator("#canvas").get_attribute("aria-label")
    assert label == "Ultrasound image my image (2).png: 1 lesion outlined, malignant 70 %"


def test_it_fits_a_narrow_screen(page: Page, photo: Path) -> None:
    choose(page, photo)
    page.set_viewport_size({"width": 380, "height": 800})

    wide = page.evaluate("document.documentElement.scrollWidth")
    page.set_viewport_size({"width": 1280, "height": 900})

    assert wide <= 380


def test_it_asks_nobody_but_its_server(page: Page, site: Any, asked: list[str]) -> None:
    expect(page.locator("#state")).to_have_text("ready")

    assert set(asked) == {urlparse(site.url).netloc}


def test_the_dashboard_leads_to_it(page: Page, site: Any) -> None:
    page.goto(site.url)
    page.get_by_role("link", name="Try your own").click()

    expect(page).to_have_url(f"{site.url}/try")


def test_it_is_served_with_the_policy_of_the_pages(site: Any) -> None:
    reply = site.http.get("/try")

    assert "script-src 'self'" in reply.headers["content-security-policy"]
    assert "default-src 'none'" in reply.headers["content-security-policy"]
