"""From evaluated images to the figures of a report, each with its interval.

Every figure is ``{"value": x, "ci95": [low, high]}``; the interval is the percentile bootstrap over
patients (Efron & Tibshirani, "An Introduction to the Bootstrap", 1993), since images of one patient
are not independent. A figure that the data cannot give has the value None.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from sonoloop.evaluation.cases import Case
from sonoloop.evaluation.ranking import auc, expected_calibration_error
from sonoloop.labels import Pathology

Figure: TypeAlias = dict[str, Any]
Patients: TypeAlias = Sequence[Sequence[Case]]
"""Cases patient by patient; a patient drawn twice by the bootstrap stands there twice."""

Statistic: TypeAlias = Callable[[Patients], float | None]
CaseStatistic: TypeAlias = Callable[[Sequence[Case]], float | None]

RESAMPLES = 1000
OPERATING_POINT = 0.5


def figure(
    cases: Sequence[Case], statistic: Statistic, *, seed: int = 0, resamples: int = RESAMPLES
) -> Figure:
    """A statistic of ``cases`` with its 95 % interval over patients."""
    by_patient: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        by_patient[case.patient].append(case)
    patients = list(by_patient.values())
    value = statistic(patients)
    if value is None:
        return {"value": None, "ci95": None}
    rng = np.random.default_rng(seed)
    draws = (rng.integers(0, len(patients), len(patients)) for _ in range(resamples))
    repeats = [statistic([patients[index] for index in draw]) for draw in draws]
    known = [repeat for repeat in repeats if repeat is not None]
    low, high = np.percentile(known, [2.5, 97.5]) if known else (value, value)
    return {"value": float(value), "ci95": [float(low), float(high)]}


def over_cases(statistic: CaseStatistic) -> Statistic:
    """A statistic of single cases, whoever they belong to."""
    return lambda patients: statistic([case for cases in patients for case in cases])


def mean_of(name: str) -> CaseStatistic:
    """Mean of one field over the cases that have it."""

    def statistic(cases: Sequence[Case]) -> float | None:
        values = [getattr(case, name) for case in cases if getattr(case, name) is not None]
        return float(np.mean(values)) if values else None

    return statistic


def _share(cases: Sequence[Case], hit: Callable[[Case], bool]) -> float | None:
    return sum(map(hit, cases)) / len(cases) if cases else None


def _is_malignant(case: Case) -> bool:
    return case.pathology is Pathology.MALIGNANT


def _called(threshold: float) -> Callable[[Case], bool]:
    return lambda case: case.malignant >= threshold


def _arrays(cases: Sequence[Case]) -> tuple[np.ndarray, np.ndarray]:
    truth = np.array([_is_malignant(case) for case in cases], dtype=bool)
    return truth, np.array([case.malignant for case in cases], dtype=np.float64)


def auc_image(cases: Sequence[Case]) -> float | None:
    """AUC of malignant against the rest, image by image."""
    return auc(*_arrays(cases)) if cases else None


def auc_patient(patients: Patients) -> float | None:
    """AUC of malignant against the rest, patient by patient.

    A patient's score is the mean over their images; a patient with any malignant image counts as
    malignant.
    """
    if not patients:
        return None
    truth = np.array([any(map(_is_malignant, cases)) for cases in patients])
    score = np.array([np.mean([case.malignant for case in cases]) for cases in patients])
    return auc(truth, score)


def _classification(threshold: float) -> dict[str, CaseStatistic]:
    called = _called(threshold)

    def precision(cases: Sequence[Case]) -> float | None:
        return _share([c for c in cases if called(c)], _is_malignant)

    def sensitivity(cases: Sequence[Case]) -> float | None:
        return _share([c for c in cases if _is_malignant(c)], called)

    def f1(cases: Sequence[Case]) -> float | None:
        p, r = precision(cases), sensitivity(cases)
        return None if p is None or r is None or p + r == 0 else 2 * p * r / (p + r)

    def brier(cases: Sequence[Case]) -> float | None:
        truth, score = _arrays(cases)
        return float(((score - truth) ** 2).mean()) if cases else None

    return {
        "auc_image": auc_image,
        "accuracy": lambda cases: _share(cases, lambda c: called(c) == _is_malignant(c)),
        "sensitivity": sensitivity,
        "specificity": lambda cases: _share(
            [c for c in cases if not _is_malignant(c)], lambda c: not called(c)
        ),
        "precision": precision,
        "f1": f1,
        "brier": brier,
        "ece": lambda cases: expected_calibration_error(*_arrays(cases)) if cases else None,
    }


def summarise(
    cases: Sequence[Case],
    *,
    threshold: float = OPERATING_POINT,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> dict[str, Any]:
    """The figures of ``metrics.json``.

    Rules: images whose near-duplicates carry another class are left out of every figure and
    counted; images without outline take no part in segmentation and detection, images without
    pathology none in classification.

    Args:
        cases: Every evaluated image.
        threshold: Probability of malignancy at and above which an image is called malignant.
        seed: Of the bootstrap.
        resamples: Of the bootstrap.
    """
    used = [case for case in cases if not case.label_conflict]
    lesions = [case for case in used if case.has_lesion]
    normals = [case for case in used if case.has_lesion is False]
    classified = [case for case in used if case.pathology is not None]

    def told(chosen: Sequence[Case], statistic: CaseStatistic) -> Figure:
        return figure(chosen, over_cases(statistic), seed=seed, resamples=resamples)

    return {
        "segmentation": {
            name: told(lesions, mean_of(name))
            for name in ("dice", "iou", "hd95_px", "nsd_2px", "accuracy")
        },
        "detection": {
            "sensitivity": told(lesions, mean_of("detected")),
            "specificity": told(normals, lambda cs: _share(cs, lambda c: not c.marked)),
        },
        "classification": {
            "operating_point": threshold,
            "auc_patient": figure(classified, auc_patient, seed=seed, resamples=resamples),
            **{n: told(classified, s) for n, s in _classification(threshold).items()},
        },
        "n_images": len(used),
        "n_patients": len({case.patient for case in used}),
        "n_lesions": len(lesions),
        "n_normals": len(normals),
        "n_without_mask": sum(case.has_lesion is None for case in used),
        "n_without_pathology": sum(case.pathology is None for case in used),
        "n_label_conflicts": len(cases) - len(used),
    }
