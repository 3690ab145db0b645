"""Training of the pathology classifier on lesion crops."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sonoloop.evaluation.ranking import fit_temperature, macro_auc
from sonoloop.labels import PATHOLOGIES
from sonoloop.networks.card import ModelCard
from sonoloop.networks.weights import save_model
from sonoloop.records import LabelledImage
from sonoloop.settings import PipelineSettings, TrainingSettings
from sonoloop.training.examples import ClassificationExamples, classification_examples
from sonoloop.training.loop import Problem, fit
from sonoloop.training.progress import Report, ShouldStop, ignore_progress, never_stop
from sonoloop.training.start import divide, new_card, starting_network
from sonoloop.transforms.augment import AugmentationRanges, move, random_affine, random_grey

Call = Callable[[Tensor], Tensor]

LABEL_SMOOTHING = 0.05
"""Szegedy et al., "Rethinking the Inception Architecture", CVPR 2016."""


def train_classification(
    items: Sequence[LabelledImage],
    settings: TrainingSettings,
    run_dir: Path,
    *,
    initial: Path | None = None,
    report: Report = ignore_progress,
    should_stop: ShouldStop = never_stop,
) -> Path:
    """Train a classifier on the lesion crop of every item whose pathology is known.

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
    margin = PipelineSettings().crop_margin
    train_items, validation_items = divide(
        [item for item in items if item.pathology is not None], settings
    )
    size, seed = settings.input_size_px, settings.seed
    train = classification_examples(train_items, size, margin=margin, seed=seed)
    validation = _Validation(
        classification_examples(
            validation_items, size, margin=margin, seed=seed, min_pathologies=1
        ),
        settings.batch_size,
    )
    problem = Problem(
        network=network,
        batches=_Batches(train, settings),
        steps_per_epoch=max(1, len(train.crops) // settings.batch_size),
        loss=_cross_entropy,
        validate=validation,
        task="classification",
        bf16_on_cpu=False,
    )
    outcome = fit(problem, settings, run_dir, report=report, should_stop=should_stop)
    logits, classes = validation.logits(outcome.network)
    card = new_card(
        ModelCard(
            model_id="",
            task="classification",
            architecture=architecture,
            options=options,
            input_size_px=size,
            classes=tuple(PATHOLOGIES),
            crop_margin=margin,
            parent_id=parent,
        ),
        settings,
        outcome,
        train_items=train_items,
        validation_items=validation_items,
        figures={"macro_auc": outcome.best_metric},
    )
    card = dataclasses.replace(card, temperature=fit_temperature(logits, classes))
    directory = run_dir / card.model_id
    save_model(outcome.network, card, directory)
    return directory


def _cross_entropy(call: Call, batch: tuple[Tensor, ...]) -> Tensor:
    logits = call(batch[0])
    return torch.nn.functional.cross_entropy(
        logits, batch[1].to(logits.device), label_smoothing=LABEL_SMOOTHING
    )


class _Batches:
    """Augmented batches in which every pathology is drawn equally often."""

    def __init__(self, examples: ClassificationExamples, settings: TrainingSettings) -> None:
        self._examples, self._settings = examples, settings
        counts = np.bincount(examples.classes, minlength=len(PATHOLOGIES))
        weights = 1.0 / counts[examples.classes]
        self._chance = weights / weights.sum()

    def __call__(self, epoch: int) -> Iterator[tuple[Tensor, ...]]:
        seed = self._settings.seed * 100_003 + epoch
        generator = torch.Generator().manual_seed(seed)
        rng = np.random.default_rng(seed)
        count, size = len(self._examples.crops), self._settings.batch_size
        usual = AugmentationRanges(rotation_deg=20.0, scale=1.3, shift=0.1)
        ranges = usual.times(self._settings.augment_strength)
        for _ in range(max(1, count // size)):
            chosen = rng.choice(count, size=size, p=self._chance)
            crops = torch.from_numpy(self._examples.crops[chosen])[:, None].float() / 255
            if self._settings.augment:
                crops = move(crops, random_affine(len(chosen), ranges, generator))
                crops = random_grey(crops, ranges, generator)
            yield crops, torch.from_numpy(self._examples.classes[chosen])


class _Validation:
    """Mean one-against-rest AUC on the validation crops; accuracy when nothing can be ranked."""

    def __init__(self, examples: ClassificationExamples, batch_size: int) -> None:
        self._examples, self._batch_size = examples, batch_size

    def __call__(self, call: Call) -> float:
        logits = self._forward(call)
        probabilities = torch.softmax(torch.from_numpy(logits), dim=1).numpy()
        value = macro_auc(self._examples.classes, probabilities)
        if value is None:
            return float((logits.argmax(axis=1) == self._examples.classes).mean())
        return value

    def logits(
        self, network: torch.nn.Module
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        """(N, C) logits of the finished network and the (N,) true classes."""
        with torch.inference_mode():
            return self._forward(network), self._examples.classes

    def _forward(self, call: Call) -> npt.NDArray[np.float32]:
        rows = []
        for begin in range(0, len(self._examples.crops), self._batch_size):
            crops = torch.from_numpy(self._examples.crops[begin : begin + self._batch_size])
            rows.append(call(crops[:, None].float() / 255).float().cpu().numpy())
        return np.concatenate(rows)
