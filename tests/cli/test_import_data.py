"""``sonoloop import``: what the user sees."""

import shutil
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from sonoloop.cli.import_data import import_data
from sonoloop.datasets.layouts import read_dataset

APP = typer.Typer()
APP.command("import")(import_data)


@pytest.fixture
def pictures(tmp_path: Path, sample_studies: Path) -> Path:
    """A folder with a manifest: a labelled image, one without file, one with a wrong label."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in ("a", "b"):
        shutil.copy(sample_studies / "phantom-03" / "phantom-03-1.dcm", folder / f"{name}.dcm")
    (folder / "manifest.csv").write_text(
        "image,pathology,patient\na.dcm,normal,p1\nb.dcm,odd,p2\ngone.dcm,benign,p3\n"
    )
    return folder


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(APP, [str(a) for a in arguments], env={"COLUMNS": "120"})


def test_the_summary_counts_and_tells_what_was_skipped(pictures: Path, tmp_path: Path) -> None:
    result = run("folder", pictures, "--to", tmp_path / "studies")

    assert result.exit_code == 0
    assert "imported" in result.output
    assert "image file is missing" in result.output
    assert "unknown pathology 'odd'" in result.output
    assert len(list((tmp_path / "studies").rglob("*.dcm"))) == 1


def test_name_and_reader_are_the_users(pictures: Path, tmp_path: Path) -> None:
    studies = tmp_path / "studies"

    run("folder", pictures, "--to", studies, "--name", "Clinic 7", "--reader", "dr-a")

    assert (studies / "Clinic-7").is_dir()
    assert ",dr-a," in (studies / "annotations.csv").read_text()


def test_only_the_first_images_are_imported_when_limited(tmp_path: Path) -> None:
    source = tmp_path / "pictures"
    source.mkdir()
    studies = Path(__file__).resolve().parents[2] / "sample-data" / "studies"
    for path in sorted(studies.rglob("*-1.dcm"))[:4]:
        shutil.copy(path, source)

    run("folder", source, "--to", tmp_path / "studies", "--limit", "2")

    assert len(read_dataset(tmp_path / "studies").images) == 2


def test_a_wrong_layout_ends_with_a_sentence(pictures: Path, tmp_path: Path) -> None:
    result = run("busi", pictures, "--to", tmp_path / "studies")

    assert result.exit_code == 1
    assert "no usable image of layout 'busi'" in result.output


def test_a_study_folder_inside_the_data_set_is_refused(pictures: Path) -> None:
    result = run("folder", pictures, "--to", pictures / "studies")

    assert result.exit_code == 1
    assert "lies in the data set" in result.output
    assert not (pictures / "studies").exists()


def test_the_help_shows_an_example() -> None:
    assert "sonoloop import busbra BUSBRA --to studies" in run("--help").output
