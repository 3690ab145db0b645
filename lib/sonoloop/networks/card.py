"""The card beside every set of weights: what it is, what made it, what was measured."""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from sonoloop.errors import ModelError
from sonoloop.records import ModelTask

CARD_FILE = "card.json"
WEIGHTS_FILE = "weights.safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """Everything needed to rebuild and judge a model.

    Attributes:
        model_id: Unique name, also in every prediction.
        task: ``segmentation`` or ``classification``.
        architecture: Name the network builder knows.
        options: Keyword arguments of the builder.
        input_size_px: Side of the square the network sees, in pixels.
        classes: Meaning of the outputs, in order.
        crop_margin: Margin the classifier was trained with, as a share of the lesion's longer
            side; None for segmenters.
        crop: What a classifier looks at: each lesion with its margin, or the whole image always.
        temperature: Logits are divided by it before sigmoid or softmax (Guo et al., "On
            Calibration of Modern Neural Networks", ICML 2017).
        preprocessing: Steps every image goes through before the network, in order; the same in
            training and inference.
        operating_point: Malignancy probability at and above which a case is called malignant,
            chosen on validation data; None when none was chosen.
        parent_id: Model the training started from, or None.
        created_at: ISO 8601, UTC.
        data: What it was trained on: names, counts, hashes of the split.
        settings: Training settings.
        metrics: Figures measured on validation data.
        weights_sha256: Of the weights file.
        notes: Intended use, limits.
    """

    model_id: str
    task: ModelTask
    architecture: str
    options: dict[str, Any] = field(default_factory=dict)
    input_size_px: int = 256
    classes: tuple[str, ...] = ()
    crop_margin: float | None = None
    crop: Literal["lesion", "whole"] = "lesion"
    temperature: float = 1.0
    preprocessing: tuple[str, ...] = ()
    operating_point: float | None = None
    parent_id: str | None = None
    created_at: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    weights_sha256: str = ""
    notes: str = ""
    format: Literal["sonoloop-model-1"] = "sonoloop-model-1"

    def as_dict(self) -> dict[str, Any]:
        """The card as JSON carries it."""
        lists = {"classes": list(self.classes), "preprocessing": list(self.preprocessing)}
        return {**asdict(self), **lists}


def card_from_dict(content: dict[str, Any]) -> ModelCard:
    """A card from its JSON.

    Raises:
        ModelError: If a field is missing, unknown or of another format version.
    """
    if content.get("format") != "sonoloop-model-1":
        raise ModelError(
            f"model card has format {content.get('format')!r}, this version reads sonoloop-model-1"
        )
    try:
        tuples = {name: tuple(content.get(name, ())) for name in ("classes", "preprocessing")}
        return ModelCard(**{**content, **tuples})
    except TypeError as error:
        raise ModelError(f"model card is malformed: {error}") from None


def read_card(directory: Path) -> ModelCard:
    """The card of a model folder.

    Raises:
        ModelError: If the folder has no readable card.
    """
    path = directory / CARD_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{directory.name} is no model folder: {CARD_FILE} cannot be read ({error})"
        ) from None
    if not isinstance(content, dict):
        raise ModelError(f"{directory.name}: {CARD_FILE} holds no JSON object")
    return card_from_dict(content)


def write_card(directory: Path, card: ModelCard) -> None:
    """Write the card of a model folder, whole or not at all."""
    temporary = directory / f".{CARD_FILE}.part"
    temporary.write_text(json.dumps(card.as_dict(), indent=2) + "\n", encoding="utf-8")
    os.replace(temporary, directory / CARD_FILE)
