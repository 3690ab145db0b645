"""How far a training is, as it is shown on a terminal, stored and sent to browsers."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """State of a training at one moment.

    Attributes:
        epoch: Epochs finished.
        total_epochs: Epochs at most.
        step: Steps finished in the current epoch.
        total_steps: Steps an epoch.
        loss: Running mean of the training loss, or None before the first step.
        metric: Validation figure of the last finished epoch, or None.
        best_metric: Best validation figure so far, or None.
        seconds: Since the training began.
        eta_seconds: Until the last epoch ends at the present pace, or None.
    """

    epoch: int
    total_epochs: int
    step: int
    total_steps: int
    loss: float | None
    metric: float | None
    best_metric: float | None
    seconds: float
    eta_seconds: float | None

    def as_dict(self) -> dict[str, Any]:
        """Names and values, as JSON carries them."""
        return asdict(self)


Report = Callable[[Progress], None]
ShouldStop = Callable[[], bool]


def ignore_progress(_: Progress) -> None:
    """A :data:`Report` for those who do not look."""


def never_stop() -> bool:
    """A :data:`ShouldStop` that lets a training run to its end."""
    return False
