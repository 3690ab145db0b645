"""``sonoloop scenarios`` as a user types it, on phantoms."""

import json
import os
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from sonoloop.cli.main import app
from sonoloop.cli.scenarios import command, numbers, settings_of, splits_of
from sonoloop.errors import ConfigError

MANIFEST = Path(__file__).resolve().parents[2] / "sample-data" / "truth" / "manifest.csv"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(
        app, [str(a) for a in arguments], env={"COLUMNS": "160", "TERM": "dumb", "NO_COLOR": "1"}
    )


def test_the_command_helps_with_an_example() -> None:
    result = run("scenarios", "--help")

    assert result.exit_code == 0
    assert re.search(r"Example: *sonoloop scenarios", " ".join(result.output.split()))


def test_a_comparison_ends_with_a_table(tmp_path: Path) -> None:
    quick = (
        "segmentation.architecture_options=channels=[4,8]",
        "classification.architecture=mobilenetv3_small",
        "batch_size=8",
        "pipeline.max_lesions=1",
    )
    pairs = [part for pair in quick for part in ("--set", pair)]

    result = run(
        "scenarios", "--data", f"phantoms={MANIFEST}", "--split", "phantoms=1,2,3/4,5",
        "--only", "in-domain", "--epochs", "1", "--size", "64", "--threads", "1",
        "--device", "cpu", "--resamples", "20", "--out", tmp_path, *pairs,
    )  # fmt: skip

    assert result.exit_code == 0, result.output
    assert "1/3 training segmentation" in result.output
    (table,) = json.loads((tmp_path / "results.json").read_text())
    (row,) = table["rows"]
    assert (row["trained_on"], row["tested_on"]) == ("phantoms@1,2,3", "phantoms@4,5")
    assert "--split phantoms=1,2,3/4,5" in table["command"]
    assert f"table: {tmp_path / 'results.md'}" in result.output.replace("\n", "")


def test_a_comparison_with_a_failed_row_ends_with_status_1(tmp_path: Path) -> None:
    result = run(
        "scenarios", "--data", f"phantoms={MANIFEST}", "--only", "losses", "--out", tmp_path,
        "--set", "architecture=no_such_net", "--resamples", "20",
    )  # fmt: skip

    assert result.exit_code == 1
    assert "4 rows failed; the table says why" in result.output
    assert "unknown segmentation architecture" in (tmp_path / "results.md").read_text()


def test_settings_of_one_task_overrule_those_of_all_and_options() -> None:
    training, pipeline = settings_of(
        ["batch_size=3", "classification.batch_size=7", "max_epochs=2", "pipeline.max_lesions=1"],
        {"max_epochs": 9, "threads": 1, "input_size_px": None},
    )

    assert training["segmentation"].batch_size == 3
    assert training["classification"].batch_size == 7
    assert {s.max_epochs for s in training.values()} == {2}
    assert {s.tracking for s in training.values()} == {"none"}
    assert (training["classification"].input_size_px, pipeline.max_lesions) == (160, 1)
    assert pipeline.threads == 1


def test_splits_and_seeds_are_read() -> None:
    assert splits_of(["a=1,2/3", "b=x/y,z"]) == {"a": (["1", "2"], ["3"]), "b": (["x"], ["y", "z"])}
    assert numbers("0, 2,2") == (0, 2)


def test_the_command_in_the_report_can_be_typed_again() -> None:
    text = command(
        ["a=my data"], "cross", {"seeds": "0,1", "size": None, "no-retrain-margins": True}
    )

    assert text == (
        "sonoloop scenarios --data 'a=my data' --only cross --seeds 0,1 --no-retrain-margins"
    )


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--data", str(MANIFEST)], "--data takes name=folder"),
        (["--data", "a=x", "--data", "a=y"], "'a' is named twice"),
        (["--data", "a=absent"], "no such data set"),
        (["--data", f"a={MANIFEST}", "--only", "crop"], "unknown scenario 'crop'"),
        (["--data", f"a={MANIFEST}", "--split", "b=1/2"], "names no data set of --data: 'b'"),
        (["--data", f"a={MANIFEST}", "--split", "a=1"], "--split takes name="),
        (["--data", f"a={MANIFEST}", "--split", "a=1/9"], "tested on 9"),
        (["--data", f"a={MANIFEST}", "--seeds", "x"], "--seeds takes numbers"),
        (["--data", f"a={MANIFEST}", "--set", "batchsize=4"], "did you mean 'batch_size'"),
        (["--data", f"a={MANIFEST}", "--set", "pipeline.lesions=4"], "unknown setting 'lesions'"),
    ],
)
def test_mistakes_end_with_a_sentence_and_status_1(
    arguments: list[str], told: str, tmp_path: Path
) -> None:
    before = Path.cwd()
    os.chdir(tmp_path)
    try:
        result = run("scenarios", *arguments, "--out", "out")
    finally:
        os.chdir(before)

    assert result.exit_code == 1, result.output
    assert told in " ".join(result.output.split())


def test_a_setting_without_value_is_refused() -> None:
    with pytest.raises(ConfigError, match="--set takes name=value, got 'threads'"):
        settings_of(["threads"], {})
