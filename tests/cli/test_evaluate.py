"""``sonoloop evaluate`` with a pipeline that thresholds, and how models are named."""

import csv
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from fakes import load_threshold
from sonoloop.cli.main import app
from sonoloop.cli.models import model_folder
from sonoloop.errors import ConfigError
from sonoloop.evaluation.plots import draw
from sonoloop.imaging.image import UltrasoundImage
from sonoloop.inference.shipped import shipped_model
from sonoloop.networks.card import ModelCard, write_card
from sonoloop.records import Findings, ModelTask
from sonoloop.settings import PipelineSettings

HEADER = "image_id,image,mask,pathology,patient,birads,device"


@dataclass
class Thresholding:
    """Calls everything brighter than 150 a lesion, malignant with probability 0.7."""

    segmentation: Path
    classification: Path
    settings: PipelineSettings
    segmentation_model: str = "seg"
    classification_model: str = "cls"

    def __call__(self, image: UltrasoundImage) -> Findings:
        return load_threshold(self.segmentation, self.classification, self.settings)(image)


def model(folder: Path, task: ModelTask, **known: Any) -> Path:
    folder.mkdir(parents=True)
    write_card(folder, ModelCard(model_id=folder.name, task=task, architecture="none", **known))
    return folder


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Options that choose a thresholding pipeline whose card states the operating point 0.25."""
    segmenter = model(tmp_path / "workspace" / "models" / "seg", "segmentation")
    classifier = model(
        tmp_path / "workspace" / "models" / "cls", "classification", operating_point=0.25
    )

    def pipeline(*_: object, **settings: Any) -> Thresholding:
        del settings["workspace"]
        return Thresholding(segmenter, classifier, PipelineSettings.from_conf(settings))

    monkeypatch.setattr(sys.modules["sonoloop.cli.evaluate"], "pipeline_of", pipeline)
    return ["--classifier", "cls", "--workspace", str(tmp_path / "workspace")]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A manifest of six images: two with lesions, three that are lame, one normal and marked."""
    folder = tmp_path / "data"
    folder.mkdir()
    for name, bright in (("one", 12), ("two", 6), ("normal", 3), ("maskless", 9)):
        pixels = np.full((48, 40), 60, np.uint8)
        pixels[5 : 5 + bright, 5:20] = 220
        Image.fromarray(pixels).save(folder / f"{name}.png")
        mask = np.zeros((48, 40), np.uint8)
        mask[5:17, 5:20] = 255
        Image.fromarray(mask).save(folder / f"{name}-mask.png")
    (folder / "torn.png").write_bytes(b"\x89PNG torn")
    rows = [
        "one,one.png,one-mask.png,malignant,p1,4A,Alpha",
        "two,two.png,two-mask.png,benign,p2,3,Beta",
        "normal,normal.png,,normal,p3,1,Beta",
        "maskless,maskless.png,,,,,",
        "torn,torn.png,one-mask.png,benign,p4,2,Alpha",
        "two,one.png,one-mask.png,benign,p2,3,Beta",
        "gone,gone.png,,benign,p5,2,Beta",
    ]
    path = folder / "images.csv"
    path.write_text("\n".join([HEADER, *rows]) + "\n")
    return path


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """No plots: they take most of the time of a report."""
    monkeypatch.setattr(draw, "draw_report", lambda *_, **__: [])


def run(*arguments: str | Path) -> Result:
    environment = {"COLUMNS": "160", "TERM": "dumb", "NO_COLOR": "1"}
    return CliRunner().invoke(app, ["evaluate", *map(str, arguments)], env=environment)


def report(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "metrics.json").read_text())
    return content


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open() as stream:
        return list(csv.DictReader(stream))


def test_nothing_is_dropped_without_a_reason(
    models: list[str], table: Path, tmp_path: Path
) -> None:
    result = run("--data", table, "--out", tmp_path / "out", *models)

    assert result.exit_code == 0, result.output
    metrics = report(tmp_path / "out")
    counts = {name: value for name, value in metrics.items() if name.startswith("n_")}
    assert counts == {
        "n_images": 4,
        "n_patients": 4,
        "n_lesions": 2,
        "n_normals": 1,
        "n_missed_lesions": 0,
        "n_without_mask": 1,
        "n_without_pathology": 1,
        "n_without_patient": 1,
        "n_label_conflicts": 0,
        "n_unread": 1,
        "n_duplicate_ids": 0,
        "n_skipped": 2,
    }
    left_out = {(r["stage"], r["image"]): r["reason"] for r in rows_of(tmp_path / "out" / "not_evaluated.csv")}  # fmt: skip  # noqa: E501
    assert set(left_out) == {
        ("evaluation", "torn"),
        ("dataset", "one.png"),
        ("dataset", "gone.png"),
    }
    assert left_out["dataset", "one.png"] == "image_id 'two' appears twice"
    assert left_out["dataset", "gone.png"] == "image file is missing"
    assert [row["image_id"] for row in rows_of(tmp_path / "out" / "per_image.csv")] == [
        "one", "two", "normal", "maskless",
    ]  # fmt: skip


