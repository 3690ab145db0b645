"""How every training begins and what its model card says at the end."""

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from sonoloop.datasets.splits import families, hold_out
from sonoloop.errors import TrainingError
from sonoloop.networks.build import build_network, default_architecture
from sonoloop.networks.card import ModelCard
from sonoloop.networks.imagenet import start_from_imagenet
from sonoloop.networks.weights import load_model
from sonoloop.records import LabelledImage, ModelTask
from sonoloop.settings import TrainingSettings
from sonoloop.training.loop import Outcome


def starting_network(
    task: ModelTask, settings: TrainingSettings, initial: Path | None
) -> tuple[torch.nn.Module, str, dict[str, Any], str | None, TrainingSettings]:
    """Network, architecture, options, parent id and settings of a training.

    A warm start takes architecture and input size from the model it starts from.

    Raises:
        ConfigError: If the architecture is unknown, or contradicts the model to start from.
        ModelError: If that model is of another task or cannot be loaded.
    """
    torch.manual_seed(settings.seed)
    if initial is None or not settings.warm_start:
        architecture = settings.architecture or default_architecture(task)
        network = build_network(task, architecture)
        if settings.initial_weights == "imagenet":
            start_from_imagenet(network)
        return network, architecture, {}, None, settings
    network, card = load_model(initial)
    if card.task != task:
        raise TrainingError(f"cannot start a {task} training from the {card.task} {card.model_id}")
    if settings.architecture not in ("", card.architecture):
        raise TrainingError(
            f"cannot start {settings.architecture!r} from {card.model_id}, a "
            f"{card.architecture!r} (leave architecture empty or set warm_start to false)"
        )
    settings = dataclasses.replace(settings, input_size_px=card.input_size_px)
    return network, card.architecture, card.options, card.model_id, settings


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
    train, validation = hold_out(items, fraction=settings.validation_fraction, must_hold=must_hold)
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
    data = {"train": _described(train_items), "validation": _described(validation_items)}
    identity = f"{now.isoformat()}/{data}/{settings}/{draft.parent_id}"
    suffix = hashlib.sha256(identity.encode()).hexdigest()[:8]
    return dataclasses.replace(
        draft,
        model_id=f"{draft.task}-{now:%Y%m%dT%H%M%S}-{suffix}",
        created_at=now.isoformat(timespec="seconds"),
        data=data,
        settings=settings.as_dict(),
        metrics={
            "validation": figures,
            "best_epoch": outcome.best_epoch,
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
