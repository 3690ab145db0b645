"""Training of the pathology classifier on lesion crops or whole images."""

import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sonoloop.datasets.splits import families
from sonoloop.evaluation.ranking import choose_operating_point, fit_temperature
from sonoloop.labels import Pathology
from sonoloop.networks.card import ModelCard
from sonoloop.networks.weights import save_model
from sonoloop.records import LabelledImage
from sonoloop.settings import TrainingSettings
from sonoloop.training.examples import (
    TASK_CLASSES,
    ClassificationExamples,
    classification_examples,
    for_classifier,
)
from sonoloop.training.jitter import jittered_crops, taken
from sonoloop.training.loop import Problem, fit
from sonoloop.training.progress import Report, ShouldStop, ignore_progress, never_stop
from sonoloop.training.start import divide, new_card, starting_network
from sonoloop.training.targets import soft_targets
from sonoloop.training.verdict import HALF, selection_figure, verdict
from sonoloop.transforms.augment import AugmentationRanges, move, random_affine, random_grey

logger = logging.getLogger(__name__)

Call = Callable[[Tensor], Tensor]
Names = tuple[Pathology, ...]

LABEL_SMOOTHING = 0.05
"""Szegedy et al., "Rethinking the Inception Architecture", CVPR 2016."""

MIN_SENSITIVITY = 0.95
"""Share of the malignant validation images that the operating point must find."""


