"""Malignant against the rest: figures by image and by patient, beside the readers' BI-RADS."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sonoloop.errors import ScoreError
from sonoloop.evaluation import weighted
from sonoloop.evaluation.birads import SUSPICIOUS, suspicion
from sonoloop.evaluation.bootstrap import RESAMPLES, Bootstrap, Figure
from sonoloop.evaluation.cases import Case
from sonoloop.evaluation.weighted import Flags, Statistic, Values
from sonoloop.labels import Pathology

OPERATING_POINT = 0.5
"""Probability of malignancy at and above which a case is called malignant when no classifier's
card and no option says otherwise."""


@dataclasses.dataclass(frozen=True, slots=True)
class Scored:
    """Truth and scores of images, or of patients.

    Attributes:
        patients: (N,) who each belongs to.
        truth: (N,) malignant or not.
        model: (N,) predicted probability of malignancy.
        reader: (N,) rank of the BI-RADS category; nan where there is none.
    """

    patients: tuple[str, ...]
    truth: Flags
    model: Values
    reader: Values

    def called(self, threshold: float) -> Flags:
        """(N,) called malignant by the model, at and above ``threshold``."""
        flags: Flags = self.model >= threshold
        return flags

    def read(self, least: float = SUSPICIOUS) -> Flags:
        """(N,) called malignant by the reader, at and above the rank ``least``."""
        flags: Flags = self.reader >= least
        return flags


def by_image(cases: Sequence[Case]) -> Scored:
    """One entry for each image whose pathology is known.

    Raises:
        ScoreError: If a predicted probability is not finite.
    """
    known = [case for case in cases if case.pathology is not None]
    broken = [case.image_id for case in known if not math.isfinite(case.malignant)]
    if broken:
        raise ScoreError(
            f"{len(broken)} of {len(known)} probabilities of malignancy are not finite, first that "
            f"of image {broken[0]!r} (weights that hold nan?)"
        )
    ranks = [suspicion(case.birads) for case in known]
    return Scored(
        patients=tuple(case.patient for case in known),
        truth=np.array([case.pathology is Pathology.MALIGNANT for case in known], dtype=bool),
        model=np.array([case.malignant for case in known], dtype=np.float64),
        reader=np.array([np.nan if rank is None else rank for rank in ranks], dtype=np.float64),
    )


def by_patient(images: Scored) -> Scored:
    """One entry for each patient.

    A patient with any malignant image is malignant. The model's score is the mean over the
    images; the reader's rank is the most suspicious category.
    """
    rows: dict[str, list[int]] = {}
    for index, patient in enumerate(images.patients):
        rows.setdefault(patient, []).append(index)
    return Scored(
        patients=tuple(rows),
        truth=np.array([images.truth[own].any() for own in rows.values()], dtype=bool),
        model=np.array([images.model[own].mean() for own in rows.values()], dtype=np.float64),
        reader=np.array([np.fmax.reduce(images.reader[own]) for own in rows.values()]),
    )


def unscaled(cases: Sequence[Case], temperature: float) -> list[Case]:
    """The cases with the probabilities as they were before temperature scaling.

    Softmax of logits divided by T is undone by raising to the power T and normalising. Exact where
    the probabilities are one softmax; an approximation where several were averaged.

    Args:
        cases: Evaluated images.
        temperature: Logits were divided by it.
    """
    scaled = np.array([(c.normal, c.benign, c.malignant) for c in cases]).reshape(-1, 3)
    powers = scaled**temperature
    before = powers / powers.sum(axis=1, keepdims=True)
    return [
        dataclasses.replace(case, normal=float(n), benign=float(b), malignant=float(m))
        for case, (n, b, m) in zip(cases, before, strict=True)
    ]


def assessed(cases: Sequence[Case]) -> list[Case]:
    """Cases with a pathology and a BI-RADS category that is a reading of the image."""
    return [c for c in cases if c.pathology is not None and suspicion(c.birads) is not None]


def classification_figures(
    cases: Sequence[Case], *, threshold: float, seed: int = 0, resamples: int = RESAMPLES
) -> dict[str, Any]:
    """Figures of malignant against the rest; images without pathology take no part.

    Args:
        cases: Evaluated images.
        threshold: Probability of malignancy at and above which a case is called malignant.
        seed: Of the bootstrap.
        resamples: Of the bootstrap.
    """
    images = by_image(cases)
    patients = by_patient(images)
    draw = Bootstrap(images.patients, seed=seed, resamples=resamples)
    draw_patients = Bootstrap(patients.patients, seed=seed, resamples=resamples)
    truth, called, score = images.truth, images.called(threshold), images.model
    everyone = np.ones_like(truth)
    at_point = _at_point(patients.truth, patients.called(threshold))
    return {
        "auc_image": draw.figure(weighted.auc(truth, score)),
        "auc_patient": draw_patients.figure(weighted.auc(patients.truth, patients.model)),
        "accuracy": draw.figure(weighted.share(called == truth, everyone)),
        **{name: draw.figure(s) for name, s in _at_point(truth, called).items()},
        **{f"{name}_patient": draw_patients.figure(s) for name, s in at_point.items()},
        "precision": draw.figure(weighted.share(truth, called)),
        "f1": draw.figure(weighted.f1(called, truth)),
        "brier": draw.figure(weighted.mean((score - truth) ** 2)),
        "ece": draw.figure(weighted.calibration_error(truth, score)),
    }


def calibration_figure(
    cases: Sequence[Case], *, seed: int = 0, resamples: int = RESAMPLES
) -> Figure:
    """The expected calibration error of the images of known pathology."""
    images = by_image(cases)
    draw = Bootstrap(images.patients, seed=seed, resamples=resamples)
    return draw.figure(weighted.calibration_error(images.truth, images.model))


def _at_point(truth: Flags, called: Flags) -> dict[str, Statistic]:
    return {
        "sensitivity": weighted.share(called, truth),
        "specificity": weighted.share(~called, ~truth),
    }


def reader_figures(
    cases: Sequence[Case], *, threshold: float, seed: int = 0, resamples: int = RESAMPLES
) -> dict[str, Any]:
    """The readers' BI-RADS and the model on the same cases and resamples, with the difference.

    Each of ``image`` and ``patient`` holds ``reader``, ``model`` and ``difference`` (model minus
    reader), each with ``auc``, ``sensitivity`` and ``specificity``; the reader calls malignant at
    BI-RADS 4A (or 4) and above, the model at ``threshold``.

    Args:
        cases: Evaluated images; those without pathology or without a category from 1 to 5 take
            no part and are counted.
        threshold: As in :func:`classification_figures`.
        seed: Of the bootstrap.
        resamples: Of the bootstrap.
    """
    known = assessed(cases)
    images = by_image(known)
    patients = by_patient(images)
    units = {"image": images, "patient": patients}
    return {
        "n_images": len(known),
        "n_patients": len(patients.patients),
        "n_without_assessment": len(cases) - len(known),
        "rule": "BI-RADS 4A (or 4) and above counts as called malignant",
        **{
            name: _beside(
                unit, threshold, Bootstrap(unit.patients, seed=seed, resamples=resamples).figure
            )
            for name, unit in units.items()
        },
    }


def _beside(
    unit: Scored, threshold: float, figure: Callable[[Statistic], Figure]
) -> dict[str, Any]:
    model = {
        "auc": weighted.auc(unit.truth, unit.model),
        **_at_point(unit.truth, unit.called(threshold)),
    }
    reader = {"auc": weighted.auc(unit.truth, unit.reader), **_at_point(unit.truth, unit.read())}
    return {
        "reader": {name: figure(statistic) for name, statistic in reader.items()},
        "model": {name: figure(statistic) for name, statistic in model.items()},
        "difference": {
            name: figure(weighted.difference(model[name], reader[name])) for name in model
        },
    }
