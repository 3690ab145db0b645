"""The gate: whether a candidate may take the place of the serving model.

Both are measured on the locked patients, whom no training ever saw. The candidate is

* rejected when it is broken or proven worse,
* published when it is not worse by more than the margin, at the lower end of the interval,
* held otherwise: for lack of evidence, or because the labels themselves are suspect.

Labels are suspect when the serving model does far worse on them than on what it was measured on
before: a reader who draws masks inside out or swaps the classes would otherwise let a model win
that learned the same mistake. See ``docs/publishing.md``.
"""

import dataclasses
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sonoloop.evaluation.cases import Case
from sonoloop.evaluation.figures import (
    COIN,
    Pairs,
    comparisons,
    differences,
    lacking,
    level,
    pair,
    trivial_figure,
)
from sonoloop.evaluation.verdicts import Comparison, GateDecision, GateVerdict, Measure
from sonoloop.records import ModelTask
from sonoloop.settings import GateSettings

MIN_NEW: Final = 5
"""Patients with new labels of whom it can be told that their labels are suspect."""

NOTHING_IN_COMMON: Final = 0.1
"""Dice below which a label and the serving model's outline are taken to mean different things."""

LARGEST_SHARE: Final = 0.5
"""Share of the image that hardly a lesion exceeds: one of 746 images of BUS-BRA folds 1-4 (every
second) does."""
LARGE_AMONG: Final = 0.1
MIN_LARGE: Final = 3
"""So many lesions beyond it, among them all and at least, are no chance."""

