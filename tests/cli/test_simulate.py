"""``sonoloop simulate`` as a user types it, on phantoms."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from sonoloop.cli.main import app

MANIFEST = Path(__file__).resolve().parents[2] / "sample-data" / "truth" / "manifest.csv"
QUICK = ("encoder=random", "views=1", "widths=8,8,8", "steps=6", "passes=0", "members=2")


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(
        app, [str(a) for a in arguments], env={"COLUMNS": "160", "TERM": "dumb", "NO_COLOR": "1"}
    )


def simulate(out: Path, *more: str) -> Result:
    pairs = [part for pair in QUICK for part in ("--set", pair)]
    return run(
        "simulate", "--data", MANIFEST, "--train-split", "1,2,3", "--test-split", "4,5",
        "--strategy", "random", "--strategy", "stratified", "--strategy", "typiclust",
        "--seeds", "2", "--start", "3", "--batch", "2", "--rounds", "2", "--size", "64",
        "--out", out, *pairs, *more,
    )  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    folder = tmp_path_factory.mktemp("simulated")
    return folder, simulate(folder)


def test_a_simulation_ends_with_a_report(finished: tuple[Path, Result]) -> None:
    folder, result = finished

    assert result.exit_code == 0, result.output
    content = json.loads((folder / "simulation.json").read_text())
    assert content["seeds"] == [0, 1]
    assert content["labels"] == [3, 5]
    assert set(content["strategies"]) == {"random", "stratified", "typiclust"}
    assert "--train-split 1,2,3 --test-split 4,5" in content["command"]
    assert "simulated" not in content["command"]
    assert (folder / "report.md").read_text().startswith("# Simulation")
    assert "seed 1 typiclust 5 labels" in result.output


def test_the_same_command_again_trains_nothing(finished: tuple[Path, Result]) -> None:
    folder, _ = finished
    before = {path: path.stat().st_mtime_ns for path in (folder / "cells").iterdir()}

    result = simulate(folder)

    assert result.exit_code == 0, result.output
    assert {path: path.stat().st_mtime_ns for path in (folder / "cells").iterdir()} == before


def test_a_report_can_be_made_anew(finished: tuple[Path, Result]) -> None:
    folder, _ = finished
    text = (folder / "report.md").read_text()
    (folder / "report.md").unlink()

    result = simulate(folder, "--report-only")

    assert result.exit_code == 0, result.output
    assert (folder / "report.md").read_text() == text


def test_another_batch_size_wants_another_folder(finished: tuple[Path, Result]) -> None:
    result = simulate(finished[0], "--batch", "3")

    assert result.exit_code == 1
    assert "another batch" in result.output


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (("--strategy", "randon"), "did you mean 'random'"),
        (("--set", "stepps=3"), "did you mean 'steps'"),
        (("--size", "65"), "size_px must be a multiple of 32"),
        (("--set", "encoder=resnet"), "unknown frozen encoder 'resnet'"),
        (("--rounds", "9"), "9 rounds reach"),
        (("--test-split", "3"), "share"),
        (("--report-only",), "none of 2 seeds is complete"),
    ],
)
def test_what_cannot_be_done_is_told(tmp_path: Path, more: tuple[str, ...], told: str) -> None:
    result = simulate(tmp_path, *more)

    assert result.exit_code == 1
    assert told in " ".join(result.output.split())
