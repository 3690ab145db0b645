"""Stated probability against observed frequency."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sonoloop.evaluation import weighted
from sonoloop.evaluation.bootstrap import Bootstrap
from sonoloop.evaluation.cases import Case
from sonoloop.evaluation.diagnosis import Scored, by_image, unscaled
from sonoloop.evaluation.plots.style import BLUE, DPI, GREY, ORANGE, SKY, SMALL, tidy, told

BINS = 10
"""Of equal count, at most: every point then rests on as many images as the others."""

BEFORE: Final = {"color": ORANGE, "linestyle": "--", "marker": "s", "markersize": 4}
AFTER: Final = {"color": BLUE, "linewidth": 1.6, "marker": "o", "markersize": 5.5, "zorder": 4}

BIN_IMAGES = 20
"""Images a bin holds at least, where there are so many."""


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
        _points(axis, before, resamples, label=label, style=BEFORE)
    _points(axis, images, resamples, label="as told", style=AFTER)
    _bars(axis, images)
    malignant = int(images.truth.sum())
    tidy(
        axis,
        title=f"Reliability: {images.truth.size} images, {malignant} malignant",
        x="",
        y="observed share malignant",
    )
    axis.set(xlim=(-0.02, 1.02), ylim=(-0.03, 1.06))
    axis.legend(
        loc="upper left", fontsize=SMALL, title_fontsize=SMALL,
        title="bins of equal count (number: images), bars: 95 %, by patients",
    )  # fmt: skip
    bins = np.linspace(0, 1, weighted.ECE_BINS + 1)
    split = [images.model[~images.truth], images.model[images.truth]]
    counts.hist(
        split, bins=bins, stacked=True, color=[SKY, ORANGE], label=["not malignant", "malignant"]
    )
    tidy(counts, title="", x="predicted probability of malignancy", y="images")
    counts.legend(loc="upper center", fontsize=SMALL)
    return figure


def _points(
    axis: Axes, images: Scored, resamples: int, *, label: str, style: Mapping[str, Any]
) -> None:
    draw = Bootstrap(images.patients, resamples=resamples)
    ece = draw.figure(weighted.calibration_error(images.truth, images.model))
    bins = _equal_counts(images.model)
    stated = [images.model[inside].mean() for inside in bins]
    observed = [images.truth[inside].mean() for inside in bins]
    axis.plot(stated, observed, **style, label=f"{label}: ECE {told(ece)}")


def _bars(axis: Axes, images: Scored) -> None:
    patients = np.array(images.patients)
    for inside in _equal_counts(images.model):
        stated, observed = images.model[inside].mean(), images.truth[inside].mean()
        low, high = wilson(observed, len(np.unique(patients[inside])))
        axis.vlines(stated, low, high, color=BLUE, linewidth=1)
        axis.annotate(
            f"{int(inside.sum())}", (stated, high), xytext=(0, 3), textcoords="offset points",
            fontsize=7.5, color=GREY, ha="center",
        )  # fmt: skip


def wilson(share: float, size: int) -> tuple[float, float]:
    """95 % score interval of a share (Wilson, JASA 22, 1927).

    The bootstrap has no width where a bin holds one class only; this has.

    Args:
        share: Observed, in [0, 1].
        size: Independent observations behind it, at least 1.

    Example:
        >>> [round(end, 3) for end in wilson(0.0, 10)]
        [0.0, 0.278]
    """
    z = 1.959964
    centre = (share + z**2 / (2 * size)) / (1 + z**2 / size)
    half = z * math.sqrt(share * (1 - share) / size + z**2 / (4 * size**2)) / (1 + z**2 / size)
    return max(0.0, centre - half), min(1.0, centre + half)


def _equal_counts(score: np.ndarray) -> list[np.ndarray]:
    """Masks of bins with about equally many cases; equal scores are never parted."""
    bins = int(np.clip(len(score) // BIN_IMAGES, 1, BINS))
    edges = np.unique(np.quantile(score, np.linspace(0, 1, bins + 1)[1:-1], method="higher"))
    index = np.searchsorted(edges, score, side="right")
    return [index == number for number in np.unique(index)]
