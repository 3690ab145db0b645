import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulated import FakeLearner, Remembering
from sonoloop.active_learning.registry import STRATEGIES
from sonoloop.errors import ScoreError
from sonoloop.simulation.cells import Cell, CellFiles
from sonoloop.simulation.plan import ALL_LABELS, Plan
from sonoloop.simulation.report import markdown, verdict, write_report
from sonoloop.simulation.results import beats, read_curves, results
from sonoloop.simulation.run import simulate

PLAN = Plan(
    strategies=("random", "stratified", "better"),
    seeds=tuple(range(8)),
    start=10,
    batch=10,
    growth=2,
    rounds=3,
)
ABOUT = {
    "pool": {"images": 100, "patients": 60, "sha256": "0"},
    "test": {"images": 30, "patients": 20, "sha256": "0"},
    "encoder": "an encoder",
}
DESCRIBED = {name: name for name in PLAN.strategies}
Curve = Callable[[str, int, int], tuple[float, float | None]]


def lead_of_better(name: str, seed: int, number: int) -> tuple[float, float | None]:
    """The better one leads by 0.02 to 0.03 in Dice everywhere, and in AUC nowhere."""
    dice = 0.6 + 0.1 * number + 0.001 * seed
    lead = 0.02 + 0.001 * seed if name == "better" else 0.0001 * (-1) ** seed * (name != "random")
    return dice + lead, 0.8 + 0.01 * number


def write(folder: Path, curve: Curve, plan: Plan = PLAN) -> CellFiles:
    files = CellFiles(folder)
    files.require(ABOUT)
    for seed in plan.seeds:
        for name in (ALL_LABELS, *plan.strategies):
            for number in range(plan.rounds if name != ALL_LABELS else 1):
                count = plan.label_counts(100)[number] if name != ALL_LABELS else 100
                dice, auc = curve(name, seed, number) if name != ALL_LABELS else (0.85, 0.9)
                files.write(
                    Cell(
                        strategy=name, described=name, seed=seed, round=number,
                        labelled=tuple(f"i{n}" for n in range(count)), chosen=(),
                        dice=dice, auc=auc, seconds=1.0,
                    )
                )  # fmt: skip
    return files


def found(folder: Path, curve: Curve = lead_of_better) -> dict[str, Any]:
    return results(read_curves(PLAN, DESCRIBED, write(folder, curve)))


class TestResults:
    def test_curves_are_means_over_seeds(self, tmp_path: Path) -> None:
        content = found(tmp_path)

        points = content["strategies"]["random"]["dice"]["curve"]
        assert content["labels"] == [10, 20, 40]
        assert [p["value"] for p in points] == pytest.approx([0.6035, 0.7035, 0.8035])
        assert content["full"]["dice"]["value"] == pytest.approx(0.85)

    def test_labels_needed_follow_the_mean_curve(self, tmp_path: Path) -> None:
        needed = found(tmp_path)["strategies"]["random"]["dice"]["labels_needed"]

        assert needed["0.90"]["value"] == pytest.approx(20 + 20 * (0.9 * 0.85 - 0.7035) / 0.1)
        assert needed["0.98"]["value"] is None

    def test_a_lead_in_every_seed_is_found(self, tmp_path: Path) -> None:
        content = found(tmp_path)

        row = content["comparisons"]["dice"]["stratified"]["better"]
        assert row["better"] == 8
        assert row["difference"]["value"] == pytest.approx(0.0235, abs=1e-4)
        assert row["p"] == pytest.approx(2 / 2**8)
        assert row["p_holm"] == pytest.approx(2 * row["p"])
        assert beats(content, "dice", "stratified") == ["better"]
        assert beats(content, "dice", "random") == ["better"]

    def test_no_lead_is_no_lead(self, tmp_path: Path) -> None:
        content = found(tmp_path)

        assert beats(content, "auc", "random") == []
        assert content["comparisons"]["auc"]["random"]["better"]["p"] == 1.0

    def test_a_baseline_is_not_compared_with_itself(self, tmp_path: Path) -> None:
        rows = found(tmp_path)["comparisons"]["dice"]

        assert set(rows["random"]) == {"stratified", "better"}
        assert set(rows["stratified"]) == {"random", "better"}

    def test_only_whole_seeds_count(self, tmp_path: Path) -> None:
        files = write(tmp_path, lead_of_better)
        (tmp_path / "cells" / "seed003-better-round02.json").unlink()

        curves = read_curves(PLAN, DESCRIBED, files)

        assert curves.seeds == (0, 1, 2, 4, 5, 6, 7)
        assert curves.figures["dice"]["better"].shape == (7, 3)

    def test_without_a_whole_seed_there_is_nothing_to_tell(self, tmp_path: Path) -> None:
        files = CellFiles(tmp_path)

        with pytest.raises(ScoreError, match="none of 8 seeds is complete"):
            read_curves(PLAN, DESCRIBED, files)

    def test_where_malignancy_cannot_be_ranked_only_dice_is_told(self, tmp_path: Path) -> None:
        files = write(tmp_path, lambda name, seed, number: (0.5 + 0.1 * number, None))
        curves = read_curves(PLAN, DESCRIBED, files)
        unknown = dataclasses.replace(curves, full={**curves.full, "auc": np.full(8, np.nan)})

        assert set(results(unknown)["full"]) == {"dice"}


