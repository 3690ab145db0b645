from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from sonoloop.settings import TrainingSettings
from sonoloop.training.loop import Outcome, Problem, fit
from sonoloop.training.progress import ignore_progress, never_stop


def train(run_dir: Path, keep: str, figures: list[float]) -> Outcome:
    """Three epochs of a line through the origin, with figures that were written down before."""
    torch.manual_seed(0)
    told = iter(figures)

    def batches(epoch: int) -> Iterator[tuple[Tensor, ...]]:
        yield (torch.ones(4, 1, 1, 1),)

    def loss(call: Callable[[Tensor], Tensor], batch: tuple[Tensor, ...]) -> Tensor:
        return (call(batch[0]) - 5).pow(2).mean()

    problem = Problem(
        network=torch.nn.Conv2d(1, 1, 1),
        batches=batches,
        steps_per_epoch=1,
        loss=loss,
        validate=lambda call: next(told),
        task="segmentation",
    )
    settings = TrainingSettings.from_conf(
        {"keep": keep, "max_epochs": 3, "ema_decay": 0.01, "tracking": "none", "threads": 1}
    )
    return fit(problem, settings, run_dir, report=ignore_progress, should_stop=never_stop)


class TestKeep:
    @pytest.mark.parametrize(("keep", "epoch", "metric"), [("best", 1, 0.9), ("last", 3, 0.7)])
    def test_returns_the_weights_of_the_epoch_asked_for(
        self, tmp_path: Path, keep: str, epoch: int, metric: float
    ) -> None:
        outcome = train(tmp_path, keep, [0.9, 0.8, 0.7])

        assert (outcome.kept_epoch, outcome.metric) == (epoch, metric)

    def test_the_last_weights_are_not_the_best(self, tmp_path: Path) -> None:
        best, last = (
            train(tmp_path / keep, keep, [0.9, 0.8, 0.7]).network for keep in ("best", "last")
        )

        assert not torch.equal(best.state_dict()["weight"], last.state_dict()["weight"])
