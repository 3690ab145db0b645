"""The whole loop with the shipped models, on every kind of image, in a folder and in Orthanc.

From the worklist over outline and correction to SEG and SR; then a training and the new outline.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import expect

from archive_documents import (
    Archive,
    codes_in,
    marked_in,
    of_orthanc,
    over_dicomweb,
    references_in,
)
from ohif_screen import CHANGED, PREDICTED, SUBMITTED, Screen
from phantom_kinds import KINDS, Seen, arrange
from served_masks import kept_mask, predicted_mask

pytestmark = [pytest.mark.browser, pytest.mark.ohif, pytest.mark.slow]

MODE = "Breast review"
LABELS_BESIDES = 6
BIRADS_3, BENIGN = "397143007", "30807003"  # SCT
ARRIVE_S = 60
TRAIN_S = 900


@dataclass(frozen=True)
class Site:
    """The program itself, with the models that come with it.

    Attributes:
        archive: Where its answers go.
        kinds: The images of every kind.
    """

    server: Any
    archive: Archive
    kinds: dict[str, list[Seen]]

    @property
    def url(self) -> str:
        return str(self.server.url)


@pytest.fixture(scope="module", params=["folder", pytest.param("pacs", marks=pytest.mark.pacs)])
def site(
    request: pytest.FixtureRequest,
    start_ready: Callable[[Path | str], Any],
    sample_studies: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    """On a folder, and on Orthanc."""
    studies = tmp_path_factory.mktemp("kinds") / "studies"
    kinds = arrange(sample_studies, studies)
    if request.param == "folder":
        server = start_ready(studies)
        yield Site(server, over_dicomweb(server.url), kinds)
        server.stop()
        return
    pacs = request.getfixturevalue("orthanc_server")
    pacs.clear()
    for path in sorted(studies.glob("*.dcm")):
        pacs.store(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SONOLOOP_PACS_USER", pacs.user)
        patch.setenv("SONOLOOP_PACS_PASSWORD", pacs.password)
        server = start_ready(pacs.url)
    yield Site(server, of_orthanc(pacs), kinds)
    server.stop()
    pacs.clear()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_goes_from_the_worklist_to_seg_and_sr(
    kind: str,
    site: Site,
    open_screen: Callable[..., Screen],
    until: Callable[..., Any],
) -> None:
    # The viewer complains when its page is left while it still draws.
    screen = open_screen(site.url, forgiven=("viewport has been destroyed",))

    screen.worklist()
    screen.page.get_by_text(site.kinds[kind][0].patient).click()
    screen.page.get_by_text(MODE).first.click()
    for number, seen in enumerate(site.kinds[kind]):
        if number:
            screen.study(seen.study, seen)
        corrected = correct_and_submit(screen, seen)
        screen.shot(f"loop-{kind}-{number}")

        segmentation, report = (
            until(
                lambda find=find, seen=seen: find(seen.study, seen.sop, seen.frame),
                timeout_s=ARRIVE_S,
                what=f"no {what} of {seen.image} in the archive",
            )
            for find, what in (
                (site.archive.segmentation_of, "SEG"),
                (site.archive.report_of, "SR"),
            )
        )
        assert (kept_mask(site.url, seen.image) == corrected).all()
        assert (marked_in(segmentation) == corrected).all()
        assert {BIRADS_3, BENIGN} <= codes_in(report)
        assert segmentation.SOPInstanceUID in references_in(report)


def correct_and_submit(screen: Screen, seen: Seen) -> Any:
    """Draw a stroke beside the outline of the AI, say what it is, submit; what was sent."""
    suggested = screen.until_shown(seen.image)
    screen.until_stage(PREDICTED)
    assert (suggested.lesion == predicted_mask(screen.url, seen.image)).all()
    rows, columns = suggested.lesion.shape
    screen.page.keyboard.press("b")
    screen.drag((columns * 0.1, rows * 0.5), (columns * 0.13, rows * 0.55))
    screen.until_stage(CHANGED)
    screen.answer("benign", "3")
    corrected = screen.until_shown(seen.image).lesion
    screen.page.keyboard.press("s")
    screen.until_stage(SUBMITTED)
    assert (corrected & ~suggested.lesion).any()
    return corrected


def test_then_a_training_begins_in_the_viewer_and_the_new_outline_is_shown(
    site: Site,
    label_first: Callable[[Any, int], list[str]],
    publish_held: Callable[[str], str],
    open_screen: Callable[..., Screen],
    tmp_path: Path,
) -> None:
    """After the answers of the test before, and some more of other patients."""
    labelled = label_first(site.server.client(tmp_path), LABELS_BESIDES)
    seen = unlabelled(site, labelled)
    screen = open_screen(site.url)

    screen.study(seen.study, seen)
    before = screen.until_shown(seen.image)
    screen.until_stage(PREDICTED)
    task = screen.panel.locator("[data-task=segmentation]")
    task.get_by_role("button", name="Start training").click()
    expect(task).to_contain_text("epoch", timeout=TRAIN_S * 1000)
    screen.shot("loop-training")
    expect(task.get_by_role("button", name="Stop training")).to_be_hidden(timeout=TRAIN_S * 1000)
    model = publish_held(site.url)
    screen.panel.locator("[data-part=outdated]").wait_for()
    screen.panel.get_by_text("Ask it").click()
    expect(screen.panel.locator("[data-part=outdated]")).to_be_hidden()
    screen.until(
        lambda: (screen.until_shown(seen.image, marked=False).lesion != before.lesion).any(),
        "the outline of the new model is not shown",
    )
    screen.shot("loop-new-outline")

    shown = screen.until_shown(seen.image, marked=False).lesion
    assert (shown == predicted_mask(site.url, seen.image)).all()
    assert task.locator("[data-part=serving]").get_attribute("title") == model


def unlabelled(site: Site, labelled: list[str]) -> Seen:
    """An image that nobody has answered, with something for the AI to find."""
    objects = requests.get(f"{site.url}/datastore/?output=all", timeout=30).json()["objects"]
    answered = {*labelled, *(seen.image for images in site.kinds.values() for seen in images)}
    for image, entry in objects.items():
        info = entry["image"]["info"]
        if image not in answered and "_f" not in image and predicted_mask(site.url, image).any():
            uids = (info["StudyInstanceUID"], info["SeriesInstanceUID"], image)
            return Seen(info["PatientID"], *uids)
    raise AssertionError("every image with a lesion is answered")
