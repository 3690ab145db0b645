"""How every training begins and what its model card says at the end."""

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from sonoloop.datasets.splits import families, hold_out
from sonoloop.errors import ConfigError, TrainingError
from sonoloop.labels import PATHOLOGIES
from sonoloop.networks.build import build_network, default_architecture
from sonoloop.networks.card import ModelCard
from sonoloop.networks.imagenet import imagenet_source, start_from_imagenet
from sonoloop.networks.weights import load_model
from sonoloop.records import LabelledImage, ModelTask
from sonoloop.settings import TrainingSettings
from sonoloop.training.examples import TASK_CLASSES
from sonoloop.training.loop import Outcome


def starting_network(
    task: ModelTask, settings: TrainingSettings, initial: Path | None
) -> tuple[torch.nn.Module, str, dict[str, Any], str | None, TrainingSettings]:
    """Network, architecture, options, parent id and settings of a training.

    A warm start takes architecture, its options, input size and classes from the model it starts
    from, and its preprocessing unless another is named.

    Raises:
        ConfigError: If the architecture or one of its options is unknown, or its ImageNet weights
            are wanted and not on this machine.
        ModelError: If the model to start from cannot be loaded.
        TrainingError: If it is of another task, architecture, or tells other pathologies apart.
    """
    torch.manual_seed(settings.seed)
    if initial is None or not settings.warm_start:
        architecture = settings.architecture or default_architecture(task)
        options = _options(task, settings)
        network = build_network(task, architecture, **options)
        if settings.initial_weights == "imagenet":
            start_from_imagenet(network, allow_download=settings.allow_download)
        return network, architecture, options, None, settings
    network, card = load_model(initial)
    if card.task != task:
        raise TrainingError(f"cannot start a {task} training from the {card.task} {card.model_id}")
    if settings.architecture not in ("", card.architecture):
        raise TrainingError(
            f"cannot start {settings.architecture!r} from {card.model_id}, a "
            f"{card.architecture!r} (leave architecture empty or set warm_start to false)"
        )
    if not settings.architecture_options.items() <= card.options.items():
        raise TrainingError(
            f"cannot start with {settings.architecture_options} from {card.model_id}, built with "
            f"{card.options} (leave architecture_options empty or set warm_start to false)"
        )
    settings = dataclasses.replace(
        settings,
        input_size_px=card.input_size_px,
        preprocessing=settings.preprocessing or card.preprocessing,
    )
    if task == "classification":
        settings = _with_classes_of(card, settings)
    return network, card.architecture, card.options, card.model_id, settings


def _options(task: ModelTask, settings: TrainingSettings) -> dict[str, Any]:
    """Of the builder; the number of outputs is named where it is not the builder's own."""
    options: dict[str, Any] = dict(settings.architecture_options)
    if "classes" in options:
        raise ConfigError(["architecture_options: classes follows from the task (leave it out)"])
    if task == "classification" and settings.task != "pathology":
        options["classes"] = len(TASK_CLASSES[settings.task])
    return options


def _with_classes_of(card: ModelCard, settings: TrainingSettings) -> TrainingSettings:
    found = next(
        (task for task, names in TASK_CLASSES.items() if names == (card.classes or PATHOLOGIES)),
        None,
    )
    if found is None or settings.task not in ("pathology", found):
        raise TrainingError(
            f"cannot start a {settings.task} training from {card.model_id}, which tells "
            f"{', '.join(card.classes)} apart (start from random weights)"
        )
    return dataclasses.replace(settings, task=found)


def divide(
    items: Sequence[LabelledImage],
    settings: TrainingSettings,
    must_hold: Callable[[LabelledImage], bool] = lambda item: True,
) -> tuple[list[LabelledImage], list[LabelledImage]]:
    """Training and validation items; no patient and no near-duplicate group crosses.

    Args:
        items: Every labelled item.
        settings: How large a share is held out.
        must_hold: Kind of item of which validation needs at least one.

    Raises:
        TrainingError: If there are fewer than two patients.
    """
    train, validation = hold_out(
        items,
        fraction=settings.validation_fraction,
        part=settings.validation_part,
        must_hold=must_hold,
    )
    if not train or not validation:
        raise TrainingError(
            f"{len(items)} labelled images of {len(families(items))} patients; a training needs "
            "at least two patients, one of them for validation"
        )
    return train, validation


def new_card(
    draft: ModelCard,
    settings: TrainingSettings,
    outcome: Outcome,
    *,
    train_items: Sequence[LabelledImage],
    validation_items: Sequence[LabelledImage],
    figures: dict[str, float],
) -> ModelCard:
    """The card of a finished training."""
    now = datetime.now(UTC)
    data: dict[str, Any] = {
        "train": _described(train_items),
        "validation": _described(validation_items),
    }
    if settings.initial_weights == "imagenet" and draft.parent_id is None:
        data["initial_weights"] = imagenet_source(outcome.network)
    identity = f"{now.isoformat()}/{data}/{settings}/{draft.parent_id}"
    suffix = hashlib.sha256(identity.encode()).hexdigest()[:8]
    return dataclasses.replace(
        draft,
        model_id=f"{draft.task}-{now:%Y%m%dT%H%M%S}-{suffix}",
        created_at=now.isoformat(timespec="seconds"),
        preprocessing=settings.preprocessing,
        data=data,
        settings=settings.as_dict(),
        metrics={
            "validation": figures,
            "kept_epoch": outcome.kept_epoch,
            "epochs": outcome.epochs,
            "stopped": outcome.stopped,
            "history": list(outcome.history),
        },
    )


def _described(items: Sequence[LabelledImage]) -> dict[str, Any]:
    names = sorted(f"{item.patient}/{item.image_id}" for item in items)
    return {
        "images": len(items),
        "patients": len(families(items)),
        "sha256": hashlib.sha256("\n".join(names).encode()).hexdigest(),
    }
