"""The results of a simulation as one dictionary, from the cells that are there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sonoloop.errors import ScoreError
from sonoloop.simulation.cells import Cell, CellFiles
from sonoloop.simulation.plan import ALL_LABELS, Plan
from sonoloop.simulation.statistics import (
    area,
    holm,
    labels_figure,
    mean_figure,
    paired,
)

Values = npt.NDArray[np.float64]

METRICS: Final = ("dice", "auc")
BASELINES: Final = ("random", "stratified")
"""What every strategy is compared with."""
SHARES: Final = (0.90, 0.95, 0.98)
"""Of what all labels give."""
SIGNIFICANT: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """Figures by strategy, seed and round, of the seeds that are complete.

    Attributes:
        seeds: Those of which every strategy has every round.
        counts: Labels in each round.
        figures: By metric and strategy (S, R).
        full: By metric (S,), with all labels.
    """

    seeds: tuple[int, ...]
    counts: tuple[int, ...]
    figures: dict[str, dict[str, Values]]
    full: dict[str, Values]


def read_curves(plan: Plan, described: Mapping[str, str], files: CellFiles) -> Curves:
    """The complete seeds of a simulation.

    Args:
        plan: What is simulated.
        described: Description of each strategy, by name.
        files: The cells.

    Raises:
        ScoreError: If no seed is complete.
    """
    found = {seed: _of_seed(plan, described, files, seed) for seed in plan.seeds}
    whole = {seed: cells for seed, cells in found.items() if cells is not None}
    if not whole:
        raise ScoreError(f"none of {len(plan.seeds)} seeds is complete (let the simulation go on)")
    first = next(iter(whole.values()))[plan.strategies[0]]
    return Curves(
        seeds=tuple(whole),
        counts=tuple(len(cell.labelled) for cell in first),
        figures={
            metric: {
                name: np.array([[_value(c, metric) for c in one[name]] for one in whole.values()])
                for name in plan.strategies
            }
            for metric in METRICS
        },
        full={
            metric: np.array([_value(one[ALL_LABELS][0], metric) for one in whole.values()])
            for metric in METRICS
        },
    )


def _of_seed(
    plan: Plan, described: Mapping[str, str], files: CellFiles, seed: int
) -> dict[str, list[Cell]] | None:
    """Cells of one seed by strategy; None while one is missing."""
    cells: dict[str, list[Cell]] = {}
    for name in (ALL_LABELS, *plan.strategies):
        text, rounds = described.get(name, name), plan.rounds if name != ALL_LABELS else 1
        for number in range(rounds):
            cell = files.read(name, seed, number, described=text)
            if cell is None:
                return None
            cells.setdefault(name, []).append(cell)
    return cells


def _value(cell: Cell, metric: str) -> float:
    value = getattr(cell, metric)
    return np.nan if value is None else float(value)


def results(curves: Curves) -> dict[str, Any]:
    """Everything the report tells, as JSON carries it."""
    metrics = [m for m in METRICS if not np.isnan(curves.full[m]).any()]
    return {
        "seeds": list(curves.seeds),
        "labels": list(curves.counts),
        "full": {metric: mean_figure(curves.full[metric]) for metric in metrics},
        "strategies": {
            name: {metric: _of_strategy(curves, metric, name) for metric in metrics}
            for name in curves.figures["dice"]
        },
        "comparisons": {
            metric: {
                baseline: _against(curves, metric, baseline)
                for baseline in BASELINES
                if baseline in curves.figures[metric]
            }
            for metric in metrics
        },
    }


def _of_strategy(curves: Curves, metric: str, name: str) -> dict[str, Any]:
    values = curves.figures[metric][name]
    return {
        "curve": [mean_figure(column) for column in values.T],
        "area": mean_figure(area(curves.counts, values)),
        "labels_needed": {
            f"{share:.2f}": labels_figure(curves.counts, values, curves.full[metric], share=share)
            for share in SHARES
        },
        "by_seed": values.tolist(),
    }


def _against(curves: Curves, metric: str, baseline: str) -> dict[str, Any]:
    areas = {name: area(curves.counts, v) for name, v in curves.figures[metric].items()}
    rows = {name: paired(a, areas[baseline]) for name, a in areas.items() if name != baseline}
    tested = [name for name, row in rows.items() if row["p"] is not None]
    for name, p in zip(tested, holm([rows[name]["p"] for name in tested]), strict=True):
        rows[name]["p_holm"] = p
    return rows


def beats(found: dict[str, Any], metric: str, baseline: str) -> Sequence[str]:
    """Strategies whose area is above the baseline's beyond chance, the largest lead first."""
    rows = found["comparisons"].get(metric, {}).get(baseline, {})
    ahead = {
        name: row["difference"]["value"]
        for name, row in rows.items()
        if row["difference"]["value"] > 0 and row.get("p_holm", 1.0) < SIGNIFICANT
    }
    return sorted(ahead, key=lambda name: -ahead[name])
