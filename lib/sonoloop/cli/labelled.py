"""How often a classifier is right on labelled images, as ``sonoloop predict`` prints it."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from sonoloop.evaluation.diagnosis import OPERATING_POINT
from sonoloop.labels import Pathology
from sonoloop.networks.card import ModelCard
from sonoloop.records import Findings, LabelledImage
from sonoloop.training.verdict import verdict


@dataclass(slots=True)
class Tally:
    """True and predicted malignancy of the images seen so far.

    Attributes:
        card: Of the classifier.
        asked: Threshold that was asked for; None takes the card's, else 0.5.
    """

    card: ModelCard
    asked: float | None = None
    _truth: list[bool] = field(default_factory=list)
    _malignant: list[float] = field(default_factory=list)
    _left_out: Counter[str] = field(default_factory=Counter)

    @property
    def point(self) -> tuple[float, str]:
        """Malignancy at and above which an image is called malignant, and where that is from."""
        if self.asked is not None:
            return self.asked, "asked for"
        if self.card.operating_point is not None:
            return self.card.operating_point, "chosen on validation images"
        return OPERATING_POINT, "the classifier's card names none"

    def add(self, item: LabelledImage, findings: Findings) -> None:
        """Count one image; one that cannot be judged is counted as left out."""
        if item.pathology is None:
            self._left_out["without pathology"] += 1
        elif item.label_conflict:
            self._left_out["with a near-duplicate of another class"] += 1
        elif self.card.classes and item.pathology not in self.card.classes:
            self._left_out[f"{item.pathology}, which the classifier does not tell"] += 1
        else:
            self._truth.append(item.pathology is Pathology.MALIGNANT)
            self._malignant.append(findings.probabilities[Pathology.MALIGNANT])

    def lines(self) -> list[str]:
        """The figures, each with the counts behind it; and what was left out."""
        left_out = [f"left out: {count} {reason}" for reason, count in self._left_out.items()]
        if not self._truth:
            return ["no image that was read has a pathology to compare with", *left_out]
        threshold, source = self.point
        found = verdict(np.array(self._truth), np.array(self._malignant), threshold)
        right, total = found["right_malignant"] + found["right_others"], len(self._truth)
        return [
            f"called malignant at {threshold:.3f} and above ({source})",
            f"accuracy     {found['accuracy']:.3f}  ({right} of {total})",
            _share("sensitivity", found["right_malignant"], found["malignant"], "malignant"),
            _share("specificity", found["right_others"], found["others"], "others"),
            *left_out,
        ]


def _share(name: str, right: float, total: float, what: str) -> str:
    if not total:
        return f"{name:12} -      (no {what})"
    return f"{name:12} {right / total:.3f}  ({right} of {total} {what})"
