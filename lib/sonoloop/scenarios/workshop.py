"""Carries out trainings and evaluations; what is finished is found again and not done twice."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from pydantic import TypeAdapter, ValidationError

from sonoloop.errors import SonoloopError, TrainingError
from sonoloop.evaluation.cases import Case
from sonoloop.evaluation.diagnosis import OPERATING_POINT
from sonoloop.inference.pipeline import DualStagePipeline
from sonoloop.networks.card import read_card
from sonoloop.records import ModelTask
from sonoloop.scenarios.assay import Failure, assay, engine_of, examiner
from sonoloop.scenarios.data import NamedSet, Shared, fingerprint, images_of, require_disjoint
from sonoloop.scenarios.folders import (
    Trained,
    effective,
    key_of,
    read_json,
    read_trained,
    write_json,
)
from sonoloop.scenarios.plan import EvaluationPlan, TrainingPlan
from sonoloop.settings import PipelineSettings
from sonoloop.training.progress import Progress

Product = TypeVar("Product")

FAILURES = (SonoloopError, RuntimeError, ValueError, OSError, MemoryError)
"""What a training or an evaluation may end with; the table tells it, and the others go on."""


class StepFailedError(TrainingError):
    """A training or evaluation of a scenario failed; the others can go on."""


class Watch(Protocol):
    """Who is told of progress."""

    def begin(self, what: str) -> None:
        """A training or evaluation begins."""

    def epoch(self, progress: Progress) -> None:
        """A training goes on."""

    def end(self, what: str, *, reused: bool) -> None:
        """It is finished, or was already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """A finished evaluation.

    Attributes:
        cases: Every image that could be read.
        failures: The ones that could not.
        threshold: Operating point of the classifier.
        shared: What training and test images have in common: nothing.
    """

    cases: tuple[Case, ...]
    failures: tuple[Failure, ...]
    threshold: float
    shared: Shared


_EVALUATED = TypeAdapter(Evaluated)


