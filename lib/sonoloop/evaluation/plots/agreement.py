"""Dice against what makes a lesion hard: its size, the scanner."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from sonoloop.evaluation import weighted
from sonoloop.evaluation.bootstrap import Bootstrap
from sonoloop.evaluation.cases import Case
from sonoloop.evaluation.plots.style import (
    BAND,
    BLUE,
    GREY,
    SMALL,
    VERMILLION,
    bars,
    canvas,
    tidy,
    told,
)
from sonoloop.evaluation.summary import SIZE_BOUNDS, scanner_of

WINDOW = 0.15
"""Share of the images whose median is one point of the running line."""


def size_plot(cases: Sequence[Case], *, resamples: int) -> Figure | None:
    """Dice of every lesion image by the lesion's share of the image; None without lesions."""
    lesions = sorted(
        (case for case in cases if case.dice is not None), key=lambda case: case.lesion_share or 0
    )
    if not lesions:
        return None
    share = np.array([case.lesion_share for case in lesions], dtype=np.float64) * 100
    agreement = _dice(lesions)
    missed = np.array([not case.detected for case in lesions])
    dice = Bootstrap([c.patient for c in lesions], resamples=resamples).figure(
        weighted.mean(agreement)
    )
    figure, (axis,) = canvas(7.2, 4.8)
    axis.scatter(
        share[~missed], agreement[~missed], s=12, color=BLUE, alpha=0.45, linewidth=0, label="image"
    )
    if missed.any():
        axis.scatter(
            share[missed], agreement[missed], s=28, marker="x", color=VERMILLION,
            label=f"lesion not touched ({int(missed.sum())})",
        )  # fmt: skip
    middle, low, centre, high = running_quartiles(share, agreement)
    axis.fill_between(middle, low, high, color="black", alpha=BAND / 1.5, linewidth=0)
    axis.plot(middle, centre, color="black", linewidth=1.6, label="running median, quartiles")
    for bound in SIZE_BOUNDS:
        axis.axvline(bound * 100, color=GREY, linewidth=0.8, linestyle=":")
    axis.set_xscale("log")
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.xaxis.set_minor_formatter(FuncFormatter(_two_and_five))
    tidy(
        axis,
        title=f"{len(lesions)} lesion images, mean Dice {told(dice)}",
        x="area of the lesion, % of the image (dotted: small, medium, large)",
        y="Dice",
    )
    axis.set_ylim(-0.03, 1.03)
    figure.legend(loc="outside lower center", ncols=3, fontsize=SMALL, frameon=False)
    return figure


def _dice(lesions: Sequence[Case]) -> npt.NDArray[np.float64]:
    return np.array([case.dice for case in lesions], dtype=np.float64)


def _two_and_five(value: float, _: int | None) -> str:
    return f"{value:g}" if f"{value:e}"[0] in "25" else ""


def running_quartiles(
    key: np.ndarray, values: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Median of the keys and quartiles of the values in a window that slides over the ranks.

    Args:
        key: (N,) increasing.
        values: (N,).

    Returns:
        Keys, first quartiles, medians and third quartiles, (M,) each.
    """
    width = min(len(key), max(15, round(WINDOW * len(key))))
    keys = np.lib.stride_tricks.sliding_window_view(key, width)
    windows = np.lib.stride_tricks.sliding_window_view(values, width)
    low, centre, high = np.percentile(windows, [25, 50, 75], axis=1)
    return np.median(keys, axis=1), low, centre, high


def scanner_plot(cases: Sequence[Case], *, resamples: int) -> Figure | None:
    """Dice by scanner as box plots; None without lesions."""
    lesions = [case for case in cases if case.dice is not None]
    if not lesions:
        return None
    groups = {
        name: [case for case in lesions if scanner_of(case) == name]
        for name in sorted({scanner_of(case) for case in lesions}, reverse=True)
    }
    figure, (axis,) = canvas(7.4, 1.6 + 0.75 * len(groups))
    axis.boxplot(
        [_dice(group) for group in groups.values()],
        orientation="horizontal",
        widths=0.55,
        flierprops={"markersize": 3, "markeredgecolor": GREY},
        medianprops={"color": "black", "linewidth": 1.6},
        patch_artist=True,
        boxprops={"facecolor": BLUE, "alpha": 0.35},
    )
    labels = []
    for row, (name, group) in enumerate(groups.items(), start=1):
        mean = Bootstrap([c.patient for c in group], resamples=resamples).figure(
            weighted.mean(_dice(group))
        )
        axis.errorbar(
            mean["value"], row, xerr=bars(mean), fmt="D", color=VERMILLION, markersize=5, capsize=3,
            label="mean with 95 % interval over patients" if row == 1 else None,
        )  # fmt: skip
        patients = len({case.patient for case in group})
        labels.append(f"{name}\nimages: {len(group)}, patients: {patients}\nmean {told(mean)}")
    axis.set_yticks(range(1, len(groups) + 1), labels, fontsize=SMALL)
    tidy(axis, title="Dice by scanner (box: quartiles, line: median)", x="Dice", y="")
    axis.set_xlim(-0.02, 1.02)
    figure.legend(loc="outside lower center", fontsize=SMALL, frameon=False)
    return figure
