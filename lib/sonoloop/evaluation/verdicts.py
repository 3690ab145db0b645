"""What the gate says of a candidate: figures beside the serving model's, and what follows."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

GateVerdict = Literal["published", "held", "rejected"]
Measure = Literal["dice", "unmarked", "auc", "brier"]
"""Mean Dice of lesions; share of normal images left unmarked; patient AUC of malignancy; Brier
score."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One figure of candidate and serving model on the same patients.

    Attributes:
        candidate, serving: The figures; None where there is none (no serving model, one class).
        difference: Positive where the candidate is better, also of a Brier score; None without
            both figures.
        ci95: Of the difference, by paired bootstrap over patients; None for fewer than two.
        margin: How much worse the candidate may be at the lower end of ``ci95``.
        patients: How many the figure rests on.
        trusted: True when only labels are counted that an earlier publication stood on.
    """

    measure: Measure
    candidate: float | None
    serving: float | None
    difference: float | None
    ci95: tuple[float, float] | None
    margin: float
    patients: int
    trusted: bool = False

    @property
    def is_proven_worse(self) -> bool:
        """Whether even the upper end of the interval is a loss."""
        return self.ci95 is not None and self.ci95[1] < 0

    @property
    def is_within_margin(self) -> bool:
        """Whether even the lower end of the interval is no loss beyond the margin."""
        return self.ci95 is not None and self.ci95[0] > -self.margin

    def as_dict(self) -> dict[str, Any]:
        """Names and values, as JSON carries them."""
        return asdict(self) | {"ci95": list(self.ci95) if self.ci95 else None}


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseDifference:
    """What candidate and serving model scored on one locked image.

    Attributes:
        label_key: Hash of the label it was measured against.
        measure: ``dice`` of a lesion, ``unmarked`` (0 or 1) of a normal image, ``brier``.
        candidate, serving: Of that measure; ``serving`` is None without a serving model.
    """

    image_id: str
    patient: str
    label_key: str
    measure: Measure
    candidate: float
    serving: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GateDecision:
    """Whether a candidate may serve.

    Attributes:
        reason: Why, as a sentence with its figures.
        figures: The leading figure first.
        cases: One for each locked image that was measured.
        suspects: Images whose labels are suspect, in the order of ``cases``.
    """

    verdict: GateVerdict
    reason: str
    figures: tuple[Comparison, ...] = ()
    cases: tuple[CaseDifference, ...] = ()
    suspects: tuple[str, ...] = ()

    @property
    def difference(self) -> float | None:
        """Of the leading figure; positive where the candidate is better."""
        return self.figures[0].difference if self.figures else None

    @property
    def ci95(self) -> tuple[float, float] | None:
        """Interval of :attr:`difference`."""
        return self.figures[0].ci95 if self.figures else None
