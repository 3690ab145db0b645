"""The figures the gate looks at, of two models on the same images."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from sonoloop.evaluation import weighted
from sonoloop.evaluation.bootstrap import Bootstrap
from sonoloop.evaluation.cases import Case
from sonoloop.evaluation.diagnosis import by_image, by_patient
from sonoloop.evaluation.paired import RESAMPLES, compare, expanded_interval
from sonoloop.evaluation.summary import used_cases
from sonoloop.evaluation.verdicts import CaseDifference, Comparison, Measure
from sonoloop.labels import PATHOLOGIES, Pathology
from sonoloop.records import ModelTask
from sonoloop.settings import GateSettings

MIN_OF_A_CLASS: Final = 4
"""Patients of either class below which an AUC says next to nothing."""

COIN: Final = 0.5
"""AUC of an answer that knows nothing."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """Cases of both models, image by image.

    Attributes:
        task: What the models do.
        candidate: (N) cases.
        serving: (N) cases of the same images; those of the candidate when no model serves.
        is_alone: Whether no model serves.
    """

    task: ModelTask
    candidate: tuple[Case, ...]
    serving: tuple[Case, ...]
    is_alone: bool = False

    def where(self, keep: Callable[[Case], bool]) -> "Pairs":
        """Pairs of which the serving model's case is kept."""
        kept = [
            (own, other)
            for own, other in zip(self.candidate, self.serving, strict=True)
            if keep(other)
        ]
        own_kept, others_kept = tuple(own for own, _ in kept), tuple(other for _, other in kept)
        return dataclasses.replace(self, candidate=own_kept, serving=others_kept)

    @property
    def patients(self) -> int:
        """How many there are."""
        return len({case.patient for case in self.candidate})


@dataclass(frozen=True, slots=True)
class Level:
    """A figure of one model.

    Attributes:
        value: None when the images cannot give it.
        ci95: None for fewer than two patients.
        patients: How many it rests on.
    """

    value: float | None
    ci95: tuple[float, float] | None
    patients: int


def pair(task: ModelTask, candidate: Sequence[Case], serving: Sequence[Case] | None) -> Pairs:
    """Images that both were measured on and that say something of the task."""
    own = {case.image_id: case for case in used_cases(candidate) if _tells(task, case)}
    if serving is None:
        return Pairs(task, tuple(own.values()), tuple(own.values()), is_alone=True)
    others = {case.image_id: case for case in serving}
    both = [name for name in own if name in others]
    return Pairs(task, tuple(own[name] for name in both), tuple(others[name] for name in both))


def _tells(task: ModelTask, case: Case) -> bool:
    return case.has_lesion is not None if task == "segmentation" else case.pathology is not None


def comparisons(pairs: Pairs, settings: GateSettings) -> tuple[Comparison, ...]:
    """Every figure of the task, the leading one first."""
    if pairs.task == "classification":
        return _diagnoses(pairs, settings)
    dice = _compared("dice", _lesions(pairs), settings.dice_margin)
    normals = pairs.where(lambda case: case.has_lesion is False)
    if not normals.candidate:
        return (dice,)
    return dice, _compared("unmarked", normals, settings.unmarked_margin)


def _lesions(pairs: Pairs) -> Pairs:
    return pairs.where(lambda case: case.has_lesion is True)


def _compared(measure: Measure, pairs: Pairs, margin: float) -> Comparison:
    own, other = (
        weighted.mean([score(measure, case) for case in cases])
        for cases in (pairs.candidate, pairs.serving)
    )
    return compare(
        measure,
        own,
        None if pairs.is_alone else other,
        [case.patient for case in pairs.candidate],
        margin=margin,
        smaller_is_better=measure == "brier",
    )


