"""The training loop both tasks share: ignite engine, moving average, early stop, resume."""

import logging
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events
from ignite.handlers import Checkpoint, DiskSaver, EarlyStopping, EMAHandler
from torch import Tensor

from sonoloop.errors import TrainingError
from sonoloop.networks.device import bf16_pays, limit_threads, resolve_device
from sonoloop.settings import TrainingSettings
from sonoloop.training.progress import Progress, Report, ShouldStop
from sonoloop.training.tracking import Tracker

logger = logging.getLogger(__name__)

WARM_UP_SHARE = 0.05
"""Share of all steps in which the learning rate climbs to its peak."""

AVERAGE_WARM_UP_STEPS = 200
"""Steps in which the moving average still follows the network closely."""

GRADIENT_NORM = 1.0
"""Gradients are clipped to this norm."""

REPORT_EVERY_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What differs between the tasks.

    Attributes:
        network: Starts from its present weights.
        batches: Of one epoch, given the epoch's number from 1: tensors on the CPU.
        steps_per_epoch: How many batches that gives.
        loss: Of a batch, given the network's call under the right precision.
        validate: Figure to maximise, of the averaged network.
        task: For logs.
    """

    network: torch.nn.Module
    batches: Callable[[int], Iterator[tuple[Tensor, ...]]]
    steps_per_epoch: int
    loss: Callable[[Callable[[Tensor], Tensor], tuple[Tensor, ...]], Tensor]
    validate: Callable[[Callable[[Tensor], Tensor]], float]
    task: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """The averaged network of the epoch that is kept, its validation figure, and the way there."""

    network: torch.nn.Module
    metric: float
    kept_epoch: int
    epochs: int
    history: tuple[dict[str, float], ...]
    stopped: bool


def _prepared(problem: Problem, settings: TrainingSettings) -> tuple[torch.device, torch.dtype]:
    device = resolve_device(settings.device)
    limit_threads(settings.threads)
    use_bf16 = settings.precision == "bf16" or (
        settings.precision == "auto" and bf16_pays(device, problem.network)
    )
    problem.network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return device, torch.bfloat16 if use_bf16 else torch.float32


def _caller(
    network: torch.nn.Module, device: torch.device, dtype: torch.dtype
) -> Callable[[Tensor], Tensor]:
    def call(images: Tensor) -> Tensor:
        images = images.to(device, memory_format=torch.channels_last, non_blocking=True)
        enabled = dtype is torch.bfloat16
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=enabled):
            output = network(images)
        result: Tensor = output.float()
        return result

    return call


def _schedule(
    optimizer: torch.optim.Optimizer, total_steps: int
) -> torch.optim.lr_scheduler.LambdaLR:
    """Linear warm-up, then half a cosine down to zero (Loshchilov & Hutter, ICLR 2017)."""
    warm_up = max(1, round(WARM_UP_SHARE * total_steps))

    def factor(step: int) -> float:
        if step < warm_up:
            return (step + 1) / warm_up
        done = (step - warm_up) / max(1, total_steps - warm_up)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))

    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


class _Clock:
    """Turns engine state into :class:`Progress`, at most once a second within an epoch."""

    def __init__(self, settings: TrainingSettings, steps: int, report: Report) -> None:
        self._settings, self._steps, self._report = settings, steps, report
        self._began = self._told = time.monotonic()
        self._first_step: int | None = None
        self.metric: float | None = None
        self.best: float | None = None
        self.loss: float | None = None

    def note_loss(self, loss: float) -> None:
        self.loss = loss if self.loss is None else 0.95 * self.loss + 0.05 * loss

    def tell(self, iteration: int, *, force: bool = False) -> None:
        now = time.monotonic()
        if self._first_step is None:
            self._first_step = iteration
        if not force and now - self._told < REPORT_EVERY_S:
            return
        self._told = now
        done, seconds = iteration - self._first_step, now - self._began
        left = self._settings.max_epochs * self._steps - iteration
        self._report(
            Progress(
                epoch=iteration // self._steps,
                total_epochs=self._settings.max_epochs,
                step=iteration % self._steps,
                total_steps=self._steps,
                loss=self.loss,
                metric=self.metric,
                best_metric=self.best,
                seconds=seconds,
                eta_seconds=seconds / done * left if done > 0 else None,
            )
        )


def fit(
    problem: Problem,
    settings: TrainingSettings,
    run_dir: Path,
    *,
    report: Report,
    should_stop: ShouldStop,
) -> Outcome:
    """Train to the best validation figure; goes on from the last checkpoint in ``run_dir``.

    Args:
        problem: Network, batches, loss and validation.
        settings: How to train.
        run_dir: Folder of checkpoints; a run that was interrupted there is resumed.
        report: Called about once a second and after every epoch.
        should_stop: Asked after every step; True ends the training with what is best so far.

    Raises:
        TrainingError: If the loss is not finite, or the training was stopped before its first
            validation.
    """
    with Tracker(run_dir, problem.task, settings) as tracker:
        observer = _Observer(report, should_stop, tracker)
        return _Training(problem, settings, run_dir, observer).run()


@dataclass(frozen=True, slots=True)
class _Observer:
    """Who is told, who may stop the training, and where curves go."""

    report: Report
    should_stop: ShouldStop
    tracker: Tracker


class _Training:
    """One run: the ignite engine and what hangs on its events."""

    def __init__(
        self,
        problem: Problem,
        settings: TrainingSettings,
        run_dir: Path,
        observer: _Observer,
    ) -> None:
        self._problem, self._settings, self._run_dir = problem, settings, run_dir
        self._observer = observer
        self._device, self._dtype = _prepared(problem, settings)
        self._optimizer = torch.optim.AdamW(
            problem.network.parameters(),
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
        )
        total_steps = settings.max_epochs * problem.steps_per_epoch
        self._scheduler = _schedule(self._optimizer, total_steps)
        self._clock = _Clock(settings, problem.steps_per_epoch, observer.report)
        self._best = _Best()
        self._trainer = Engine(self._step)
        self._train_call = _caller(problem.network, self._device, self._dtype)
        self._average = EMAHandler(
            problem.network,
            momentum=1 - settings.ema_decay,
            momentum_warmup=max(0.2, 1 - settings.ema_decay),
            warmup_iters=min(AVERAGE_WARM_UP_STEPS, total_steps),
            handle_buffers="update",  # statistics of batch norm must be those of these weights
        )
        self._average_call = _caller(self._average.ema_model, self._device, self._dtype)
        self._stopped = False
        self._attach()

    def _attach(self) -> None:
        trainer = self._trainer
        self._average.attach(trainer, event=Events.ITERATION_COMPLETED)
        trainer.add_event_handler(Events.ITERATION_COMPLETED, self._after_step)
        trainer.add_event_handler(Events.EPOCH_COMPLETED, self._after_epoch)
        stopper = EarlyStopping(
            self._settings.early_stop_patience,
            lambda engine: engine.state.metrics["validation"],
            trainer,
        )
        trainer.add_event_handler(Events.EPOCH_COMPLETED, stopper)
        self._to_save = {
            "network": self._problem.network,
            "average": self._average.ema_model,
            "optimizer": self._optimizer,
            "scheduler": self._scheduler,
            "trainer": trainer,
            "best": self._best,
            "stopper": stopper,
        }
        saver = DiskSaver(str(self._run_dir / "checkpoints"), create_dir=True, require_empty=False)
        checkpoint = Checkpoint(self._to_save, saver, n_saved=1, filename_pattern="last.pt")
        trainer.add_event_handler(Events.EPOCH_COMPLETED, checkpoint)

    def _step(self, engine: Engine, batch: tuple[Tensor, ...]) -> float:
        network = self._problem.network
        network.train()
        loss = self._problem.loss(self._train_call, batch)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise TrainingError(
                f"the loss became {value} in epoch {engine.state.epoch}; lower the learning rate"
            )
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), GRADIENT_NORM)
        self._optimizer.step()
        self._scheduler.step()
        self._clock.note_loss(value)
        return value

    def _after_step(self, engine: Engine) -> None:
        self._clock.tell(engine.state.iteration)
        if self._observer.should_stop():
            self._stopped = True
            engine.terminate()

    def _after_epoch(self, engine: Engine) -> None:
        network, epoch = self._average.ema_model, engine.state.epoch
        network.eval()
        with torch.inference_mode():
            metric = self._problem.validate(self._average_call)
        loss = self._clock.loss or 0.0
        engine.state.metrics["validation"] = metric
        self._best.note(metric, epoch, loss, network)
        self._clock.metric, self._clock.best = metric, self._best.metric
        self._observer.tracker.log(epoch, loss=loss, metric=metric)
        self._clock.tell(engine.state.iteration, force=True)
        logger.info(
            "%s epoch %d: loss %.4f, validation %.4f", self._problem.task, epoch, loss, metric
        )

    def run(self) -> Outcome:
        """Train to the end and return the best averaged network."""
        self._resume()
        trainer, steps = self._trainer, self._problem.steps_per_epoch
        if trainer.state.epoch < self._settings.max_epochs:
            data = _EpochBatches(self._problem, trainer)
            trainer.run(data, max_epochs=self._settings.max_epochs, epoch_length=steps)
        best = self._best
        if best.metric is None or best.weights is None:
            raise TrainingError("the training was stopped before its first validation")
        network, kept = self._average.ema_model, best.history[-1]
        if self._settings.keep == "best":
            network.load_state_dict(best.weights)
            kept = best.history[best.epoch - 1]
        return Outcome(
            network.cpu().float().eval(),
            kept["validation"],
            int(kept["epoch"]),
            trainer.state.epoch,
            tuple(best.history),
            self._stopped,
        )

    def _resume(self) -> None:
        path = self._run_dir / "checkpoints" / "last.pt"
        if not path.exists():
            return
        saved = torch.load(path, map_location="cpu", weights_only=True)
        Checkpoint.load_objects(self._to_save, saved)
        self._clock.best = self._best.metric
        logger.info("resumed after epoch %d", self._trainer.state.epoch)


class _EpochBatches:
    """Batches of the epoch the engine is in; ignite asks for an iterator once an epoch."""

    def __init__(self, problem: Problem, trainer: Engine) -> None:
        self._problem, self._trainer = problem, trainer

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        return self._problem.batches(self._trainer.state.epoch)

    def __len__(self) -> int:
        return self._problem.steps_per_epoch


class _Best:
    """The best averaged weights so far and the curve to them; part of every checkpoint."""

    def __init__(self) -> None:
        self.metric: float | None = None
        self.epoch = 0
        self.weights: dict[str, Tensor] | None = None
        self.history: list[dict[str, float]] = []

    def note(self, metric: float, epoch: int, loss: float, network: torch.nn.Module) -> None:
        """Add a point to the curve; keep the weights if none were better."""
        self.history.append({"epoch": epoch, "loss": loss, "validation": metric})
        if self.metric is None or metric > self.metric:
            self.metric, self.epoch = metric, epoch
            self.weights = {n: t.detach().clone() for n, t in network.state_dict().items()}

    def state_dict(self) -> dict[str, Any]:
        """For the checkpoint."""
        return dict(vars(self))

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """From the checkpoint."""
        vars(self).update(state)