def test_the_figures_are_those_of_the_hand_made_images(
    models: list[str], table: Path, tmp_path: Path
) -> None:
    run("--data", table, "--out", tmp_path / "out", *models)

    metrics = report(tmp_path / "out")
    assert metrics["segmentation"]["dice"]["value"] == pytest.approx((1 + 2 * 6 / 18) / 2)
    assert metrics["segmentation"]["iou"]["value"] == pytest.approx((1 + 6 / 12) / 2)
    assert metrics["detection"]["sensitivity"]["value"] == 1
    assert metrics["detection"]["specificity"]["value"] == 0
    assert metrics["classification"]["sensitivity"]["value"] == 1
    assert metrics["classification"]["specificity"]["value"] == 0
    assert metrics["classification"]["brier"]["value"] == pytest.approx((0.3**2 + 2 * 0.7**2) / 3)
    assert metrics["birads"]["patient"]["reader"]["specificity"]["value"] == 1
    assert metrics["uncertainty"]["segmentation_auroc"] == {"value": None, "ci95": None}
    assert metrics["models"] == {"segmentation": "seg", "classification": "cls"}
    assert (tmp_path / "out" / "overlays.png").exists()
    assert (tmp_path / "out" / "roc.png").exists()


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(
    ("options", "told"),
    [([], (0.25, "card", "True")), (["--operating-point", "0.8"], (0.8, "option", "False"))],
)
def test_the_operating_point_is_that_of_the_card_unless_told(
    models: list[str],
    table: Path,
    tmp_path: Path,
    options: list[str],
    told: tuple[float, str, str],
) -> None:
    run("--data", table, "--out", tmp_path / "out", *models, *options)

    figures = report(tmp_path / "out")["classification"]
    (called,) = {row["called_malignant"] for row in rows_of(tmp_path / "out" / "per_image.csv")}
    assert (figures["operating_point"], figures["operating_point_source"], called) == told


@pytest.mark.usefixtures("undrawn")
def test_a_card_without_operating_point_is_told(
    models: list[str], table: Path, tmp_path: Path
) -> None:
    old = model(tmp_path / "old", "classification")

    result = run("--data", table, "--out", tmp_path / "out", *models, "--classifier", old)

    assert "states no operating point: 0.5 is taken" in result.output
    classification = report(tmp_path / "out")["classification"]
    assert classification["operating_point"] == 0.5
    assert classification["operating_point_source"] == "default"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("picture,mask\na.png,b.png\n", "lacks column image: it has picture, mask"),
        ("image,patholgy\na.png,benign\n", "did you mean 'pathology'"),
        ("image,mask\na.png,b.png,c.png\n", "row of 3 cells for 2 columns"),
        ("", "lacks column image"),
        ("image\n", "no usable image"),
        ("image\nabsent.png\n", "image file is missing"),
    ],
)
def test_a_bad_table_is_refused_with_a_sentence(
    models: list[str], tmp_path: Path, content: str, told: str
) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(content)

    result = run("--data", path, "--out", tmp_path / "out", *models)

    assert result.exit_code == 1
    assert told in " ".join(result.output.split())
    assert not (tmp_path / "out" / "metrics.json").exists()


def test_a_table_of_torn_images_is_refused_and_the_reasons_stay(
    models: list[str], tmp_path: Path
) -> None:
    (tmp_path / "torn.png").write_bytes(b"\x89PNG torn")
    path = tmp_path / "images.csv"
    path.write_text("image\ntorn.png\n")

    result = run("--data", path, "--out", tmp_path / "out", *models)

    assert result.exit_code == 1
    assert "no image could be evaluated" in " ".join(result.output.split())
    (row,) = rows_of(tmp_path / "out" / "not_evaluated.csv")
    assert row["image"].startswith("torn")
    assert "unknown_format" in row["reason"]


def test_a_table_that_is_no_text_is_refused_with_a_sentence(
    models: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes(b"\xff\xfe\x00image")

    result = run("--data", path, "--out", tmp_path / "out", *models)

    assert result.exit_code == 1
    assert "cannot read table 'bad.csv'" in " ".join(result.output.split())


@pytest.mark.usefixtures("undrawn")
def test_a_second_report_of_the_same_images_is_the_same(
    models: list[str], table: Path, tmp_path: Path
) -> None:
    for name in ("first", "second"):
        run("--data", table, "--out", tmp_path / name, *models)

    assert report(tmp_path / "first") == report(tmp_path / "second")


def test_models_are_named_by_folder_by_id_or_as_shipped(tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    ours = model(workspace / "models" / "seg-7", "segmentation")

    assert model_folder("segmentation", str(ours)) == ours
    assert model_folder("segmentation", "seg-7", workspace) == ours
    assert model_folder("segmentation", "shipped") == shipped_model("segmentation")
    assert model_folder("classification", None, workspace) == shipped_model("classification")


@pytest.mark.parametrize(
    ("named", "within", "told"),
    [
        ("seg-8", True, "the workspace has seg-7"),
        ("seg-8", False, "or an id together with --workspace"),
        ("../models/seg-7", True, "no segmentation model"),
    ],
)
def test_a_model_that_is_not_there_is_told_with_those_that_are(
    tmp_path: Path, named: str, within: bool, told: str
) -> None:
    workspace = tmp_path / "workspace"
    model(workspace / "models" / "seg-7", "segmentation")

    with pytest.raises(ConfigError, match=told):
        model_folder("segmentation", named, workspace if within else None)