def _diagnoses(pairs: Pairs, settings: GateSettings) -> tuple[Comparison, ...]:
    own, other = (by_patient(by_image(cases)) for cases in (pairs.candidate, pairs.serving))
    auc = compare(
        "auc",
        weighted.auc(own.truth, own.model),
        None if pairs.is_alone else weighted.auc(other.truth, other.model),
        own.patients,
        margin=settings.auc_margin,
    )
    return auc, _compared("brier", pairs, settings.brier_margin)


def level(pairs: Pairs) -> Level:
    """The leading figure of the serving model alone, with its interval."""
    if pairs.task == "segmentation":
        cases = _lesions(pairs).serving
        patients: Sequence[str] = [case.patient for case in cases]
        statistic = weighted.mean([score("dice", case) for case in cases])
    else:
        known = by_patient(by_image(pairs.serving))
        patients, statistic = known.patients, weighted.auc(known.truth, known.model)
    draw = Bootstrap(patients, resamples=RESAMPLES)
    if not draw.size:
        return Level(None, None, 0)
    value = float(statistic(np.ones((1, draw.size)))[0])
    if np.isnan(value):
        return Level(None, None, draw.patients)
    return Level(value, expanded_interval(draw.repeats(statistic), draw.patients), draw.patients)


def lacking(pairs: Pairs, least: int) -> str | None:
    """What there is too little of to judge, or None.

    Args:
        pairs: What was measured.
        least: Patients needed: with a lesion outline, or of known pathology, among them
            :data:`MIN_OF_A_CLASS` malignant and as many others.
    """
    if pairs.task == "segmentation":
        count = _lesions(pairs).patients
        told = f"{count} locked patients with a lesion outline, {least} are needed"
        return told if count < least else None
    known = by_patient(by_image(pairs.serving))
    count, malignant = len(known.patients), int(known.truth.sum())
    if count < least:
        return f"{count} locked patients of known pathology, {least} are needed"
    if min(malignant, count - malignant) < MIN_OF_A_CLASS:
        return (
            f"{malignant} malignant and {count - malignant} other locked patients, "
            f"{MIN_OF_A_CLASS} of either are needed"
        )
    return None


def trivial_figure(pairs: Pairs) -> float:
    """The leading figure of an answer that knows nothing: everything marked, or a coin.

    A mask of the whole image has the Dice 2 s / (1 + s) on a lesion of the share s.
    """
    if pairs.task == "classification":
        return COIN
    shares = [case.lesion_share or 0.0 for case in _lesions(pairs).candidate]
    return float(np.mean([2 * share / (1 + share) for share in shares])) if shares else 0.0


def score(measure: Measure, case: Case) -> float:
    """What one image contributes to a figure."""
    if measure == "dice":
        return case.dice or 0.0
    if measure == "unmarked":
        return float(not case.marked)
    return brier(case)


def brier(case: Case) -> float:
    """Half the squared distance of the probabilities from the true class, in [0, 1].

    Half of the score of Brier, "Verification of Forecasts Expressed in Terms of Probability",
    Monthly Weather Review 78, 1950, so that 1 is the worst.
    """
    told = {
        Pathology.NORMAL: case.normal,
        Pathology.BENIGN: case.benign,
        Pathology.MALIGNANT: case.malignant,
    }
    return sum((told[name] - float(name is case.pathology)) ** 2 for name in PATHOLOGIES) / 2


def differences(pairs: Pairs, label_keys: Mapping[str, str]) -> tuple[CaseDifference, ...]:
    """What both scored on every image."""
    found = []
    for own, other in zip(pairs.candidate, pairs.serving, strict=True):
        measure: Measure = "brier"
        if pairs.task == "segmentation":
            measure = "dice" if own.has_lesion else "unmarked"
        found.append(
            CaseDifference(
                image_id=own.image_id,
                patient=own.patient,
                label_key=label_keys.get(own.image_id, ""),
                measure=measure,
                candidate=score(measure, own),
                serving=None if pairs.is_alone else score(measure, other),
            )
        )
    return tuple(found)
