"""How far a training is, as it is shown on a terminal, stored and sent to browsers."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Final

CURVE_POINTS: Final = 200
"""Points of a curve that are kept; it is thinned out beyond, so that telling it stays cheap."""


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


class Curve:
    """Loss and validation figure over a training so far.

    Example:
        >>> curve = Curve()
        >>> curve.note(
        ...     Progress(
        ...         epoch=1, total_epochs=9, step=1, total_steps=2, loss=0.5, metric=0.8,
        ...         best_metric=0.8, seconds=3.0, eta_seconds=None,
        ...     )
        ... )
        >>> curve.as_json()
        {'loss': [[1.5, 0.5]], 'metric': [[1, 0.8]]}
    """

    def __init__(self) -> None:
        self._loss: list[list[float]] = []
        self._metric: list[list[float]] = []

    def note(self, progress: Progress) -> None:
        """Add the present state: the loss at its fraction of an epoch, the figure once an epoch."""
        if progress.loss is not None:
            at = progress.epoch + progress.step / max(1, progress.total_steps)
            self._loss = _thinned([*self._loss, [round(at, 3), round(progress.loss, 5)]])
        last = self._metric[-1][0] if self._metric else 0
        if progress.metric is not None and progress.epoch > last:
            self._metric = _thinned([*self._metric, [progress.epoch, round(progress.metric, 5)]])

    def as_json(self) -> dict[str, list[list[float]]]:
        """Points ``[epoch, value]`` of each curve, oldest first."""
        return {"loss": self._loss, "metric": self._metric}


def _thinned(points: list[list[float]]) -> list[list[float]]:
    """Every second point once there are too many; the newest always stays."""
    return points if len(points) <= CURVE_POINTS else points[::-1][::2][::-1]


Report = Callable[[Progress], None]
ShouldStop = Callable[[], bool]


def ignore_progress(_: Progress) -> None:
    """A :data:`Report` for those who do not look."""


def never_stop() -> bool:
    """A :data:`ShouldStop` that lets a training run to its end."""
    return False
