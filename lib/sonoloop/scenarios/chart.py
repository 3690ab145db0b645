"""A scenario at a glance: for every row a dot with its interval."""

from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sonoloop.evaluation.plots.style import (
    BLUE,
    GREY,
    ORANGE,
    SKY,
    SMALL,
    VERMILLION,
    bars,
    canvas,
    tidy,
)
from sonoloop.scenarios.figures import TITLES

COLOURS: Final = (BLUE, VERMILLION, ORANGE, SKY)
"""Of the test data, in order of appearance."""

PANEL_IN: Final = 4.6
LABELS_IN: Final = 3.0
ROW_IN: Final = 0.28
FRAME_IN: Final = 1.5


def draw_chart(table: dict[str, Any]) -> Figure | None:
    """Dots and intervals of the charted figures, a panel each; None before there is any.

    Args:
        table: A scenario with its rows.
    """
    rows = table["rows"]
    shown = [
        name for name in table["charted"] if any(_value(row, name) is not None for row in rows)
    ]
    if not shown:
        return None
    size = LABELS_IN + PANEL_IN * len(shown), FRAME_IN + ROW_IN * len(rows)
    figure, axes = canvas(*size, columns=len(shown))
    labels = _labels(rows)
    tests = list(dict.fromkeys(row["tested_on"] for row in rows))
    for axis, name in zip(axes, shown, strict=True):
        for at, row in enumerate(rows):
            _dot(axis, at, row, name, COLOURS[tests.index(row["tested_on"]) % len(COLOURS)])
        tidy(axis, title=TITLES[name], x=f"{TITLES[name]}, 95 % interval by patient", y="")
        axis.set_ylim(len(rows) - 0.4, -0.6)
        axis.set_yticks(range(len(rows)), labels if axis is axes[0] else [])
        axis.tick_params(axis="y", labelsize=SMALL)
    figure.suptitle(f"{table['scenario']}: {table['question']}", fontsize=10.5)
    return figure


def _value(row: dict[str, Any], name: str) -> float | None:
    figure = row.get("figures", {}).get(name)
    return None if figure is None else figure["value"]


def _labels(rows: list[dict[str, Any]]) -> list[str]:
    """What is compared; the training data only where they differ."""
    several = len({row["trained_on"] for row in rows}) > 1
    labels = []
    for row in rows:
        trained = f"{row['trained_on']} " if several else ""
        status = "" if "figures" in row else f" ({row['status']})"
        labels.append(f"{row['variant']}: {trained}→ {row['tested_on']}{status}")
    return labels


def _dot(axis: Axes, at: int, row: dict[str, Any], name: str, colour: str) -> None:
    value = _value(row, name)
    if value is None:
        return
    figure = row["figures"][name]
    axis.errorbar(
        [value], [at], xerr=bars(figure), fmt="o", color=colour, capsize=2.5, markersize=5
    )
    seeds = figure["by_seed"]
    if len(seeds) > 1:
        axis.scatter(seeds, [at] * len(seeds), s=9, color=GREY, zorder=3)
