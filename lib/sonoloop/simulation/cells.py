"""What is known of a simulation: one file for each strategy, seed and round, whole or not there."""

import dataclasses
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sonoloop.errors import ConfigError, StoreError
from sonoloop.store.files import move_into_place, remove_leftovers, write_incoming

CELLS: Final = "cells"
INCOMING: Final = "incoming"
"""Where files are written before they are moved to their place."""
DEFINITION: Final = "definition.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One training of the proxy and what it gave.

    Attributes:
        strategy: Name; ``plan.ALL_LABELS`` for the training on every image.
        described: The strategy's description when it chose; a strategy that has become another
            begins anew.
        round: From 0.
        labelled: Ids of the images it was trained on, in the order they were chosen.
        chosen: Ids the strategy asks for next; empty in the last round.
        dice: Mean Dice over the lesion images of the test split.
        auc: Of malignancy, by test patient; None where they are all alike.
        seconds: Wall time.
    """

    strategy: str
    described: str
    seed: int
    round: int
    labelled: tuple[str, ...]
    chosen: tuple[str, ...]
    dice: float
    auc: float | None
    seconds: float


class CellFiles:
    """The folder of a simulation.

    Args:
        folder: Made if need be.

    Raises:
        StoreError: If it cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            for name in (CELLS, INCOMING):
                (folder / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot make {folder}: {error.strerror}") from error
        remove_leftovers(folder / INCOMING)

    def require(self, definition: dict[str, Any]) -> None:
        """Note what is simulated, or see that it is what was simulated here before.

        Args:
            definition: All that cells depend on besides strategy, seed and round; plain JSON.

        Raises:
            ConfigError: If the folder holds a simulation of something else.
        """
        path = self.folder / DEFINITION
        known = _read(path)
        if known is None:
            self._write(path, definition)
            return
        differing = sorted(
            name for name in {*known, *definition} if known.get(name) != definition.get(name)
        )
        if differing:
            raise ConfigError(
                [
                    f"{self.folder} holds a simulation with another {name}: "
                    f"{known.get(name)!r:.80}, not {definition.get(name)!r:.80} "
                    "(choose another folder)"
                    for name in differing
                ]
            )

    def definition(self) -> dict[str, Any]:
        """What was simulated here.

        Raises:
            ConfigError: If nothing was.
        """
        known = _read(self.folder / DEFINITION)
        if known is None:
            raise ConfigError([f"{self.folder} holds no simulation"])
        return known

    def read(self, strategy: str, seed: int, number: int, *, described: str) -> Cell | None:
        """A finished cell; None when it is absent, torn, or of a strategy described otherwise."""
        content = _read(self._path(strategy, seed, number))
        fields = {field.name for field in dataclasses.fields(Cell)}
        if content is None or set(content) != fields or content["described"] != described:
            return None
        lists = {name: tuple(content[name]) for name in ("labelled", "chosen")}
        return Cell(**{**content, **lists})

    def write(self, cell: Cell) -> None:
        """Keep a finished cell; on the disk when this returns."""
        self._write(self._path(cell.strategy, cell.seed, cell.round), dataclasses.asdict(cell))

    def _path(self, strategy: str, seed: int, number: int) -> Path:
        name = re.sub(r"\W+", "_", strategy)
        return self.folder / CELLS / f"seed{seed:03d}-{name}-round{number:02d}.json"

    def _write(self, path: Path, content: dict[str, Any]) -> None:
        data = json.dumps(content, indent=1).encode() + b"\n"
        move_into_place(write_incoming(self.folder / INCOMING, data), path)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None
