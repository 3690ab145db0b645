"""``sonoloop train`` on folders that hold nothing but pictures."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from sonoloop.cli.main import app
from sonoloop.cli.train import settings_from, verdict_line
from sonoloop.networks.card import read_card


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(
        app, [str(a) for a in arguments], env={"COLUMNS": "160", "TERM": "dumb", "NO_COLOR": "1"}
    )


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve pictures each of benign and malignant, four of normal: bright ones are malignant."""
    root = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for name, count, grey in (("benign", 12, 60), ("malignant", 12, 180), ("normal", 4, 20)):
        (root / name).mkdir()
        for index in range(count):
            pixels = rng.normal(grey, 10, (80, 96)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / name / f"{index}.jpg")
    return root


def train(pictures: Path, out: Path, *more: str) -> Result:
    quick = ("tracking=none", "batch_size=4", "threads=1", "validation_fraction=0.3")
    pairs = [part for pair in quick for part in ("--set", pair)]
    return run(
        "train", "classification", "--data", pictures, "--epochs", "1", "--size", "64",
        "--architecture", "mobilenetv3_small", "--device", "cpu", "--out", out, *pairs, *more,
    )  # fmt: skip


def test_plain_pictures_are_told_apart_and_the_figures_printed(
    pictures: Path, tmp_path: Path
) -> None:
    result = train(pictures, tmp_path, "--task", "benign-malignant", "--crop", "whole")

    assert result.exit_code == 0, result.output
    text = " ".join(result.output.split())
    assert "4 images left out: normal, which benign-malignant does not tell apart" in text
    folder = Path(text.rsplit("model folder:", 1)[1].strip())
    card = read_card(folder)
    assert (card.classes, card.crop) == (("benign", "malignant"), "whole")
    assert card.architecture == "mobilenetv3_small"
    assert verdict_line(card.metrics["validation"]["at_half"]) in text
    assert verdict_line(card.metrics["validation"]["at_operating_point"]) in text


def test_without_outlines_the_way_out_is_named(pictures: Path, tmp_path: Path) -> None:
    result = train(pictures, tmp_path, "--task", "benign-malignant")

    assert result.exit_code == 1
    assert "train on whole images with --crop whole" in " ".join(result.output.split())


def test_a_line_of_figures_tells_the_counts_behind_them() -> None:
    line = verdict_line(
        {
            "threshold": 0.5,
            "right_malignant": 7,
            "malignant": 10,
            "right_others": 18,
            "others": 20,
            "accuracy": 25 / 30,
            "sensitivity": 0.7,
            "specificity": 0.9,
        }
    )

    assert line == (
        "validation at malignancy >= 0.500: accuracy 0.833 (25/30), sensitivity 0.700 (7/10), "
        "specificity 0.900 (18/20)"
    )


def test_a_pair_overrules_an_option_and_an_option_the_default() -> None:
    settings = settings_from(
        "classification", ["batch_size=3"], batch_size=5, max_epochs=2, input_size_px=None
    )

    assert (settings.batch_size, settings.max_epochs, settings.input_size_px) == (3, 2, 160)