@dataclass(slots=True, kw_only=True)
class Workshop:
    """A folder of trainings and evaluations on some data sets.

    Attributes:
        root: The folder.
        sets: Data sets by name.
        pipeline: Settings of every evaluation.
        watch: Told of every step.
    """

    root: Path
    sets: Mapping[str, NamedSet]
    pipeline: PipelineSettings
    watch: Watch
    _broken: dict[str, str] = field(default_factory=dict)
    _told: set[str] = field(default_factory=set)

    def train(self, plan: TrainingPlan) -> Trained:
        """The finished training; an interrupted one goes on where it was.

        Raises:
            StepFailedError: If it fails, or has failed before in this run.
        """
        key = self.training_key(plan)
        run_dir = self._run_dir(plan)
        found = read_trained(run_dir)
        if found is None:
            return self._attempt(key, f"training {plan}", lambda: self._train(plan, run_dir, key))
        self._tell_reused(key, f"training {plan}")
        return found

    def trained(self, plan: TrainingPlan) -> Trained | None:
        """The finished training, if there is one."""
        return read_trained(self._run_dir(plan))

    def evaluate(self, plan: EvaluationPlan) -> Evaluated:
        """The finished evaluation, with every training it needs.

        Raises:
            StepFailedError: If one of them fails, or training and test images are not disjoint.
        """
        key = self.evaluation_key(plan)
        path = self.root / "evaluations" / key / "evaluation.json"
        what = f"evaluation on {plan.test}, {plan.crop} crop"
        trained = {training.task: self.train(training) for training in plan.trainings}
        found = _read_evaluated(path)
        if found is None:
            return self._attempt(key, what, lambda: self._evaluate(plan, trained, path))
        self._tell_reused(key, what)
        return found

    def training_key(self, plan: TrainingPlan) -> str:
        """Name of a training: its settings and its images."""
        return key_of(
            {
                "task": plan.task,
                "settings": effective(plan.settings.as_dict()),
                "images": fingerprint(images_of(self.sets, plan.parts)),
            }
        )

    def evaluation_key(self, plan: EvaluationPlan) -> str:
        """Name of an evaluation: its models, its images and how they are shown."""
        return key_of(
            {
                "models": [self.training_key(training) for training in plan.trainings],
                "crop": plan.crop,
                "margin": plan.margin,
                "pipeline": effective(self.pipeline.as_dict()),
                "images": fingerprint(images_of(self.sets, [plan.test])),
            }
        )

    def _run_dir(self, plan: TrainingPlan) -> Path:
        return self.root / "trainings" / f"{plan.task}-{self.training_key(plan)}"

    def _tell_reused(self, key: str, what: str) -> None:
        if key not in self._told:
            self.watch.end(what, reused=True)
        self._told.add(key)

    def _attempt(self, key: str, what: str, work: Callable[[], Product]) -> Product:
        if key in self._broken:
            raise StepFailedError(self._broken[key])
        self.watch.begin(what)
        try:
            product = work()
        except FAILURES as error:
            self._broken[key] = f"{what}: {error}"
            raise StepFailedError(self._broken[key]) from error
        self._told.add(key)
        self.watch.end(what, reused=False)
        return product

    def _train(self, plan: TrainingPlan, run_dir: Path, key: str) -> Trained:
        from sonoloop.networks.weights import load_model
        from sonoloop.training.classification import train_classification
        from sonoloop.training.segmentation import train_segmentation

        train = train_segmentation if plan.task == "segmentation" else train_classification
        pace = _Pace(resumed=(run_dir / "checkpoints").exists(), watch=self.watch)
        folder = train(images_of(self.sets, plan.parts), plan.settings, run_dir, report=pace.note)
        network, card = load_model(folder)
        trained = Trained(
            key=key,
            model=folder,
            parameters=sum(p.numel() for p in network.parameters()),
            epochs=card.metrics["epochs"],
            seconds_per_epoch=pace.seconds_per_epoch,
            validation=card.metrics["validation"],
        )
        definition = {"task": plan.task, "data": str(plan), "settings": plan.settings.as_dict()}
        write_json(run_dir / "training.json", {**definition, "trained": trained.as_dict()})
        shutil.rmtree(run_dir / "checkpoints", ignore_errors=True)
        return trained

    def _evaluate(
        self, plan: EvaluationPlan, trained: Mapping[ModelTask, Trained], path: Path
    ) -> Evaluated:
        items = images_of(self.sets, [plan.test])
        parts = [part for training in plan.trainings for part in training.parts]
        in_common = require_disjoint(images_of(self.sets, parts), items)
        if plan.crop == "true":
            items = [item for item in items if item.has_mask]
        folders = {task: done.model for task, done in trained.items()}
        segmenter = engine_of(folders.get("segmentation"), "segmentation", self.pipeline)
        classifier = engine_of(
            folders.get("classification"), "classification", self.pipeline, margin=plan.margin
        )
        pipeline = DualStagePipeline(segmenter, classifier, self.pipeline)
        cases, failures = assay(examiner(pipeline, plan.crop), items)
        evaluated = Evaluated(
            cases=tuple(cases),
            failures=tuple(failures),
            threshold=_operating_point(folders.get("classification")),
            shared=in_common,
        )
        write_json(path, _EVALUATED.dump_python(evaluated, mode="json"))
        return evaluated


def _read_evaluated(path: Path) -> Evaluated | None:
    content: Any = read_json(path)
    if content is None:
        return None
    try:
        return _EVALUATED.validate_python(content)
    except ValidationError:  # written by a version whose cases held other fields
        return None


def _operating_point(classifier: Path | None) -> float:
    point = None if classifier is None else read_card(classifier).operating_point
    return OPERATING_POINT if point is None else point


class _Pace:
    """Passes progress on, and keeps how long an epoch takes."""

    def __init__(self, *, resumed: bool, watch: Watch) -> None:
        self._watch = watch
        self._marks: list[tuple[int, float]] = [] if resumed else [(0, 0.0)]

    def note(self, progress: Progress) -> None:
        """A :data:`sonoloop.training.progress.Report`."""
        if progress.step == 0 and (not self._marks or progress.epoch > self._marks[-1][0]):
            self._marks.append((progress.epoch, progress.seconds))
        self._watch.epoch(progress)

    @property
    def seconds_per_epoch(self) -> float | None:
        """Mean over the epochs that were seen from beginning to end; None when none was."""
        (first, began), (last, ended) = self._marks[0], self._marks[-1]
        return (ended - began) / (last - first) if last > first else None
