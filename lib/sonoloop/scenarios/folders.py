"""Where trainings, evaluations and tables lie, by a hash of what defines each.

* ``trainings/<task>-<key>/training.json`` and the model folder beside it
* ``evaluations/<key>/evaluation.json``: every case
* ``tables/<scenario>.json``: the rows as of the last run
"""

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from sonoloop import __version__

KEY_LENGTH: Final = 16
WITHOUT_EFFECT: Final = frozenset({"device", "threads", "tracking"})
"""Settings that say where and how fast something is done, not what."""


def key_of(definition: dict[str, Any]) -> str:
    """A name that changes with any part of a definition, and with the version."""
    text = json.dumps([__version__, definition], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:KEY_LENGTH]


def effective(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings without those that have no effect on the outcome."""
    return {name: value for name, value in settings.items() if name not in WITHOUT_EFFECT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A finished training.

    Attributes:
        key: Of its definition.
        model: Model folder.
        parameters: Numbers that were learnt.
        epochs: Passes over the training images.
        seconds_per_epoch: Wall time; None when too little of it was seen after an interruption.
        validation: Figures on its own validation images.
    """

    key: str
    model: Path
    parameters: int
    epochs: int
    seconds_per_epoch: float | None
    validation: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """As JSON carries it; the model folder by name."""
        return {**asdict(self), "model": self.model.name}


def write_json(path: Path, content: Any) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_text(json.dumps(content, indent=2, default=str) + "\n", encoding="utf-8")
    os.replace(temporary, path)


def read_json(path: Path) -> Any | None:
    """What a file holds; None when it is absent or torn."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def read_trained(run_dir: Path) -> Trained | None:
    """The finished training of a run folder, if there is one."""
    content = read_json(run_dir / "training.json")
    if content is None or not (run_dir / content["trained"]["model"] / "card.json").is_file():
        return None
    fields = content["trained"]
    return Trained(**{**fields, "model": run_dir / fields["model"]})
