"""Training of the lesion segmenter."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sonoloop.datasets.splits import has_lesion
from sonoloop.errors import TrainingError
from sonoloop.evaluation.overlap import dice
from sonoloop.networks.card import ModelCard
from sonoloop.networks.weights import save_model
from sonoloop.records import LabelledImage
from sonoloop.settings import TrainingSettings
from sonoloop.training.examples import SegmentationExamples, segmentation_examples
from sonoloop.training.loop import Problem, fit
from sonoloop.training.losses import OutlineLoss, segmentation_loss
from sonoloop.training.progress import Report, ShouldStop, ignore_progress, never_stop
from sonoloop.training.start import divide, new_card, starting_network
from sonoloop.transforms.augment import (
    AugmentationRanges,
    move,
    move_mask,
    random_affine,
    random_grey,
)

Call = Callable[[Tensor], Tensor]


def train_segmentation(
    items: Sequence[LabelledImage],
    settings: TrainingSettings,
    run_dir: Path,
    *,
    initial: Path | None = None,
    report: Report = ignore_progress,
    should_stop: ShouldStop = never_stop,
) -> Path:
    """Train a segmenter on every item whose lesion outline is known.

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
        "segmentation", settings, initial
    )
    usable = [item for item in items if item.has_mask]
    train_items, validation_items = divide(usable, settings, has_lesion)
    size_px, steps = settings.input_size_px, settings.preprocessing
    train = segmentation_examples(train_items, size_px, preprocessing=steps)
    validation = segmentation_examples(validation_items, size_px, preprocessing=steps)
    if not train.masks.any():
        raise TrainingError("no training image has a lesion (label some images with lesions)")
    batches = _Batches(train, settings)
    problem = Problem(
        network=network,
        batches=batches,
        steps_per_epoch=-(-len(batches.drawn(epoch=0)) // settings.batch_size),
        loss=_batch_loss(segmentation_loss(settings.loss)),
        validate=_Validation(validation, settings.batch_size),
        task="segmentation",
    )
    outcome = fit(problem, settings, run_dir, report=report, should_stop=should_stop)
    card = new_card(
        ModelCard(
            model_id="",
            task="segmentation",
            architecture=architecture,
            options=options,
            input_size_px=settings.input_size_px,
            classes=("lesion",),
            parent_id=parent,
        ),
        settings,
        outcome,
        train_items=train_items,
        validation_items=validation_items,
        figures={"dice": outcome.metric},
    )
    directory = run_dir / card.model_id
    save_model(outcome.network, card, directory)
    return directory


class _Batches:
    """Shuffled, augmented batches of an epoch; what comes depends on seed and epoch alone."""

    def __init__(self, examples: SegmentationExamples, settings: TrainingSettings) -> None:
        self._examples, self._settings = examples, settings

    def drawn(self, epoch: int) -> npt.NDArray[np.int64]:
        """Index of every image of an epoch, in order; images without lesion as often as asked."""
        rng = np.random.default_rng(self._settings.seed * 100_003 + epoch)
        count, share = len(self._examples.images), self._settings.min_normal_share
        normals = np.flatnonzero(~self._examples.masks.any((1, 2)))
        missing = round((share * count - len(normals)) / (1 - share))
        if missing <= 0 or not len(normals):
            return rng.permutation(count)
        again = rng.permutation(np.resize(normals, missing))
        return rng.permutation(np.concatenate([np.arange(count), again]))

    def __call__(self, epoch: int) -> Iterator[tuple[Tensor, ...]]:
        generator = torch.Generator().manual_seed(self._settings.seed * 100_003 + epoch)
        order = self.drawn(epoch)
        size = self._settings.batch_size
        for begin in range(0, len(order), size):
            chosen = order[begin : begin + size]
            if len(chosen) == 1 and len(order) > 1:  # batch normalisation needs two images
                chosen = np.append(chosen, order[0])
            images = torch.from_numpy(self._examples.images[chosen])[:, None].float() / 255
            masks = torch.from_numpy(self._examples.masks[chosen])[:, None].float()
            if self._settings.augment:
                ranges = AugmentationRanges().times(self._settings.augment_strength)
                theta = random_affine(len(chosen), ranges, generator)
                images, masks = move(images, theta), move_mask(masks, theta)
                images = random_grey(images, ranges, generator)
            yield images, masks


def _batch_loss(loss: OutlineLoss) -> Callable[[Call, tuple[Tensor, ...]], Tensor]:
    def of_batch(call: Call, batch: tuple[Tensor, ...]) -> Tensor:
        output = call(batch[0])
        return loss(output, batch[1].to(output.device))

    return of_batch


class _Validation:
    """Mean Dice over the validation images that have a lesion, on the network's grid."""

    def __init__(self, examples: SegmentationExamples, batch_size: int) -> None:
        self._examples, self._batch_size = examples, batch_size
        if not examples.masks.any():
            raise TrainingError("no validation image has a lesion (label more patients)")

    def __call__(self, call: Call) -> float:
        scores = []
        for begin in range(0, len(self._examples.images), self._batch_size):
            chosen = slice(begin, begin + self._batch_size)
            images = torch.from_numpy(self._examples.images[chosen])[:, None].float() / 255
            predicted = (call(images) > 0).cpu().numpy()[:, 0]
            truth = self._examples.masks[chosen].astype(bool)
            scores += [dice(p, t) for p, t in zip(predicted, truth, strict=True) if t.any()]
        return float(np.mean(scores))
