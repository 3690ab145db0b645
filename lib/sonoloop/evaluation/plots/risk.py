"""Risk against coverage: what setting doubtful masks and calls aside gains."""

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sonoloop.evaluation import weighted
from sonoloop.evaluation.bootstrap import Bootstrap
from sonoloop.evaluation.cases import Case
from sonoloop.evaluation.doubt import BAD_DICE, doubted_calls, doubted_masks, wrongly_called
from sonoloop.evaluation.plots.style import BAND, BLUE, GREY, SMALL, VERMILLION, canvas, tidy, told

COVERAGES = np.linspace(0.3, 1.0, 36)


def risk_plot(cases: Sequence[Case], *, threshold: float, resamples: int) -> Figure | None:
    """Dice of the kept masks and accuracy of the kept calls by the share kept; None without doubt.

    The dotted line sets the worst aside first, which only the truth could do.
    """
    masks, calls = doubted_masks(cases), doubted_calls(cases)
    panels: list[Callable[[Axes], None]] = []
    if masks:
        panels.append(lambda axis: _masks(axis, masks, resamples))
    if calls:
        panels.append(lambda axis: _calls(axis, calls, threshold, resamples))
    if not panels:
        return None
    figure, axes = canvas(5.4 * len(panels), 4.6, columns=len(panels))
    for axis, draw in zip(axes, panels, strict=True):
        draw(axis)
    return figure


def _masks(axis: Axes, masks: Sequence[Case], resamples: int) -> None:
    doubt = np.array([case.uncertainty for case in masks], dtype=np.float64)
    agreement = np.array([case.dice for case in masks], dtype=np.float64)
    draw = Bootstrap([case.patient for case in masks], resamples=resamples)
    bad = agreement < BAD_DICE
    auroc = told(draw.figure(weighted.auc(bad, doubt)))
    _curve(axis, draw, doubt, agreement)
    tidy(
        axis,
        title=f"{len(masks)} masks, {int(bad.sum())} with Dice below {BAD_DICE}\nAUROC {auroc}",
        x="masks kept, % (most doubtful set aside)",
        y="mean Dice of the kept masks",
    )


def _calls(axis: Axes, calls: Sequence[Case], threshold: float, resamples: int) -> None:
    doubt = np.array([case.pathology_uncertainty for case in calls], dtype=np.float64)
    wrong = wrongly_called(calls, threshold)
    draw = Bootstrap([case.patient for case in calls], resamples=resamples)
    auroc = told(draw.figure(weighted.auc(wrong, doubt)))
    _curve(axis, draw, doubt, 1.0 - wrong)
    tidy(
        axis,
        title=f"{len(calls)} calls at {threshold:.3f}, {int(wrong.sum())} wrong\nAUROC {auroc}",
        x="images kept, % (most doubtful set aside)",
        y="accuracy of the kept calls",
    )


def _curve(axis: Axes, draw: Bootstrap, doubt: np.ndarray, values: np.ndarray) -> None:
    figures = [draw.figure(weighted.kept_mean(doubt, values, coverage=c)) for c in COVERAGES]
    one = np.ones((1, values.size))
    best = [weighted.kept_mean(-values, values, coverage=c)(one)[0] for c in COVERAGES]
    share = COVERAGES * 100
    if all(figure["ci95"] for figure in figures):
        low, high = np.array([figure["ci95"] for figure in figures]).T
        axis.fill_between(share, low, high, color=BLUE, alpha=BAND, linewidth=0)
    axis.plot(
        share, [figure["value"] for figure in figures], color=BLUE, linewidth=2,
        label="by doubt, 95 % interval over patients",
    )  # fmt: skip
    axis.plot(share, best, color=VERMILLION, linewidth=1.2, linestyle=":", label="worst first")
    axis.axhline(values.mean(), color=GREY, linewidth=0.9, linestyle="--", label="at random")
    axis.invert_xaxis()
    axis.legend(loc="best", fontsize=SMALL)
