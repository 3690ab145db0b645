"""Trainings that begin by themselves: after so many new labels, or so many hours."""

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sonoloop.errors import JobConflictError, TrainingError
from sonoloop.records import Job, ModelTask
from sonoloop.service.inference import TASKS
from sonoloop.service.training import TrainingService
from sonoloop.settings import TrainingTriggers
from sonoloop.store.store import Store

logger = logging.getLogger(__name__)

LOOK_EVERY: Final = timedelta(seconds=10)
"""Labels are counted no oftener."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerState:
    """How far a task is from its next training.

    Attributes:
        new_labels: Images labelled since the last training was asked for.
        due: Why a training is due now, or None.
        due_at: When the schedule asks for one, if anything is labelled by then; None without a
            schedule.
        waits: Why a training that is due does not begin, or None.
    """

    task: ModelTask
    new_labels: int
    due: str | None
    due_at: datetime | None
    waits: str | None

    def as_dict(self) -> dict[str, Any]:
        """Names and values, as JSON carries them."""
        return asdict(self) | {"due_at": self.due_at.isoformat() if self.due_at else None}


def utc_now() -> datetime:
    """This instant."""
    return datetime.now(UTC)


class Triggers:
    """Begins trainings when they are due: one at a time, and none while labels are too few.

    Args:
        store: Counts labels and remembers trainings.
        training: Begins them.
        settings: When.
        now: The clock.
    """

    def __init__(
        self,
        store: Store,
        training: TrainingService,
        settings: TrainingTriggers,
        *,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._store, self._training, self._settings, self._now = store, training, settings, now
        self._opened = now()
        self._looked = now() - LOOK_EVERY
        self._refused: dict[ModelTask, tuple[int, str]] = {}

    @property
    def is_on(self) -> bool:
        """Whether any training begins by itself."""
        return bool(self._settings.retrain_after_labels or self._settings.retrain_every_h)

    def look(self) -> Job | None:
        """Begin a training that is due, if none runs; the training begun, or None.

        Cheap when called often: labels are counted every :data:`LOOK_EVERY`.
        """
        now = self._now()
        if not self.is_on or now - self._looked < LOOK_EVERY:
            return None
        self._looked = now
        if self._store.jobs.active("train"):
            return None
        begun = (self._begin(state) for state in self.states() if state.due and not state.waits)
        return next((job for job in begun if job), None)

    def _begin(self, state: TriggerState) -> Job | None:
        newest = self._store.gates.newest_label()
        try:
            job = self._training.start(state.task, {}, because=state.due or "")
        except JobConflictError:
            return None
        except TrainingError as error:
            self._refused[state.task] = (newest, str(error))
            logger.info("%s is not retrained (%s): %s", state.task, state.due, error)
            return None
        logger.info("training %s of %s begins: %s", job.job_id, state.task, state.due)
        return job

    def states(self) -> list[TriggerState]:
        """How far each task is from its next training."""
        return [self._state(task) for task in TASKS]

    def _state(self, task: ModelTask) -> TriggerState:
        last = self._store.jobs.latest("train", task)
        new = self._store.gates.labels_since(last.request.get("newest_label", 0) if last else 0)
        due_at = self._due_at(last)
        return TriggerState(
            task=task,
            new_labels=new,
            due=self._due(new, due_at),
            due_at=due_at,
            waits=self._why_waiting(task),
        )

    def _due_at(self, last: Job | None) -> datetime | None:
        if not self._settings.retrain_every_h:
            return None
        since = last.created_at if last else self._opened
        return since + timedelta(hours=self._settings.retrain_every_h)

    def _due(self, new: int, due_at: datetime | None) -> str | None:
        enough = self._settings.retrain_after_labels
        if enough and new >= enough:
            return f"{new} new labels, {enough} are enough"
        if new and due_at and self._now() >= due_at:
            return f"{new} new labels, and {self._settings.retrain_every_h:g} hours have passed"
        return None

    def _why_waiting(self, task: ModelTask) -> str | None:
        newest, reason = self._refused.get(task, (-1, ""))
        if newest == self._store.gates.newest_label():
            return reason
        running = self._store.jobs.active("train")
        return f"{running[0].target} is being trained" if running else None
