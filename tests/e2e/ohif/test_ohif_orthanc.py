"""The whole way with a PACS: its images in the worklist, the answer back in it as SEG and SR."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from ohif_screen import CHANGED, PREDICTED, SUBMITTED, Screen
from served_masks import kept_mask

pytestmark = [pytest.mark.browser, pytest.mark.ohif, pytest.mark.pacs, pytest.mark.slow]

PATIENTS = ("phantom-01", "phantom-05", "phantom-08")  # grey, RGB, and a JPEG cine
MODE = "Breast review"


@pytest.fixture(scope="module")
def pacs(orthanc_server: Any, sample_studies: Path) -> Iterator[Any]:
    """Orthanc with three patients."""
    orthanc_server.clear()
    for patient in PATIENTS:
        for path in sorted((sample_studies / patient).glob("*.dcm")):
            orthanc_server.store(path)
    yield orthanc_server
    orthanc_server.clear()


@pytest.fixture(scope="module")
def server(pacs: Any, start_ready: Callable[[Path | str], Any]) -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SONOLOOP_PACS_USER", pacs.user)
        patch.setenv("SONOLOOP_PACS_PASSWORD", pacs.password)
        started = start_ready(pacs.url)
    yield started
    started.stop()


@pytest.fixture
def in_pacs(pacs: Any) -> Callable[[str, str], int]:
    """How many instances of a modality a study has in the PACS."""

    def counting(study: str, modality: str) -> int:
        query = {"StudyInstanceUID": study, "Modality": modality}
        found = requests.post(
            f"{pacs.base}/tools/find",
            json={"Level": "Series", "Expand": True, "Query": query},
            auth=pacs.auth,
            timeout=30,
        ).json()
        return sum(len(series["Instances"]) for series in found)

    return counting


def test_an_answer_returns_to_the_archive_as_segmentation_and_report(
    server: Any,
    in_pacs: Callable[[str, str], int],
    open_screen: Callable[..., Screen],
    until: Callable[..., Any],
) -> None:
    screen = open_screen(server.url)

    screen.worklist()
    screen.page.get_by_text("PHANTOM-01").click()
    screen.shot("orthanc-worklist")
    screen.page.get_by_text(MODE).first.click()
    screen.until_stage(PREDICTED)
    suggested = screen.shown()
    assert suggested is not None
    rows, columns = suggested.lesion.shape
    screen.page.keyboard.press("b")
    screen.drag((columns * 0.1, rows * 0.5), (columns * 0.13, rows * 0.55))
    screen.until_stage(CHANGED)
    screen.answer("benign", "3")
    corrected = screen.until_shown(suggested.image)
    screen.page.keyboard.press("s")
    screen.until_stage(SUBMITTED)
    study = screen.page.evaluate("new URL(location).searchParams.get('StudyInstanceUIDs')")
    screen.shot("orthanc-submitted")

    assert (kept_mask(server.url, suggested.image) == corrected.lesion).all()
    for modality in ("SEG", "SR"):
        until(
            lambda modality=modality: in_pacs(study, modality) == 1,
            timeout_s=60,
            what=f"no {modality} in the archive",
        )


@pytest.mark.parametrize("patient", PATIENTS[1:])
def test_colour_and_cines_come_through_the_proxy(
    patient: str, server: Any, open_screen: Callable[..., Screen]
) -> None:
    objects = requests.get(f"{server.url}/datastore/?output=all", timeout=30).json()["objects"]
    studies = {
        entry["image"]["info"]["StudyInstanceUID"]
        for entry in objects.values()
        if entry["image"]["info"]["PatientID"] == patient.upper()
    }
    screen = open_screen(server.url)

    (study,) = studies
    screen.study(study)
    screen.until_stage(PREDICTED)
    screen.shot(f"orthanc-{patient}")

    shown = screen.shown()
    assert shown is not None
    assert shown.mask is not None
