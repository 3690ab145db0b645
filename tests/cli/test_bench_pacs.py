"""The benchmark of worklists, on a few studies: it must run through and measure what it says."""

import json
from pathlib import Path

import pydicom
import pytest
from typer.testing import CliRunner

from sonoloop.cli.bench_pacs import IMAGES_A_STUDY, NEW_STUDIES, has_orthanc, study_uid, write_study
from sonoloop.cli.main import app


def test_every_study_is_one_and_the_same_every_time(tmp_path: Path) -> None:
    first = [pydicom.dcmread(path) for path in write_study(tmp_path, 3)]
    again = [pydicom.dcmread(path) for path in write_study(tmp_path, 3)]

    assert first == again
    assert {dataset.StudyInstanceUID for dataset in first} == {study_uid(3)}
    assert len({dataset.SOPInstanceUID for dataset in first}) == IMAGES_A_STUDY
    assert study_uid(4) != study_uid(3)


@pytest.mark.slow
def test_bench_pacs_measures_folder_and_orthanc(tmp_path: Path) -> None:
    report = tmp_path / "pacs.json"

    result = CliRunner().invoke(
        app, ["bench", "pacs", "--studies", "4", "--calls", "5", "--json", str(report)]
    )

    assert result.exit_code == 0, result.output
    places = json.loads(report.read_text())["places"]
    assert set(places) == ({"folder", "Orthanc"} if has_orthanc() else {"folder"})
    for place in places.values():
        assert {"worklist, first page", "next sample"} <= set(place["calls"])
        assert all(row["n"] == 5 for row in place["calls"].values())
        assert place["new_study"]["n"] == NEW_STUDIES
