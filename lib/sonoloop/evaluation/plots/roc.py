"""ROC curve with its bootstrap band, and the readers' BI-RADS beside it."""

from collections.abc import Collection, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve

from sonoloop.evaluation import weighted
from sonoloop.evaluation.birads import SUSPICION
from sonoloop.evaluation.bootstrap import Bootstrap
from sonoloop.evaluation.cases import Case
from sonoloop.evaluation.diagnosis import Scored, assessed, by_image, by_patient
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

RATES = np.linspace(0, 1, 201)


def roc_plot(cases: Sequence[Case], *, threshold: float, resamples: int) -> Figure | None:
    """The ROC of malignant against the rest, by patient and by image; None without both classes."""
    images = by_image(cases)
    patients = by_patient(images)
    if patients.truth.all() or not patients.truth.any():
        return None
    figure, (axis,) = canvas(6.2, 6.2)
    axis.plot([0, 1], [0, 1], color="#bbbbbb", linewidth=0.8, linestyle=":")
    _curve(axis, patients, threshold, resamples)
    auc = Bootstrap(images.patients, resamples=resamples).figure(
        weighted.auc(images.truth, images.model)
    )
    label = f"by image (n = {images.truth.size}), AUC {told(auc)}"
    axis.plot(*_steps(images), color=GREY, linewidth=1, linestyle="--", label=label)
    read = assessed(cases)
    readers = by_patient(by_image(read))
    if readers.truth.any() and not readers.truth.all():
        _readers(axis, readers, {case.birads for case in read}, resamples)
    malignant = int(patients.truth.sum())
    tidy(
        axis,
        title=f"Malignant against the rest: {patients.truth.size} patients, {malignant} malignant",
        x="false-positive rate (1 - specificity)",
        y="sensitivity",
    )
    axis.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.015), aspect="equal")
    axis.legend(loc="lower right", fontsize=SMALL, title="95 % intervals over patients")
    return figure


def _steps(scored: Scored) -> tuple[np.ndarray, np.ndarray]:
    false, found, _ = roc_curve(scored.truth, scored.model)
    return false, found


def _curve(axis: Axes, patients: Scored, threshold: float, resamples: int) -> None:
    draw = Bootstrap(patients.patients, resamples=resamples)
    curves = weighted.roc_curves(patients.truth, patients.model, draw.weights(), at=RATES)
    low, high = np.nanpercentile(curves, [2.5, 97.5], axis=0)
    auc = draw.figure(weighted.auc(patients.truth, patients.model))
    axis.fill_between(RATES, low, high, color=BLUE, alpha=BAND, linewidth=0)
    axis.plot(*_steps(patients), color=BLUE, linewidth=2, label=f"by patient, AUC {told(auc)}")
    called = patients.called(threshold)
    found = draw.figure(weighted.share(called, patients.truth))
    false = draw.figure(weighted.share(called, ~patients.truth))
    axis.errorbar(
        false["value"], found["value"], xerr=bars(false), yerr=bars(found), fmt="o", color=BLUE,
        markersize=7, markeredgecolor="white", elinewidth=1, capsize=2, zorder=5,
        label=f"operating point {threshold:.3f}: sensitivity {found['value']:.3f}, "
        f"specificity {1 - false['value']:.3f}",
    )  # fmt: skip


def _readers(
    axis: Axes, readers: Scored, categories: Collection[str | None], resamples: int
) -> None:
    draw = Bootstrap(readers.patients, resamples=resamples)
    auc = draw.figure(weighted.auc(readers.truth, readers.reader))
    points = []
    for rank in np.unique(readers.reader)[1:]:
        called = readers.read(float(rank))
        points.append((called[~readers.truth].mean(), called[readers.truth].mean()))
        names = "/".join(n for n, own in SUSPICION.items() if own == rank and n in categories)
        axis.annotate(
            f"≥ {names}", points[-1], xytext=(7, -9), textcoords="offset points",
            fontsize=SMALL, color=VERMILLION,
        )  # fmt: skip
    line = [(0.0, 0.0), *reversed(points), (1.0, 1.0)]
    axis.plot(*zip(*line, strict=True), color=VERMILLION, linewidth=1, alpha=0.6)
    if points:
        axis.plot(
            *zip(*points, strict=True), "D", color=VERMILLION, markersize=6, zorder=4,
            label=f"readers' BI-RADS ({readers.truth.size} patients), AUC {told(auc)}",
        )  # fmt: skip
