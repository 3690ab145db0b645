"""What is submitted over HTTP is found in the archive, a folder or a real PACS, as it was said."""

import io
import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from dicomweb_client import DICOMwebClient
from PIL import Image

from drawn_studies import Drawn, Studio
from orthanc import Orthanc
from sonoloop.reporting.foreign import read_segmentation

OUTAGE_S = 60.0

MakeSite = Callable[..., AbstractContextManager[Any]]


def submit(site: Any, drawn: Drawn, *, reader: str = "ann", lesion: bool = True) -> None:
    """Submits the drawn lesion of an image as benign, or that it has none."""
    params: dict[str, Any] = {"reader": reader, "pathology": "benign", "birads": "3"}
    files = {}
    if lesion:
        png = io.BytesIO()
        Image.fromarray(drawn.mask.astype(np.uint8)).save(png, "PNG")
        files = {"label": ("label.png", png.getvalue())}
    else:
        params |= {"pathology": "normal", "birads": "1"}
    reply = site.http.put(
        "/datastore/label",
        params={"image": drawn.image},
        data={"params": json.dumps(params)},
        files=files,
    )
    assert reply.status_code == 200, reply.text


def masks_of(data: bytes) -> dict[tuple[str, int], np.ndarray]:
    """The union of all segments on each image and frame of a segmentation."""
    found: dict[tuple[str, int], np.ndarray] = {}
    for segment in read_segmentation(data):
        where = (segment.image_sop_uid, segment.frame)
        found[where] = found.get(where, np.zeros_like(segment.mask)) | segment.mask
    return found


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    """A grey image, a colour one, and a cine."""
    made = Studio(tmp_path / "dicom")
    made.single("anna", "grey")
    made.single("anna", "colour", (90, 140), colour=True)
    made.cine("berta", "cine")
    return made


def test_what_is_submitted_is_found_in_the_folder_and_read_back_exactly(
    make_site: MakeSite, studio: Studio
) -> None:
    grey, colour, *frames = studio
    with make_site(studies=studio.folder) as site:
        submit(site, grey)
        submit(site, colour, lesion=False)
        submit(site, frames[3])
        submit(site, grey, reader="bob")
        assert site.service.outbox.wait_until_idle(60)

        summary = site.http.get("/info/").json()["sonoloop"]["outbox"]
        assert (summary["verified"], summary["waiting"], summary["failed"]) == (4, 0, 0)
        pacs = DICOMwebClient(f"{site.url}/dicom-web")
        for drawn, count in ((grey, 2), (frames[3], 1)):
            series = [
                entry["0020000E"]["Value"][0]
                for entry in pacs.search_for_series(drawn.study, search_filters={"Modality": "SEG"})
            ]
            assert len(series) == 1
            found = pacs.retrieve_series(drawn.study, series[0])
            newest = max(found, key=lambda one: int(one.InstanceNumber))
            assert [int(one.InstanceNumber) for one in found] == list(range(1, count + 1))
            data = io.BytesIO()
            newest.save_as(data, enforce_file_format=True)
            masks = masks_of(data.getvalue())
            assert list(masks) == [(drawn.sop, drawn.frame or 0)]
            np.testing.assert_array_equal(masks[drawn.sop, drawn.frame or 0], drawn.mask)
        reports = pacs.search_for_instances(search_filters={"Modality": "SR"})
        assert len(reports) == 4
    study = {path.name for path in studio.folder.rglob("*") if path.is_file()}
    assert study == {"anna-grey.dcm", "anna-colour.dcm", "berta-cine.dcm"}


@pytest.mark.parametrize("kept_in", ["folder", pytest.param("pacs", marks=pytest.mark.pacs)])
def test_what_is_withdrawn_is_rejected_in_the_archive(
    kept_in: str,
    make_site: MakeSite,
    studio: Studio,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    studies: Path | str = studio.folder
    if kept_in == "pacs":
        orthanc = request.getfixturevalue("orthanc")
        for path in studio.folder.iterdir():
            orthanc.store(path)
        monkeypatch.setenv("SONOLOOP_PACS_USER", orthanc.user)
        monkeypatch.setenv("SONOLOOP_PACS_PASSWORD", orthanc.password)
        studies = orthanc.url
    frame = list(studio)[4]
    with make_site(studies=studies) as site:
        submit(site, frame)
        assert site.service.outbox.wait_until_idle(60)
        gone = site.http.delete("/datastore/label", params={"id": frame.image, "tag": "final"})
        assert gone.status_code == 200
        assert site.service.outbox.wait_until_idle(60)

        pacs = DICOMwebClient(f"{site.url}/dicom-web")
        (series,) = pacs.search_for_series(frame.study, search_filters={"Modality": "KO"})
        (note,) = pacs.retrieve_series(frame.study, series["0020000E"]["Value"][0])
        (entry,) = site.service.store.outbox.list()

    said = {one.kind: one.address.instance for one in entry.documents}
    rejected = {
        str(element.value)
        for element in note.iterall()
        if element.keyword == "ReferencedSOPInstanceUID"
    }
    assert note.ConceptNameCodeSequence[0].CodeMeaning == "Rejected for Quality Reasons"
    assert rejected == {said["segmentation"], said["report"]}
    assert (entry.state, said["rejection"]) == ("verified", note.SOPInstanceUID)


@pytest.mark.pacs
@pytest.mark.slow
def test_nothing_is_lost_while_the_pacs_is_down_for_a_minute(
    make_site: MakeSite,
    studio: Studio,
    mortal_orthanc: Orthanc,
    monkeypatch: pytest.MonkeyPatch,
    until: Callable[..., None],
) -> None:
    for path in studio.folder.iterdir():
        mortal_orthanc.store(path)
    monkeypatch.setenv("SONOLOOP_PACS_USER", mortal_orthanc.user)
    monkeypatch.setenv("SONOLOOP_PACS_PASSWORD", mortal_orthanc.password)
    with make_site(studies=mortal_orthanc.url) as site:

        def told() -> dict[str, Any]:
            summary: dict[str, Any] = site.http.get("/sonoloop/outbox").json()["summary"]
            return summary

        drawn = list(studio)
        submit(site, drawn[0])
        until(lambda: told()["verified"] == 1)
        mortal_orthanc.kill()
        since = time.monotonic()
        for image in drawn[1:]:
            submit(site, image)
        until(lambda: not told()["archive"]["reachable"])
        assert "cannot be reached" in told()["archive"]["problem"]
        while time.monotonic() - since < OUTAGE_S:
            time.sleep(OUTAGE_S / 10)
            assert told()["archive"]["reachable"] is False
        submit(site, drawn[0], reader="bob")
        assert (told()["waiting"], told()["failed"]) == (len(drawn), 0)
        board = site.http.get("/sonoloop/board").json()["outbox"]
        assert board["waiting"] == len(drawn)

        mortal_orthanc.start()
        until(lambda: told()["verified"] == len(drawn) + 1, timeout_s=2 * OUTAGE_S)
        assert told()["archive"]["reachable"] is True

        segmentations = [masks_of(data) for data in mortal_orthanc.instances("SEG")]
        reports = [pydicom.dcmread(io.BytesIO(data)) for data in mortal_orthanc.instances("SR")]
        assert len(segmentations) == len(reports) == len(drawn) + 1
        for image in drawn:
            where = (image.sop, image.frame or 0)
            kept = [masks[where] for masks in segmentations if where in masks]
            assert len(kept) == (2 if image is drawn[0] else 1)
            for mask in kept:
                np.testing.assert_array_equal(mask, image.mask)
        assert len({str(report.SOPInstanceUID) for report in reports}) == len(reports)