def train_classification(
    items: Sequence[LabelledImage],
    settings: TrainingSettings,
    run_dir: Path,
    *,
    initial: Path | None = None,
    report: Report = ignore_progress,
    should_stop: ShouldStop = never_stop,
) -> Path:
    """Train a classifier on the lesion crop, or the whole, of every image that has a pathology.

    Args:
        items: Divided by patient and group into training and validation.
        settings: How to train.
        run_dir: Checkpoints and the finished model go here; an interrupted run is resumed.
        initial: Model folder to start from, or None for random weights.
        report: Told of progress.
        should_stop: Asked after every step.

    Returns:
        The finished model folder.

    Raises:
        TrainingError: If there is too little to train on, or the training fails.
        ConfigError: If the architecture is unknown.
    """
    network, architecture, options, parent, settings = starting_network(
        "classification", settings, initial
    )
    names = TASK_CLASSES[settings.task]
    usable, left_out = for_classifier(items, settings)
    for reason, count in left_out.items():
        logger.info("%d images left out: %s", count, reason)
    train_items, validation_items = divide(usable, settings, _needed_in_validation(usable))
    jitter = settings.crop_jitter if settings.augment and settings.crop == "lesion" else 0.0
    train = classification_examples(train_items, settings, classes=names, jitter=jitter)
    validation = _Validation(
        classification_examples(validation_items, settings, classes=names, min_pathologies=1),
        names,
        settings.batch_size,
    )
    problem = Problem(
        network=network,
        batches=_Batches(train, _targets(train, train_items, settings), settings),
        steps_per_epoch=max(1, len(train.crops) // settings.batch_size),
        loss=_Loss(train.classes, len(names)),
        validate=validation,
        task="classification",
    )
    outcome = fit(problem, settings, run_dir, report=report, should_stop=should_stop)
    temperature, operating_point, figures = validation.judge(outcome.network)
    card = new_card(
        ModelCard(
            model_id="",
            task="classification",
            architecture=architecture,
            options=options,
            input_size_px=settings.input_size_px,
            classes=tuple(names),
            crop_margin=settings.crop_margin,
            crop=settings.crop,
            temperature=temperature,
            operating_point=operating_point,
            parent_id=parent,
        ),
        settings,
        outcome,
        train_items=train_items,
        validation_items=validation_items,
        figures={"auc": outcome.metric, **figures},
    )
    directory = run_dir / card.model_id
    save_model(outcome.network, card, directory)
    return directory


def _needed_in_validation(items: Sequence[LabelledImage]) -> Callable[[LabelledImage], bool]:
    """A malignant image, if the training keeps another patient's: it decides what is best."""
    enough = len(families([item for item in items if _is_malignant(item)])) > 1
    return _is_malignant if enough else lambda item: True


def _is_malignant(item: LabelledImage) -> bool:
    return item.pathology is Pathology.MALIGNANT


def _targets(
    examples: ClassificationExamples, items: Sequence[LabelledImage], settings: TrainingSettings
) -> npt.NDArray[np.float32]:
    birads = {item.image_id: item.birads for item in items}
    return soft_targets(
        examples.classes,
        [birads[image_id] for image_id in examples.image_ids],
        count=len(TASK_CLASSES[settings.task]),
        reader_weight=settings.reader_weight,
    )


class _Loss:
    """Cross-entropy of drawn examples, for a network that tells how likely a class really is.

    Every class is drawn equally often, which would teach that all are equally common. So the
    logarithm of each class's share is taken off the logits in training alone: what the network
    itself says then follows the shares (Menon et al., "Long-Tail Learning via Logit Adjustment",
    ICLR 2021).
    """

    def __init__(self, classes: npt.NDArray[np.int64], count: int) -> None:
        found = np.bincount(classes, minlength=count)
        # A class that is never drawn has no share to take off.
        shares = np.where(found, found, found.sum()) / found.sum()
        self._log_shares = torch.tensor(np.log(shares), dtype=torch.float32)

    def __call__(self, call: Call, batch: tuple[Tensor, ...]) -> Tensor:
        logits = call(batch[0])
        drawn = logits - self._log_shares.to(logits.device)
        return torch.nn.functional.cross_entropy(
            drawn, batch[1].to(logits.device), label_smoothing=LABEL_SMOOTHING
        )


class _Batches:
    """Augmented batches in which every pathology is drawn equally often."""

    def __init__(
        self,
        examples: ClassificationExamples,
        targets: npt.NDArray[np.float32],
        settings: TrainingSettings,
    ) -> None:
        self._examples, self._targets, self._settings = examples, targets, settings
        counts = np.bincount(examples.classes)
        weights = 1.0 / counts[examples.classes]
        self._chance = weights / weights.sum()
        usual = AugmentationRanges(rotation_deg=20.0, scale=1.3, shift=0.1)
        self._ranges = usual.times(settings.augment_strength)

    def __call__(self, epoch: int) -> Iterator[tuple[Tensor, ...]]:
        seed = self._settings.seed * 100_003 + epoch
        generator = torch.Generator().manual_seed(seed)
        rng = np.random.default_rng(seed)
        count, size = len(self._examples.crops), self._settings.batch_size
        for _ in range(max(1, count // size)):
            chosen = rng.choice(count, size=size, p=self._chance)
            views = self._views(chosen, generator)
            yield views, torch.from_numpy(self._targets[chosen])

    def _views(self, chosen: npt.NDArray[np.int64], generator: torch.Generator) -> Tensor:
        examples, settings = self._examples, self._settings
        if settings.augment and examples.surroundings is not None:
            crops = jittered_crops(
                taken(examples.surroundings, chosen),
                jitter=settings.crop_jitter,
                size_px=settings.input_size_px,
                ranges=self._ranges,
                generator=generator,
            )
            return random_grey(crops, self._ranges, generator)
        crops = torch.from_numpy(examples.crops[chosen])[:, None].float() / 255
        if settings.augment:
            crops = move(crops, random_affine(len(chosen), self._ranges, generator))
            crops = random_grey(crops, self._ranges, generator)
        return crops


class _Validation:
    """The figure an epoch is chosen by, and what is fitted to the finished network."""

    def __init__(self, examples: ClassificationExamples, names: Names, batch_size: int) -> None:
        self._examples, self._names, self._batch_size = examples, names, batch_size

    def __call__(self, call: Call) -> float:
        probabilities = _softmax(self._forward(call))
        return selection_figure(self._examples.classes, probabilities, self._names)

    def judge(self, network: torch.nn.Module) -> tuple[float, float | None, dict[str, Any]]:
        """Temperature, operating point (None without a malignant image) and figures.

        Temperature is fitted on every crop; operating point and figures are of images: of a normal
        one its whole, the first of its crops.
        """
        with torch.inference_mode():
            logits = self._forward(network)
        temperature = fit_temperature(logits, self._examples.classes)
        _, first = np.unique(self._examples.image_ids, return_index=True)
        index = self._names.index(Pathology.MALIGNANT)
        truth = self._examples.classes[first] == index
        malignant = _softmax(logits[first] / temperature)[:, index]
        figures: dict[str, Any] = {"at_half": verdict(truth, malignant, HALF)}
        if not truth.any():
            return temperature, None, figures
        point = choose_operating_point(truth, malignant, min_sensitivity=MIN_SENSITIVITY)
        figures["at_operating_point"] = verdict(truth, malignant, point)
        return temperature, point, figures

    def _forward(self, call: Call) -> npt.NDArray[np.float32]:
        rows = []
        for begin in range(0, len(self._examples.crops), self._batch_size):
            crops = torch.from_numpy(self._examples.crops[begin : begin + self._batch_size])
            rows.append(call(crops[:, None].float() / 255).float().cpu().numpy())
        return np.concatenate(rows)


def _softmax(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    from scipy.special import softmax

    result: npt.NDArray[np.float64] = softmax(logits.astype(np.float64), axis=1)
    return result
