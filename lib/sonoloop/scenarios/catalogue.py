"""The scenarios: for each the question it answers and the rows of its table."""

import dataclasses
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sonoloop.records import ModelTask
from sonoloop.scenarios.data import NamedSet, Part
from sonoloop.scenarios.plan import Crop, EvaluationPlan, Row, TrainingPlan
from sonoloop.settings import PREPROCESSING_STEPS, SegmentationLoss, TrainingSettings

OUTLINE: Final = ("dice", "hd95_px", "found", "unmarked")
DIAGNOSIS: Final = ("auc_patient", "auc_image", "sensitivity", "specificity", "ece")
CROPS: Final[dict[str, Crop]] = {
    "whole image": "whole",
    "predicted crop": "predicted",
    "true crop": "true",
}
MARGINS: Final = (0.0, 0.1, 0.25, 0.5, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What every scenario starts from.

    Attributes:
        sets: Data sets by name.
        base: Settings of each task's trainings; scenarios change what they compare.
        seeds: Every training is done once with each.
        retrain_margins: Train a classifier for each margin instead of showing one of them crops
            of every margin.
    """

    sets: Mapping[str, NamedSet]
    base: Mapping[ModelTask, TrainingSettings]
    seeds: tuple[int, ...] = (0,)
    retrain_margins: bool = True

    def train(self, *names: str) -> tuple[Part, ...]:
        """Training splits of the named data sets, or of all."""
        return tuple(
            Part(data=name, splits=self.sets[name].train) for name in names or tuple(self.sets)
        )

    def test(self, name: str, *, lesions_only: bool = False) -> Part:
        """Test splits of a data set."""
        return Part(data=name, splits=self.sets[name].test, lesions_only=lesions_only)

    def segmenter(self, parts: tuple[Part, ...], seed: int, **changes: Any) -> TrainingPlan:
        """A segmenter, with some settings other than the base."""
        return self._plan("segmentation", parts, seed, changes)

    def classifier(self, parts: tuple[Part, ...], seed: int, **changes: Any) -> TrainingPlan:
        """A classifier, with some settings other than the base."""
        return self._plan("classification", parts, seed, changes)

    def _plan(
        self, task: ModelTask, parts: tuple[Part, ...], seed: int, changes: dict[str, Any]
    ) -> TrainingPlan:
        settings = dataclasses.replace(self.base[task], seed=seed, **changes)
        return TrainingPlan(task=task, parts=parts, settings=settings)

    def row(
        self,
        variant: str,
        evaluation: Callable[[int], EvaluationPlan],
        figures: tuple[str, ...] = OUTLINE + DIAGNOSIS,
    ) -> Row:
        """A row whose evaluation is repeated for every seed."""
        return Row(variant=variant, evaluations=tuple(map(evaluation, self.seeds)), figures=figures)

    def pair(self, variant: str, parts: tuple[Part, ...], test: Part, **changes: Any) -> Row:
        """A row of both stages, trained on the same images with the same changes."""
        return self.row(
            variant,
            lambda seed: EvaluationPlan(
                segmenter=self.segmenter(parts, seed, **changes),
                classifier=self.classifier(parts, seed, **changes),
                test=test,
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A comparison.

    Attributes:
        question: What it answers, as a sentence.
        rows: Of its table.
        charted: Figures that its chart shows.
    """

    question: str
    rows: Callable[[Setup], Iterator[Row]]
    charted: tuple[str, ...] = ("dice", "auc_patient")


def _in_domain(setup: Setup) -> Iterator[Row]:
    for name in setup.sets:
        yield setup.pair("dual-stage", setup.train(name), setup.test(name))


def _mixed(setup: Setup) -> Iterator[Row]:
    for name in setup.sets:
        yield setup.pair("dual-stage", setup.train(), setup.test(name))


def _cross(setup: Setup) -> Iterator[Row]:
    for home in setup.sets:
        yield setup.pair("at home", setup.train(home), setup.test(home, lesions_only=True))
        for away in setup.sets:
            if away != home:
                yield setup.pair("away", setup.train(home), Part(data=away, lesions_only=True))


def _crops(setup: Setup) -> Iterator[Row]:
    for name in setup.sets:
        for variant, crop in CROPS.items():
            yield setup.row(variant, _seeing(setup, crop, setup.test(name)), DIAGNOSIS)


def _seeing(
    setup: Setup, shown: Crop, test: Part, *, margin: float | None = None, **changes: Any
) -> Callable[[int], EvaluationPlan]:
    """A classifier trained on every set, that is shown a certain crop; changes are its own."""
    parts = setup.train()

    def evaluation(seed: int) -> EvaluationPlan:
        return EvaluationPlan(
            segmenter=setup.segmenter(parts, seed) if shown == "predicted" else None,
            classifier=setup.classifier(parts, seed, **changes),
            crop=shown,
            margin=margin,
            test=test,
        )

    return evaluation


def _margins(setup: Setup) -> Iterator[Row]:
    for name in setup.sets:
        for margin in MARGINS:
            for variant in ("predicted crop", "true crop"):
                if setup.retrain_margins:
                    seeing = _seeing(setup, CROPS[variant], setup.test(name), crop_margin=margin)
                else:
                    seeing = _seeing(setup, CROPS[variant], setup.test(name), margin=margin)
                yield setup.row(f"margin {margin:g}, {variant}", seeing, DIAGNOSIS)


def _single_stage(setup: Setup) -> Iterator[Row]:
    for name in setup.sets:
        test = setup.test(name)
        yield setup.row("dual-stage", _seeing(setup, "predicted", test), DIAGNOSIS)
        yield setup.row("single-stage", _seeing(setup, "whole", test, crop="whole"), DIAGNOSIS)


def _architectures(setup: Setup) -> Iterator[Row]:
    from sonoloop.networks.build import architectures

    for name in setup.sets:
        for architecture in architectures("segmentation"):
            yield _outlining(setup, architecture, setup.test(name), **_equal(setup, architecture))
        for architecture in architectures("classification"):
            budget = _equal(setup, architecture)
            seeing = _seeing(setup, "true", setup.test(name), **budget)
            yield setup.row(architecture, seeing, DIAGNOSIS)


def _equal(setup: Setup, architecture: str) -> dict[str, Any]:
    """One budget for every network: random weights, and no training ends early."""
    epochs = max(settings.max_epochs for settings in setup.base.values())
    return {
        "architecture": architecture,
        "architecture_options": {},
        "initial_weights": "random",
        "early_stop_patience": epochs,
    }


def _outlining(setup: Setup, variant: str, test: Part, **changes: Any) -> Row:
    """A segmenter alone, trained on every set."""
    return setup.row(
        variant,
        lambda seed: EvaluationPlan(
            segmenter=setup.segmenter(setup.train(), seed, **changes), classifier=None, test=test
        ),
        OUTLINE,
    )


def _preprocessing(setup: Setup) -> Iterator[Row]:
    for name in setup.sets:
        yield setup.pair("none", setup.train(), setup.test(name), preprocessing=())
        for step in PREPROCESSING_STEPS:
            yield setup.pair(step, setup.train(), setup.test(name), preprocessing=(step,))


def _losses(setup: Setup) -> Iterator[Row]:
    for name in setup.sets:
        for loss in typing.get_args(SegmentationLoss):
            yield _outlining(setup, loss, setup.test(name), loss=loss)


SCENARIOS: Final[dict[str, Scenario]] = {
    "in-domain": Scenario(
        question="How good is each data set's own pair of models on its held-out fold?",
        rows=_in_domain,
    ),
    "mixed": Scenario(
        question="How good is one pair of models, trained on all sets, on each held-out fold?",
        rows=_mixed,
    ),
    "cross": Scenario(
        question="What is lost on the lesion images of a data set that was never seen?",
        rows=_cross,
    ),
    "crops": Scenario(
        question="What does the same classifier say of the whole image, the predicted and the "
        "true crop?",
        rows=_crops,
        charted=("auc_patient",),
    ),
    "margins": Scenario(
        question="How much around the lesion should the classifier see?",
        rows=_margins,
        charted=("auc_patient",),
    ),
    "single-stage": Scenario(
        question="Is segmenting first worth it against one classifier of whole images?",
        rows=_single_stage,
        charted=("auc_patient",),
    ),
    "architectures": Scenario(
        question="How do all networks compare under one equal budget, from random weights?",
        rows=_architectures,
    ),
    "preprocessing": Scenario(
        question="What does each preprocessing step change?",
        rows=_preprocessing,
    ),
    "losses": Scenario(
        question="Which loss makes the best outlines?",
        rows=_losses,
        charted=("dice", "hd95_px"),
    ),
}
