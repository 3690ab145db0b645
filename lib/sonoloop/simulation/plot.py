"""Pictures of a simulation: curves against labels, and leads over the baselines."""

import io
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter, NullLocator
from PIL import Image

from sonoloop.evaluation.plots.style import (
    BAND,
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
from sonoloop.simulation.results import BASELINES

TITLES: Final = {"dice": "Dice of lesion images", "auc": "AUC of malignancy by patient"}
SHORT: Final = {"dice": "Dice", "auc": "AUC"}
TICKS: Final = 4
"""Intervals of an axis of a narrow panel, at most."""
COLOURS_OF_A_FILE: Final = 192
"""Few enough for a small file, enough to keep similar colours of thin lines apart."""
COLOURS: Final = {
    "auto": VERMILLION,
    "typiclust": ORANGE,
    "entropy": BLUE,
    "bald": SKY,
    "power_noise": "#009E73",
    "stochastic_batches": "#CC79A7",
    "k_centre": "#8C6D31",
    "margin": "#7B5EA7",
    "random": "#000000",
    "stratified": GREY,
}
STYLES: Final = {"random": "-", "stratified": "--"}
BASELINE_WIDTH: Final = 2.2


def curves_plot(found: dict[str, Any]) -> Figure:
    """Mean curves of all strategies, a panel for each metric; bands are the baselines' intervals.

    Args:
        found: Of ``results.results``.
    """
    figure, axes = canvas(5.2 * len(found["full"]), 4.4, columns=len(found["full"]))
    for axis, metric in zip(axes, found["full"], strict=True):
        for name, of in found["strategies"].items():
            _curve(axis, found["labels"], name, of[metric]["curve"])
        axis.axhline(
            found["full"][metric]["value"], color=GREY, linewidth=0.9, linestyle=":",
            label="all labels",
        )  # fmt: skip
        axis.set_xscale("log")
        axis.set_xticks(found["labels"], [str(count) for count in found["labels"]])
        axis.xaxis.set_minor_locator(NullLocator())
        axis.xaxis.set_minor_formatter(NullFormatter())
        title = f"{TITLES[metric]}, mean of {len(found['seeds'])} seeds"
        tidy(axis, title=title, x="labelled images", y="")
    axes[0].legend(fontsize=SMALL - 1, loc="lower right")
    return figure


def _curve(axis: Axes, counts: list[int], name: str, curve: list[dict[str, Any]]) -> None:
    baseline = name in BASELINES
    colour = COLOURS.get(name)
    values = [point["value"] for point in curve]
    if baseline and all(point["ci95"] for point in curve):
        low, high = np.array([point["ci95"] for point in curve]).T
        axis.fill_between(counts, low, high, color=colour, alpha=BAND, linewidth=0)
    axis.plot(
        counts, values, color=colour, linestyle=STYLES.get(name, "-"), label=name,
        linewidth=BASELINE_WIDTH if baseline else 1.2, marker="o", markersize=2.5,
    )  # fmt: skip


def leads_plot(found: dict[str, Any]) -> Figure | None:
    """Difference of area from each baseline, with 95 % intervals over seeds; None without one."""
    panels = [
        (metric, baseline)
        for metric, of in found["comparisons"].items()
        for baseline, rows in of.items()
        if rows
    ]
    if not panels:
        return None
    names = list(found["strategies"])
    figure, axes = canvas(3.1 * len(panels) + 1.2, 0.32 * len(names) + 1.3, columns=len(panels))
    for axis, (metric, baseline) in zip(axes, panels, strict=True):
        rows = found["comparisons"][metric][baseline]
        for place, name in enumerate(names):
            if name in rows:
                lead = rows[name]["difference"]
                axis.errorbar(
                    [lead["value"]], [place], xerr=bars(lead), fmt="o", capsize=2.5,
                    markersize=5, color=COLOURS.get(name, BLUE),
                )  # fmt: skip
        axis.axvline(0, color=GREY, linewidth=0.9)
        tidy(axis, title=f"{SHORT[metric]}: lead over {baseline}", x="difference of area", y="")
        axis.set_ylim(len(names) - 0.4, -0.6)
        axis.set_yticks(range(len(names)), names if axis is axes[0] else [])
        axis.tick_params(labelsize=SMALL)
        axis.xaxis.set_major_locator(MaxNLocator(TICKS))
    return figure


def save_small(figure: Figure, path: Path) -> None:
    """Write a PNG of few colours, smaller than a plot is otherwise."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    with Image.open(buffer) as picture:
        picture.convert("RGB").quantize(COLOURS_OF_A_FILE).save(path, optimize=True)
