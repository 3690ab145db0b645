"""The loop of a reader in the viewer: worklist, suggestion, correction, answer, next image."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from playwright.sync_api import BrowserContext, expect

from ohif_screen import CHANGED, PREDICTED, SUBMITTED, Screen
from served_masks import kept_mask, revisions
from sonoloop.imaging.masks import decode_label_map

pytestmark = [pytest.mark.browser, pytest.mark.ohif, pytest.mark.slow]

STUDIES = 20
LABELS = 8
MODE = "Breast review"
PATIENT_S = 60.0
"""Far more than the 8 and 4 seconds that are wanted: machines that test do other things too."""


@pytest.fixture(scope="module")
def server(start_ready: Callable[[Path | str], Any], sample_studies: Path) -> Iterator[Any]:
    """The program itself on the synthetic studies, with the models that come with it."""
    started = start_ready(sample_studies)
    yield started
    started.stop()


def about(server: Any) -> dict[str, Any]:
    answer: dict[str, Any] = requests.get(f"{server.url}/info/", timeout=30).json()
    return answer


def test_a_study_is_opened_from_the_worklist(
    server: Any, open_screen: Callable[..., Screen]
) -> None:
    screen = open_screen(server.url)

    screen.worklist()
    expect(screen.page.get_by_text("research use, not a medical device")).to_be_visible()
    expect(screen.page.get_by_text(f"of {STUDIES}")).to_be_visible()
    screen.page.get_by_text("PHANTOM-02").click()
    screen.shot("worklist")
    screen.page.get_by_text(MODE).first.click()
    screen.until_stage(PREDICTED)
    screen.shot("opened-from-worklist")

    shown = screen.shown()
    assert shown is not None
    assert shown.mask is not None


def test_the_first_image_comes_with_its_suggestion(
    server: Any,
    sample_truth: Any,
    open_screen: Callable[..., Screen],
    new_reader: Callable[[], BrowserContext],
) -> None:
    """A browser that has never been here."""
    image, study = first_of(server)
    screen = open_screen(server.url, context=new_reader())

    since = time.monotonic()
    screen.study(study)
    shown = screen.until_shown(image)
    seconds = screen.timed("first image with mask, cold browser", since)
    screen.until_stage(PREDICTED)
    screen.shot("first-image")

    assert seconds < PATIENT_S
    for pathology in ("normal", "benign", "malignant"):
        expect(screen.panel.locator(f".bars .{pathology} .value")).to_contain_text("%")
    expect(screen.panel.locator("[data-part=outline-doubt]")).not_to_be_empty()
    truth = (
        np.asarray(
            decode_label_map(
                Path(sample_truth[image].mask_paths[0]).read_bytes(),
                "mask.png",
                shape=shown.lesion.shape,
            )
        )
        > 0
    )
    assert 2 * (truth & shown.lesion).sum() / (truth.sum() + shown.lesion.sum()) > 0.5


def first_of(server: Any) -> tuple[str, str]:
    """The image of the first study that comes first in it, and that study."""
    objects = requests.get(f"{server.url}/datastore/?output=all", timeout=30).json()["objects"]
    infos = {image: entry["image"]["info"] for image, entry in objects.items()}
    patient = {image: info for image, info in infos.items() if info["PatientID"] == "PHANTOM-01"}
    image = min(patient, key=lambda key: int(patient[key].get("InstanceNumber", 0)))
    return image, patient[image]["StudyInstanceUID"]


def test_an_image_is_corrected_submitted_and_the_next_one_opened(
    server: Any, open_screen: Callable[..., Screen]
) -> None:
    image, study = first_of(server)
    before = about(server)["datastore"]["completed"]
    screen = open_screen(server.url)

    screen.study(study)
    suggested = screen.until_shown(image)
    screen.until_stage(PREDICTED)
    rows, columns = suggested.lesion.shape
    screen.page.keyboard.press("b")
    screen.drag((columns * 0.1, rows * 0.5), (columns * 0.13, rows * 0.55))
    screen.until_stage(CHANGED)
    screen.answer("benign", "3")
    corrected = screen.until_shown(image)
    screen.shot("corrected")
    screen.page.keyboard.press("s")
    screen.until_stage(SUBMITTED)
    screen.shot("submitted")
    with screen.page.expect_response(lambda answer: "/activelearning/" in answer.url) as told:
        since = time.monotonic()
        screen.page.keyboard.press("n")
    chosen = told.value.json()["id"]
    shown = screen.until_shown(chosen, marked=False)
    screen.until_stage(PREDICTED)
    seconds = screen.timed("next image with its suggestion", since)
    screen.shot("next")

    newest = revisions(server.url, image)[-1]
    assert seconds < PATIENT_S
    assert (corrected.lesion & ~suggested.lesion).any()
    assert (kept_mask(server.url, image) == corrected.lesion).all()
    assert (newest["pathology"], newest["birads"]) == ("benign", "3")
    assert shown.image == chosen != image
    assert about(server)["datastore"]["completed"] == before + 1


def test_what_was_answered_before_is_shown_again(
    server: Any, open_screen: Callable[..., Screen], new_reader: Callable[[], BrowserContext]
) -> None:
    image, study = first_of(server)
    kept = kept_mask(server.url, image)
    screen = open_screen(server.url, context=new_reader())

    screen.study(study)
    shown = screen.until_shown(image)
    screen.until_stage("Your submitted answer")
    screen.shot("earlier-answer")

    assert (shown.lesion == kept).all()


def test_what_was_answered_lies_in_the_archive_as_segmentation_and_report(
    server: Any, until: Callable[..., Any]
) -> None:
    _, study = first_of(server)

    for modality in ("SEG", "SR"):
        until(
            lambda modality=modality: (
                requests.get(
                    f"{server.url}/dicom-web/studies/{study}/series",
                    {"Modality": modality},
                    headers={"accept": "application/dicom+json"},
                    timeout=30,
                ).text
                not in ("", "[]")
            ),
            timeout_s=60,
            what=f"no {modality} in the archive",
        )