class TestReport:
    def test_every_file_is_written(self, tmp_path: Path) -> None:
        files = write(tmp_path, lead_of_better)

        content = write_report(PLAN, DESCRIBED, files, command="sonoloop simulate --data D")

        names = {path.name for path in tmp_path.iterdir() if path.is_file()}
        assert names >= {"simulation.json", "report.md", "curves.png", "leads.png"}
        assert json.loads((tmp_path / "simulation.json").read_text()) == content
        text = (tmp_path / "report.md").read_text()
        assert "sonoloop simulate --data D" in text
        assert "100 images of 60 patients can be labelled" in text
        assert "8 of 8 seeds are complete" in text
        assert "| better | +0.02" in text

    def test_pictures_stay_small(self, tmp_path: Path) -> None:
        write_report(PLAN, DESCRIBED, write(tmp_path, lead_of_better), command="")

        for name in ("curves.png", "leads.png"):
            assert 5_000 < (tmp_path / name).stat().st_size < 80_000

    def test_a_winner_is_named(self, tmp_path: Path) -> None:
        told = verdict(found(tmp_path))

        assert "better beats stratified in the area under the Dice curve" in told

    def test_that_nothing_wins_is_said(self, tmp_path: Path) -> None:
        told = verdict(found(tmp_path, lambda name, seed, number: (0.6 + 0.1 * number, 0.8)))

        assert "No strategy beats stratified in the area under the Dice curve" in told
        assert "No strategy beats random in the area under the AUC curve" in told

    def test_without_baselines_nothing_is_compared(self, tmp_path: Path) -> None:
        plan = dataclasses.replace(PLAN, strategies=("better",))
        files = write(tmp_path, lead_of_better, plan)

        content = write_report(plan, DESCRIBED, files, command="")

        assert "no baseline" in markdown(content)
        assert not (tmp_path / "leads.png").exists()


def test_a_simulation_can_be_reported(tmp_path: Path) -> None:
    plan = Plan(strategies=("random", "stratified"), seeds=(0, 1), start=4, batch=4, rounds=3)
    files = CellFiles(tmp_path)
    files.require(ABOUT)
    simulate(plan, STRATEGIES, FakeLearner(), files, Remembering())
    described = {name: STRATEGIES[name].description for name in plan.strategies}

    content = write_report(plan, described, files, command="")

    assert content["labels"] == [4, 8, 16]
    assert content["strategies"]["random"]["dice"]["area"]["value"] > 0.4
