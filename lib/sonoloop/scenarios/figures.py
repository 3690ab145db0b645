"""Figures of a row, averaged over its seeds, each with an interval by patient."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from sonoloop.errors import ScoreError
from sonoloop.evaluation import weighted
from sonoloop.evaluation.bootstrap import Bootstrap
from sonoloop.evaluation.cases import Case
from sonoloop.evaluation.diagnosis import by_image, by_patient
from sonoloop.evaluation.weighted import Statistic, Values, Weights


@dataclass(frozen=True, slots=True)
class Run:
    """Evaluated images of one seed, and the point at which they are called malignant."""

    cases: tuple[Case, ...]
    threshold: float


Measured = tuple[Sequence[str], Statistic]
"""Patients that the bootstrap draws, and the statistic of their cases."""

Measure = Callable[[Run], Measured]


def _mean(name: str) -> Measure:
    """Mean of a field over the lesion images."""

    def measure(run: Run) -> Measured:
        cases = [case for case in run.cases if case.has_lesion]
        return [c.patient for c in cases], weighted.mean([getattr(c, name) for c in cases])

    return measure


def _unmarked(run: Run) -> Measured:
    normals = [case for case in run.cases if case.has_lesion is False]
    return [c.patient for c in normals], weighted.mean([not c.marked for c in normals])


def _auc_image(run: Run) -> Measured:
    images = by_image(run.cases)
    return images.patients, weighted.auc(images.truth, images.model)


def _auc_patient(run: Run) -> Measured:
    patients = by_patient(by_image(run.cases))
    return patients.patients, weighted.auc(patients.truth, patients.model)


def _sensitivity(run: Run) -> Measured:
    images = by_image(run.cases)
    return images.patients, weighted.share(images.called(run.threshold), images.truth)


def _specificity(run: Run) -> Measured:
    images = by_image(run.cases)
    return images.patients, weighted.share(~images.called(run.threshold), ~images.truth)


def _ece(run: Run) -> Measured:
    images = by_image(run.cases)
    return images.patients, weighted.calibration_error(images.truth, images.model)


MEASURES: Final[dict[str, Measure]] = {
    "dice": _mean("dice"),
    "hd95_px": _mean("hd95_px"),
    "found": _mean("detected"),
    "unmarked": _unmarked,
    "auc_patient": _auc_patient,
    "auc_image": _auc_image,
    "sensitivity": _sensitivity,
    "specificity": _specificity,
    "ece": _ece,
}

TITLES: Final = {
    "dice": "Dice",
    "hd95_px": "HD95 px",
    "found": "lesion touched",
    "unmarked": "normals unmarked",
    "auc_patient": "AUC by patient",
    "auc_image": "AUC by image",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "ece": "ECE",
}
"""Of the columns; sensitivity and specificity are at the operating point of the classifier."""


def figures(runs: Sequence[Run], names: Sequence[str], *, resamples: int) -> dict[str, Any]:
    """Figures by name, each ``{"value", "ci95", "by_seed"}``.

    The value is the mean over the seeds; its interval draws patients, the same for every seed, so
    it tells of the test images and not of the spread between trainings, which ``by_seed`` shows.

    Args:
        runs: One a seed, of the same images in the same order.
        names: Keys of :data:`MEASURES`.
        resamples: Of the bootstrap.

    Raises:
        ScoreError: If the runs are of different images.
    """
    if len({tuple(case.image_id for case in run.cases) for run in runs}) != 1:
        raise ScoreError(f"{len(runs)} seeds were evaluated on different images")
    return {name: _figure([MEASURES[name](run) for run in runs], resamples) for name in names}


def _figure(measured: Sequence[Measured], resamples: int) -> dict[str, Any]:
    statistics = [statistic for _, statistic in measured]
    draw = Bootstrap(measured[0][0], resamples=resamples)

    def mean(weights: Weights) -> Values:
        return np.asarray(np.mean([statistic(weights) for statistic in statistics], axis=0))

    found = draw.figure(mean)
    if found["value"] is None:
        return {**found, "by_seed": []}
    ones = np.ones((1, draw.size))
    return {**found, "by_seed": [float(statistic(ones)[0]) for statistic in statistics]}
