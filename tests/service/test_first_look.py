"""What is told of the studies at the start: whether they changed, what was found."""

from collections.abc import Callable
from pathlib import Path

import pytest

from sonoloop.service.first_look import found_in, remember_studies
from sonoloop.service.server import Service
from sonoloop.store.overview import FoundImages
from sonoloop.store.paths import WorkspacePaths

PACS = "https://pacs.example/dicom-web"


def test_a_workspace_that_was_made_for_other_studies_is_told_once(tmp_path: Path) -> None:
    paths = WorkspacePaths(tmp_path)

    told = [
        remember_studies(paths, studies)
        for studies in (PACS, f"{PACS}/", str(tmp_path), str(tmp_path))
    ]

    assert [sentence is not None for sentence in told] == [False, False, True, False]
    assert f"made for other studies, {PACS}: " in str(told[2])


def test_the_address_is_kept_without_a_password_in_it(tmp_path: Path) -> None:
    remember_studies(WorkspacePaths(tmp_path), "https://reader:secret@pacs.example/dicom-web")

    assert (tmp_path / "studies.txt").read_text() == f"{PACS}\n"


def test_nothing_found_is_told_with_what_is_looked_for(tmp_path: Path) -> None:
    nothing = FoundImages(total=0, pictures=0)

    assert "no image" in found_in(str(tmp_path), nothing, 0)[0]
    assert "PNG" in found_in(str(tmp_path), nothing, 0)[0]
    assert "ultrasound" in found_in(PACS, nothing, 0)[0]


def test_what_the_first_look_found_is_told_once(
    open_service: Callable[..., Service], studies: Path, until: Callable[..., None]
) -> None:
    (studies / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n torn")
    service = open_service()
    sentences: list[str] = []

    service.when_looked(sentences.append)

    until(lambda: len(sentences) == 3)
    assert sentences[0] == f"6 images in {studies}"
    assert "6 of them are no DICOM: the viewer at /ohif/ does not list them" in sentences[1]
    assert f"sonoloop import folder {studies} --to NEW" in sentences[1]
    assert sentences[2].startswith("1 files were refused")


def test_opening_a_workspace_for_other_studies_is_warned_of(
    open_service: Callable[..., Service],
    studies: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    open_service().close()
    file = next(studies.parent.rglob("studies.txt"))
    file.write_text("/elsewhere\n")

    open_service()

    warned = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert any("was made for other studies, /elsewhere" in sentence for sentence in warned)
    assert file.read_text() == f"{studies}\n"
