"""The commands as a user types them, on the sample data."""

import csv
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from sonoloop.cli.main import app
from sonoloop.cli.serve import default_workspace
from sonoloop.imaging.read import read_header, read_image

MANIFEST = Path(__file__).resolve().parents[2] / "sample-data" / "truth" / "manifest.csv"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(
        app, [str(a) for a in arguments], env={"COLUMNS": "160", "TERM": "dumb", "NO_COLOR": "1"}
    )


def trained(task: str, folder: Path, *more: str | Path) -> Path:
    quick = "tracking=none", "batch_size=8", "threads=1"
    pairs = [part for pair in quick for part in ("--set", pair)]
    result = run(
        "train", task, "--data", MANIFEST, "--epochs", "1", "--size", "64", "--out", folder,
        "--device", "cpu",
        *pairs, *more,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    return Path(result.output.split("model folder:")[1].strip().replace("\n", ""))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("runs")
    return trained("segmentation", folder / "seg"), trained("classification", folder / "cls")


@pytest.fixture(scope="module")
def chosen(models: tuple[Path, Path]) -> list[str | Path]:
    return ["--segmenter", models[0], "--classifier", models[1], "--device", "cpu"]


@pytest.mark.parametrize(
    "command",
    [
        "serve",
        "import",
        "train segmentation",
        "train classification",
        "predict",
        "evaluate",
        "bench serve",
        "bench store",
    ],
)
def test_every_command_helps_with_an_example(command: str) -> None:
    result = run(*command.split(), "--help")

    assert result.exit_code == 0
    assert re.search(rf"Examples?: *sonoloop {command}", " ".join(result.output.split()))


def test_predict_writes_mask_overlay_and_one_line_for_each_file(
    chosen: list[str | Path], sample_studies: Path, tmp_path: Path
) -> None:
    dicom = sorted(sample_studies.rglob("*.dcm"))[0]
    picture = tmp_path / "scan.png"
    Image.fromarray(read_image(dicom).pixels).save(picture)

    result = run("predict", dicom, picture, "--out", tmp_path / "out", *chosen)

    assert result.exit_code == 0, result.output
    lines = [json.loads(x) for x in (tmp_path / "out" / "predictions.jsonl").open()]
    assert [line["file"] for line in lines] == [str(dicom), str(picture)]
    for line in lines:
        shape = read_image(dicom).pixels.shape
        assert np.asarray(Image.open(tmp_path / "out" / line["mask"])).shape == shape
        assert np.asarray(Image.open(tmp_path / "out" / line["overlay"])).shape == (*shape, 3)
        assert sum(line["probabilities"].values()) == pytest.approx(1, abs=1e-3)
        assert line["seconds"] > 0


def test_predict_takes_every_frame_of_a_cine(
    chosen: list[str | Path], sample_studies: Path, tmp_path: Path
) -> None:
    cine = next(p for p in sorted(sample_studies.rglob("*.dcm")) if read_header(p).frame_count > 1)

    result = run("predict", cine, "--frames", "all", "--out", tmp_path / "out", *chosen)

    assert result.exit_code == 0, result.output
    lines = [json.loads(x) for x in (tmp_path / "out" / "predictions.jsonl").open()]
    assert [line["frame"] for line in lines] == list(range(read_header(cine).frame_count))


def test_predict_goes_on_after_a_bad_file_and_says_so(
    chosen: list[str | Path], sample_studies: Path, tmp_path: Path
) -> None:
    good = tmp_path / "images" / "good.dcm"
    good.parent.mkdir()
    shutil.copy(sorted(sample_studies.rglob("*.dcm"))[0], good)
    (tmp_path / "images" / "bad.png").write_bytes(b"torn")

    result = run("predict", tmp_path / "images", "--out", tmp_path / "out", *chosen)

    assert result.exit_code == 1
    assert "1 of 2 files" in result.output
    assert (tmp_path / "out" / "good_mask.png").exists()


def test_evaluate_writes_figures_rows_and_pictures(
    chosen: list[str | Path], tmp_path: Path
) -> None:
    result = run("evaluate", "--data", MANIFEST, "--out", tmp_path, *chosen)

    assert result.exit_code == 0, result.output
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    low, high = metrics["segmentation"]["dice"]["ci95"]
    assert low <= metrics["segmentation"]["dice"]["value"] <= high
    assert metrics["n_lesions"] + metrics["n_normals"] == metrics["n_images"]
    with (tmp_path / "per_image.csv").open() as stream:
        assert len(list(csv.DictReader(stream))) == metrics["n_images"]
    assert (tmp_path / "overlays.png").exists()


def test_a_warm_start_names_its_parent(models: tuple[Path, Path], tmp_path: Path) -> None:
    folder = trained("segmentation", tmp_path, "--from", models[0])

    card = json.loads((folder / "card.json").read_text())
    assert card["parent_id"] == models[0].name


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["predict", "absent.png", "--out", "out"], "no such file: 'absent.png'"),
        (["train", "segmentation", "--data", "absent"], "no such data set"),
        (["train", "segmentation", "--data", f"{MANIFEST}@9"], "has no split 9"),
        (["train", "segmentation", "--data", str(MANIFEST), "--set", "x"], "takes name=value"),
        (
            ["train", "segmentation", "--data", str(MANIFEST), "--set", "batchsize=4"],
            "did you mean 'batch_size'",
        ),
        (["evaluate", "--data", str(MANIFEST), "--out", "o", "--layout", "x"], "unknown layout"),
        (["serve", "--studies", "absent"], "there is no such folder"),
        (["serve", "--studies", ".", "--port", "99999"], "port must be in"),
        (["serve", "--studies", ".", "--port", "0", "--workspace", "/dev/null"], "is a file"),
        (["serve", "--studies", ".", "--port", "0", "--workspace", "/dev/null/x"], "is a file"),
        (["bench", "serve"], "there is no folder of studies 'sample-data/studies'"),
        (["history", "x", "--workspace", "/dev/null/x"], "no workspace '/dev/null/x'"),
        (["serve", "--studies", ".", "--host", "0.0.0.0"], "can be reached from other machines"),  # noqa: S104
    ],
)
def test_mistakes_end_with_a_sentence_and_status_1(
    arguments: list[str], told: str, tmp_path: Path
) -> None:
    before = Path.cwd()
    os.chdir(tmp_path)
    try:
        result = run(*arguments)
    finally:
        os.chdir(before)

    assert result.exit_code == 1, result.output
    assert told in " ".join(result.output.split())


def test_every_source_of_studies_gets_a_workspace_of_its_own(tmp_path: Path) -> None:
    names = {
        default_workspace(str(tmp_path / "a")),
        default_workspace(str(tmp_path / "b")),
        default_workspace("http://127.0.0.1:8042/dicom-web"),
        default_workspace("http://127.0.0.1:8043/dicom-web"),
    }

    assert len(names) == 4
