"""A cine in a session: each frame is shown, analysed and explained as itself."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from explaining import load_explaining
from sonoloop.imaging.write_dicom import UltrasoundDicom, stable_uid, write_ultrasound_dicom


@pytest.fixture
def explaining(make_site: Callable[..., AbstractContextManager[Any]]) -> Iterator[Any]:
    with make_site(load_pipeline=load_explaining(None)) as site:
        yield site


@pytest.fixture
def session(explaining: Any, tmp_path: Path) -> dict[str, Any]:
    """A session of a cine whose lesion grows by a row a frame."""
    frames = np.zeros((3, 40, 50), dtype=np.uint8)
    for number in range(3):
        frames[number, 10 : 20 + number, 5:25] = 220
    uid = stable_uid("test", "session", "cine")
    settings = UltrasoundDicom(
        sop_instance_uid=uid,
        series_instance_uid=f"{uid}.1",
        study_instance_uid=f"{uid}.2",
        patient_id="P",
        spacing_mm=(0.2, 0.1),
    )
    write_ultrasound_dicom(tmp_path / "cine.dcm", frames, settings, cine=True)
    files = {"files": ("cine.dcm", (tmp_path / "cine.dcm").read_bytes())}
    created: dict[str, Any] = explaining.http.put("/session/", files=files).json()
    return created


def test_a_session_tells_what_it_holds(session: dict[str, Any]) -> None:
    assert session["session_info"]["meta"] == {
        "rows": 40,
        "columns": 50,
        "frame_count": 3,
        "spacing_mm": [0.2, 0.1],
        "flags": [],
        "notes": [],
    }


@pytest.mark.parametrize("frame", [0, 2])
def test_a_frame_is_shown_analysed_and_explained(
    explaining: Any, session: dict[str, Any], frame: int
) -> None:
    session_id = session["session_id"]
    at = f"session_id={session_id}&frame={frame}"

    shown = explaining.http.get(f"/session/{session_id}?image=true&format=png&frame={frame}")
    asked = {"params": '{"measurements": true}'}
    params = explaining.http.post(f"/infer/lesion?{at}&output=json", data=asked).json()
    heat = explaining.http.get(f"/{params['explanation']['path']}&form=heatmap")

    bright = (np.asarray(Image.open(BytesIO(shown.content))) > 150).sum()
    assert bright == (10 + frame) * 20
    assert params["lesions"][0]["measurements"]["height"] == pytest.approx(0.2 * (10 + frame))
    assert (np.asarray(Image.open(BytesIO(heat.content))) > 0).sum() == bright


@pytest.mark.parametrize(
    "path",
    ["session/{}?image=true&format=png&frame=3", "sonoloop/explanation?session_id={}&frame=3"],
)
def test_a_frame_there_is_not_is_refused(
    explaining: Any, session: dict[str, Any], path: str
) -> None:
    reply = explaining.http.get(f"/{path.format(session['session_id'])}")

    assert (reply.status_code, reply.json()["code"]) == (422, "frame")
    assert "frames are 0 to 2" in reply.json()["detail"]
