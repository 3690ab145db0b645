"""Stated probability against observed frequency."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sonoloop.evaluation import weighted
from sonoloop.evaluation.bootstrap import Bootstrap
from sonoloop.evaluation.cases import Case
from sonoloop.evaluation.diagnosis import Scored, by_image, unscaled
from sonoloop.evaluation.plots.style import BLUE, DPI, ORANGE, SKY, SMALL, bars, tidy, told

BINS = 10
"""Of equal count, at most: every point then rests on as many images as the others."""


def reliability_plot(cases: Sequence[Case], *, temperature: float, resamples: int) -> Figure | None:
    """Observed frequency of malignancy by predicted probability; None without classified images.

    Args:
        cases: Evaluated images.
        temperature: Of the classifier; where it is not 1, the curve before scaling is drawn too.
        resamples: Of the bootstrap.
    """
    images = by_image(cases)
    if not images.truth.size:
        return None
    figure = Figure(figsize=(6.2, 7.0), dpi=DPI, layout="constrained")
    axis, counts = figure.subplots(2, 1, height_ratios=[3.2, 1], sharex=True)
    axis.plot([0, 1], [0, 1], color="#999999", linewidth=0.9, linestyle=":", label="ideal")
    if temperature != 1.0:
        before = by_image(unscaled(cases, temperature))
        label = f"before scaling (temperature {temperature:.2f})"
        _points(axis, before, resamples, colour=ORANGE, label=label, counted=False)
    _points(axis, images, resamples, colour=BLUE, label="as told", counted=True)
    malignant = int(images.truth.sum())
    tidy(
        axis,
        title=f"Reliability: {images.truth.size} images, {malignant} malignant",
        x="",
        y="observed share malignant",
    )
    axis.set(xlim=(-0.02, 1.02), ylim=(-0.03, 1.05))
    axis.legend(loc="upper left", fontsize=SMALL, title="95 % intervals over patients")
    bins = np.linspace(0, 1, weighted.ECE_BINS + 1)
    split = [images.model[~images.truth], images.model[images.truth]]
    counts.hist(
        split, bins=bins, stacked=True, color=[SKY, ORANGE], label=["not malignant", "malignant"]
    )
    tidy(counts, title="", x="predicted probability of malignancy", y="images")
    counts.legend(loc="upper center", fontsize=SMALL)
    return figure


def _points(
    axis: Axes, images: Scored, resamples: int, *, colour: str, label: str, counted: bool
) -> None:
    draw = Bootstrap(images.patients, resamples=resamples)
    ece = draw.figure(weighted.calibration_error(images.truth, images.model))
    stated, observed = [], []
    for inside in _equal_counts(images.model):
        figure = draw.figure(weighted.share(images.truth, inside))
        stated.append(images.model[inside].mean())
        observed.append(figure["value"])
        point = stated[-1], observed[-1]
        axis.errorbar(*point, yerr=bars(figure), color=colour, elinewidth=0.9, capsize=2)
        if counted:
            axis.annotate(
                f"n={int(inside.sum())}", point, xytext=(4, -11), textcoords="offset points",
                fontsize=7,
            )  # fmt: skip
    axis.plot(
        stated, observed, "o-", color=colour, markersize=5, linewidth=1.4,
        label=f"{label}: ECE {told(ece)}",
    )  # fmt: skip


def _equal_counts(score: np.ndarray) -> list[np.ndarray]:
    """Masks of bins with about equally many cases; equal scores are never parted."""
    edges = np.unique(np.quantile(score, np.linspace(0, 1, BINS + 1)[1:-1], method="higher"))
    index = np.searchsorted(edges, score, side="right")
    return [index == number for number in np.unique(index)]