NAMES: Final[dict[Measure, str]] = {
    "dice": "mean Dice",
    "unmarked": "share of normal images left unmarked",
    "auc": "patient AUC",
    "brier": "Brier score",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """What is known besides the measurements.

    Attributes:
        label_keys: Hash of the label of every locked image, by image id.
        trusted: Image and hash of the labels that an earlier publication stood on.
        reference: Leading figure of the serving model when it was made or published; None when
            unknown.
        debt: What the serving model's leading figure lost in publications within the margin since
            the last gain, 0 or less: it is taken off the margin, so that small losses cannot add
            up.
    """

    label_keys: Mapping[str, str]
    trusted: Collection[tuple[str, str]] = ()
    reference: float | None = None
    debt: float = 0.0

    def trusts(self, case: Case) -> bool:
        """Whether an earlier publication stood on the label of this image."""
        return (case.image_id, self.label_keys.get(case.image_id, "")) in self.trusted


def decide(
    task: ModelTask,
    candidate: Sequence[Case],
    serving: Sequence[Case] | None,
    settings: GateSettings,
    background: Background,
) -> GateDecision:
    """Whether the candidate may serve.

    Args:
        task: Of the candidate.
        candidate: What the pipeline with the candidate said of the locked images.
        serving: What that with the serving model said; None when no model serves the task.
        settings: Margins and least evidence.
        background: Trust in the labels, and what came before.

    Raises:
        ScoreError: If the serving model gives probabilities that are no numbers.
    """
    broken = [case for case in candidate if not _is_finite(case)]
    if broken:
        return rejected(
            f"the candidate is broken: no number came out for {len(broken)} of {len(candidate)} "
            f"locked images (first {broken[0].image_id})"
        )
    pairs = pair(task, candidate, serving)
    decision = _first(pairs) if serving is None else _against(pairs, settings, background)
    return dataclasses.replace(decision, cases=differences(pairs, background.label_keys))


def rejected(reason: str) -> GateDecision:
    """Of a candidate that cannot even be measured."""
    return GateDecision(verdict="rejected", reason=reason)


def _is_finite(case: Case) -> bool:
    told = (case.malignant, case.benign, case.normal, case.uncertainty)
    return all(value is None or math.isfinite(value) for value in told)


def _first(pairs: Pairs) -> GateDecision:
    """Nothing serves: the candidate need only be better than an answer that knows nothing."""
    figures = comparisons(pairs, GateSettings())
    leading, told = figures[0], f"the first {pairs.task} model, nothing to compare it with"
    if leading.candidate is None:
        return GateDecision(
            verdict="published",
            reason=f"{told} and no locked patient to measure it on yet",
            figures=figures,
        )
    floor = trivial_figure(pairs)
    better = leading.candidate > floor
    return GateDecision(
        verdict="published" if better else "rejected",
        reason=f"{told}: {NAMES[leading.measure]} {leading.candidate:.3f} on {leading.patients} "
        f"locked patients, {'better' if better else 'no better'} than the {floor:.3f} of an "
        f"answer that knows nothing",
        figures=figures,
    )


def _against(pairs: Pairs, settings: GateSettings, background: Background) -> GateDecision:
    """Every objection in turn: too little evidence, doubtful labels, a loss."""
    settings = _after_debt(pairs.task, settings, background.debt)
    figures = comparisons(pairs, settings)
    held = GateDecision(verdict="held", reason="", figures=figures)
    too_little = lacking(pairs, settings.gate_min_patients)
    if too_little:
        reason = f"not enough evidence: {too_little} (so far {sentence(figures[0])})"
        return dataclasses.replace(held, reason=reason)
    doubt, suspects = _suspects(pairs, settings, background)
    if doubt:
        return dataclasses.replace(held, reason=doubt, suspects=suspects)
    figures += _on_trusted(pairs, settings, background)
    verdict, reason = _verdict(pairs, figures)
    return dataclasses.replace(held, verdict=verdict, reason=reason, figures=figures)


def _after_debt(task: ModelTask, settings: GateSettings, debt: float) -> GateSettings:
    if task == "segmentation":
        return dataclasses.replace(settings, dice_margin=max(0.0, settings.dice_margin + debt))
    return dataclasses.replace(settings, auc_margin=max(0.0, settings.auc_margin + debt))


def _verdict(pairs: Pairs, figures: Sequence[Comparison]) -> tuple[GateVerdict, str]:
    worse = [figure for figure in figures if figure.is_proven_worse]
    if worse:
        return "rejected", f"worse than the serving model: {sentence(worse[0])}"
    unsure = [figure for figure in figures if not _passes(figure)]
    if unsure:
        return "held", f"perhaps worse than the serving model: {sentence(unsure[0])}"
    doubt = _rests_on_contradictions(pairs)
    if doubt:
        return "held", doubt
    return "published", f"no worse than the serving model: {sentence(figures[0])}"


def _passes(figure: Comparison) -> bool:
    """Normal images are few: for them the difference itself must be within the margin."""
    if figure.measure == "unmarked":
        return figure.difference is None or figure.difference >= -figure.margin
    return figure.is_within_margin


def _suspects(
    pairs: Pairs, settings: GateSettings, background: Background
) -> tuple[str, tuple[str, ...]]:
    """Why new labels are suspect, on which the serving model fails as it never did; their images.

    Empty when they are not.
    """
    new = pairs.where(lambda case: not background.trusts(case))
    covering = _covering(new)
    if covering:
        return covering
    found, own = level(new), background.reference
    if found.ci95 is None or found.patients < MIN_NEW:
        return "", ()
    floor, name = NOTHING_IN_COMMON, NAMES["dice"]
    if pairs.task == "classification":
        floor, name = COIN, NAMES["auc"]
    if found.ci95[1] >= max(floor, (own or 0.0) - settings.suspect_drop):
        return "", ()
    usual = "no better than chance" if own is None else f"far below its own {own:.3f}"
    told = (
        f"the labels are suspect: on {found.patients} newly labelled locked patients the serving "
        f"model reaches a {name} of {found.value:.3f} (95 % interval {found.ci95[0]:.3f} to "
        f"{found.ci95[1]:.3f}), {usual}; look at these labels (inside out? classes swapped?), or "
        f"publish by hand if the images are of another kind"
    )
    return told, tuple(case.image_id for case in new.serving)


def _covering(new: Pairs) -> tuple[str, tuple[str, ...]] | None:
    """Why outlines are suspect that cover most of their image, as masks drawn inside out do."""
    if new.task != "segmentation":
        return None
    lesions = [case for case in new.serving if case.has_lesion]
    large = [case for case in lesions if (case.lesion_share or 0.0) > LARGEST_SHARE]
    if len(large) < max(MIN_LARGE, LARGE_AMONG * len(lesions)):
        return None
    told = (
        f"the labels are suspect: {len(large)} of {len(lesions)} newly labelled locked lesions "
        f"cover more than half of their image; look at these labels (inside out?), or publish by "
        f"hand if they are right"
    )
    return told, tuple(case.image_id for case in large)


def _on_trusted(
    pairs: Pairs, settings: GateSettings, background: Background
) -> tuple[Comparison, ...]:
    """The same figures on labels that an earlier publication stood on, when these are enough.

    A gain on doubtful new labels must not make up for a loss on those known to be good.
    """
    known = pairs.where(background.trusts)
    is_all = len(known.candidate) == len(pairs.candidate)
    if is_all or lacking(known, settings.gate_min_patients):
        return ()
    return tuple(
        dataclasses.replace(figure, trusted=True) for figure in comparisons(known, settings)
    )


def _rests_on_contradictions(pairs: Pairs) -> str | None:
    """Why a gain counts for nothing: it comes from labels that contradict the serving model."""
    if pairs.task != "segmentation":
        return None
    rest = pairs.where(lambda case: case.dice is None or case.dice >= NOTHING_IN_COMMON)
    figure = comparisons(rest, GateSettings())[0]
    if not figure.is_proven_worse:
        return None
    odd = len(pairs.serving) - len(rest.serving)
    return (
        f"the gain rests on {odd} images whose label has nothing in common with the serving "
        f"model's outline; without them it is worse: {sentence(figure)}"
    )


def sentence(figure: Comparison) -> str:
    """A comparison in words.

    Example:
        >>> sentence(Comparison(measure="dice", candidate=0.87, serving=0.84, difference=0.03,
        ...     ci95=(0.01, 0.05), margin=0.02, patients=34))
        'mean Dice 0.870 against 0.840 on 34 locked patients, a difference of +0.030 (95 % interval
        +0.010 to +0.050; it may not fall below -0.020)'
    """
    name, count = NAMES[figure.measure], figure.patients
    whose = "locked patients with labels trusted before" if figure.trusted else "locked patients"
    if figure.candidate is None or figure.serving is None or figure.difference is None:
        return f"no {name} on {count} {whose}"
    told = (
        f"{name} {figure.candidate:.3f} against {figure.serving:.3f} on {count} {whose}, a "
        f"difference of {figure.difference:+.3f}"
    )
    if figure.ci95 is None:
        return told
    low, high = figure.ci95
    return (
        f"{told} (95 % interval {low:+.3f} to {high:+.3f}; it may not fall below "
        f"{-figure.margin:.3f})"
    )
