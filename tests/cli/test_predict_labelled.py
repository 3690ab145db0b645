"""``sonoloop predict`` on labelled images, and its explanations, with stand-ins for networks."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from sonoloop.cli.labelled import Tally
from sonoloop.cli.main import app
from sonoloop.inference.engine import Batch
from sonoloop.inference.pipeline import DualStagePipeline
from sonoloop.labels import Pathology
from sonoloop.networks.card import ModelCard
from sonoloop.records import Findings, LabelledImage
from sonoloop.settings import PipelineSettings

BRIGHTNESS = {"malignant": (240, 240, 140), "benign": (20, 20, 20, 200)}
"""Grey values of the images: one malignant image is called benign, one benign one malignant."""


class Marks:
    card = ModelCard(model_id="marks", task="segmentation", architecture="none", input_size_px=64)

    def __call__(self, batch: Batch) -> Batch:
        return np.zeros_like(batch)


class BrightIsMalignant:
    """Malignancy is the mean grey of the image."""

    has_maps = True

    def __init__(
        self, *, classes: tuple[str, ...] = (), operating_point: float | None = None
    ) -> None:
        self.card = ModelCard(
            model_id="bright",
            task="classification",
            architecture="none",
            input_size_px=64,
            classes=classes or ("benign", "malignant"),
            operating_point=operating_point,
        )

    def __call__(self, batch: Batch) -> Batch:
        grey = batch.mean(axis=(1, 2, 3))
        return np.stack([1 - grey, grey], axis=1)

    def class_maps(self, batch: Batch) -> Batch:
        maps = np.zeros((len(batch), 2, 2, 2), np.float32)
        maps[:, :, 0, 0] = 1
        return maps


Serve = Callable[[BrightIsMalignant], None]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Serve:
    """Has the command use this classifier."""

    def serving(classifier: BrightIsMalignant) -> None:
        pipeline = DualStagePipeline(Marks(), classifier, PipelineSettings())
        monkeypatch.setattr(
            sys.modules["sonoloop.cli.predict"], "pipeline_of", lambda *_, **__: pipeline
        )

    return serving


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Folders named after pathologies."""
    folder = tmp_path / "data"
    for pathology, greys in BRIGHTNESS.items():
        (folder / pathology).mkdir(parents=True)
        for number, grey in enumerate(greys):
            pixels = np.full((64, 64), grey, np.uint8)
            Image.fromarray(pixels).save(folder / pathology / f"{number}.png")
    return folder


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(
        app, [str(a) for a in arguments], env={"COLUMNS": "160", "TERM": "dumb", "NO_COLOR": "1"}
    )


def lines_of(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "predictions.jsonl").open()]


def test_labelled_images_are_scored_with_the_counts(
    serve: Serve, data: Path, tmp_path: Path
) -> None:
    serve(BrightIsMalignant(operating_point=0.6))

    result = run("predict", "--data", data, "--out", tmp_path / "out")

    assert result.exit_code == 0, result.output
    assert "called malignant at 0.600 and above (chosen on validation images)" in result.output
    assert re.search(r"accuracy +0\.714 +\(5 of 7\)", result.output)
    assert re.search(r"sensitivity +0\.667 +\(2 of 3 malignant\)", result.output)
    assert re.search(r"specificity +0\.750 +\(3 of 4 others\)", result.output)
    lines = lines_of(tmp_path / "out")
    assert sorted(str(line["truth"]) for line in lines) == ["benign"] * 4 + ["malignant"] * 3
    assert len(list((tmp_path / "out").glob("*_overlay.png"))) == 7


def test_the_threshold_can_be_asked_for(serve: Serve, data: Path, tmp_path: Path) -> None:
    serve(BrightIsMalignant(operating_point=0.6))

    result = run("predict", "--data", data, "--operating-point", "0.5", "--out", tmp_path / "out")

    assert "called malignant at 0.500 and above (asked for)" in result.output
    assert re.search(r"sensitivity +1\.000 +\(3 of 3 malignant\)", result.output)


def test_what_cannot_be_judged_is_counted() -> None:
    tally = Tally(BrightIsMalignant().card)
    probabilities = {Pathology.NORMAL: 0.0, Pathology.BENIGN: 0.1, Pathology.MALIGNANT: 0.9}
    findings = Findings(
        mask=np.zeros((2, 2), bool),
        probability_map=np.zeros((2, 2), np.float32),
        lesions=(),
        probabilities=probabilities,
        pathology=Pathology.MALIGNANT,
        spacing_mm=None,
        models={},
        seconds=0.0,
    )
    unknown, normal, conflict, malignant = (
        LabelledImage(
            image_id=str(index), image_path=Path("x.png"), pathology=pathology, label_conflict=clash
        )
        for index, (pathology, clash) in enumerate(
            [
                (None, False),
                (Pathology.NORMAL, False),
                (Pathology.BENIGN, True),
                (Pathology.MALIGNANT, False),
            ]
        )
    )

    for item in (unknown, normal, conflict):
        tally.add(item, findings)
    nothing = tally.lines()
    tally.add(malignant, findings)
    one = tally.lines()

    assert nothing[0] == "no image that was read has a pathology to compare with"
    assert sorted(nothing[1:]) == [
        "left out: 1 normal, which the classifier does not tell",
        "left out: 1 with a near-duplicate of another class",
        "left out: 1 without pathology",
    ]
    assert one[:4] == [
        "called malignant at 0.500 and above (the classifier's card names none)",
        "accuracy     1.000  (1 of 1)",
        "sensitivity  1.000  (1 of 1 malignant)",
        "specificity  -      (no others)",
    ]


def test_files_are_told_one_by_one_with_their_doubt(
    serve: Serve, data: Path, tmp_path: Path
) -> None:
    serve(BrightIsMalignant())

    result = run("predict", data / "malignant" / "0.png", "--out", tmp_path / "out")

    assert result.exit_code == 0, result.output
    told = r"0: malignant 0\.94, 0 marked, doubt: mask 0\.00, diagnosis 0\.32"
    assert re.search(told, result.output)
    (line,) = lines_of(tmp_path / "out")
    assert line["uncertainty"] == 0
    assert "truth" not in line


def test_an_explanation_is_drawn_beside(serve: Serve, data: Path, tmp_path: Path) -> None:
    serve(BrightIsMalignant())

    result = run("predict", data / "benign" / "0.png", "--explain", "--out", tmp_path / "out")

    assert result.exit_code == 0, result.output
    (line,) = lines_of(tmp_path / "out")
    assert line["explained"] == "benign"
    drawn = np.asarray(Image.open(tmp_path / "out" / str(line["explanation"]))).astype(int)
    coloured = drawn.max(axis=2) - drawn.min(axis=2) > 20
    assert coloured[1:30, 1:30].mean() > 0.7
    assert not coloured[50:, 50:].any()


def test_a_classifier_that_cannot_explain_says_so_before_anything_is_done(
    serve: Serve, data: Path, tmp_path: Path
) -> None:
    silent = BrightIsMalignant()
    silent.has_maps = False
    serve(silent)

    result = run("predict", data, "--explain", "--out", tmp_path / "out")

    assert result.exit_code == 1
    assert "bright offers no explanation" in result.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("both", [True, False])
def test_either_files_or_a_data_set_is_named(data: Path, both: bool) -> None:
    arguments: list[str | Path] = [data, "--data", data] if both else []

    result = run("predict", *arguments)

    assert result.exit_code == 1
    assert "which images? name files or folders, or a data set with --data" in result.output
