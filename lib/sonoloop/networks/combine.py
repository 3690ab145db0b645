"""From finished models to the one that is shipped: ensembles, and half the bytes."""

import dataclasses
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from sonoloop.errors import ModelError
from sonoloop.networks.build import ENSEMBLE, build_ensemble
from sonoloop.networks.card import ModelCard
from sonoloop.networks.weights import load_model, save_model

SAME = ("task", "classes", "crop_margin", "crop", "preprocessing")
"""What the cards of an ensemble's members must agree in."""


def combine_models(folders: Sequence[Path], out_dir: Path, *, half: bool = False) -> Path:
    """An ensemble of several models, or a smaller copy of one, as a model folder.

    Args:
        folders: Model folders of one task; of a single one only the storage changes.
        out_dir: The new model folder is made in it.
        half: Store numbers of 16 bits.

    Returns:
        The new model folder.

    Raises:
        ModelError: If a folder cannot be loaded, or the models do not fit together.
    """
    loaded = [load_model(folder) for folder in folders]
    if not loaded:
        raise ModelError("no model folder was given (name one or more)")
    network, draft = loaded[0] if len(loaded) == 1 else _ensemble(loaded)
    now = datetime.now(UTC)
    parents = [card.model_id for _, card in loaded]
    suffix = hashlib.sha256(f"{now.isoformat()}/{parents}".encode()).hexdigest()[:8]
    card = dataclasses.replace(
        draft,
        model_id=f"{draft.task}-{now:%Y%m%dT%H%M%S}-{suffix}",
        created_at=now.isoformat(timespec="seconds"),
        parent_id=parents[0],
    )
    save_model(network, card, out_dir / card.model_id, half=half)
    return out_dir / card.model_id


def _ensemble(
    loaded: Sequence[tuple[torch.nn.Module, ModelCard]],
) -> tuple[torch.nn.Module, ModelCard]:
    cards = [card for _, card in loaded]
    for name in SAME:
        values = {str(getattr(card, name)) for card in cards}
        if len(values) > 1:
            raise ModelError(
                f"models of an ensemble differ in {name}: {', '.join(sorted(values))} "
                "(combine models that were trained alike)"
            )
    members = [_member(card) for card in cards]
    network = build_ensemble(cards[0].task, members)
    for inside, (trained, _) in zip(network.members, loaded, strict=True):
        inside.load_state_dict(trained.state_dict())
    points = [card.operating_point for card in cards]
    known = [point for point in points if point is not None]
    return network.eval(), dataclasses.replace(
        cards[0],
        architecture=ENSEMBLE,
        options={"members": members},
        input_size_px=max(card.input_size_px for card in cards),
        temperature=1.0,
        operating_point=sum(known) / len(known) if len(known) == len(points) else None,
        data={card.model_id: card.data for card in cards},
        settings={card.model_id: card.settings for card in cards},
        metrics={card.model_id: card.metrics for card in cards},
    )


def _member(card: ModelCard) -> dict[str, Any]:
    return {
        "architecture": card.architecture,
        "options": card.options,
        "input_size_px": card.input_size_px,
        "temperature": card.temperature,
    }
