"""What a comparison consists of, as data: trainings, evaluations and the rows of a table."""

from dataclasses import dataclass
from typing import Literal

from sonoloop.records import ModelTask
from sonoloop.scenarios.data import Part
from sonoloop.settings import TrainingSettings

Crop = Literal["predicted", "true", "whole"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPlan:
    """One training.

    Attributes:
        task: Segmenter or classifier.
        parts: Images it is trained on; its own validation is cut from them by patient.
        settings: How.
    """

    task: ModelTask
    parts: tuple[Part, ...]
    settings: TrainingSettings

    def __str__(self) -> str:
        """For lines of progress."""
        chosen = self.settings.architecture or "default network"
        return f"{self.task} ({chosen}, seed {self.settings.seed}) on {told(self.parts)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationPlan:
    """Models on test images.

    Attributes:
        segmenter: None where the outline is given or does not matter.
        classifier: None where only outlines are judged.
        crop: What the classifier sees: the crop around the predicted or the true outline, or the
            whole image.
        margin: Margin of the crop instead of the one the classifier was trained with.
        test: The images.
    """

    segmenter: TrainingPlan | None
    classifier: TrainingPlan | None
    crop: Crop = "predicted"
    margin: float | None = None
    test: Part

    @property
    def trainings(self) -> tuple[TrainingPlan, ...]:
        """What must be trained before."""
        return tuple(plan for plan in (self.segmenter, self.classifier) if plan)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a scenario's table.

    Attributes:
        variant: What sets it apart within its scenario.
        evaluations: The same for each seed.
        figures: Names of the figures that it is there for (:mod:`sonoloop.scenarios.figures`).
    """

    variant: str
    evaluations: tuple[EvaluationPlan, ...]
    figures: tuple[str, ...]

    @property
    def trained_on(self) -> str:
        """Parts, as text."""
        return told(self.evaluations[0].trainings[0].parts)

    @property
    def tested_on(self) -> str:
        """Part, as text."""
        return str(self.evaluations[0].test)


def told(parts: tuple[Part, ...]) -> str:
    """``busbra@1,2,3 + busi@1,2,3,4``."""
    return " + ".join(map(str, parts))
