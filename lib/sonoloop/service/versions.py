"""Versions of the models as people see and handle them: gate results, publishing by hand, pins."""

import logging
from typing import Any, Final

from sonoloop.errors import ConflictError, InvalidRequestError, NotFoundError
from sonoloop.evaluation.verdicts import CaseDifference
from sonoloop.records import ModelRecord, ModelTask
from sonoloop.service.inference import TASKS, InferenceService
from sonoloop.store.gates import GateResult
from sonoloop.store.publications import Pin
from sonoloop.store.store import Store

logger = logging.getLogger(__name__)

ANSWER_WITHIN_S: Final = 10.0
"""How long a change waits until the new model answers; it happens also when it takes longer."""


class Versions:
    """What there is to see of model versions, and what an engineer may do with them."""

    def __init__(self, store: Store, inference: InferenceService) -> None:
        self._store, self._inference = store, inference

    def overview(self) -> dict[str, Any]:
        """Of each task: what serves, whether it is pinned, every version, every publication."""
        pins = self._store.models.pins()
        return {
            task: {
                "serving": self._inference.model_ids.get(task),
                "pinned": pins[task].as_dict() if task in pins else None,
                "way_back": self._store.models.way_back(task),
                "versions": self._versions(task),
                "history": [one.as_dict() for one in self._store.models.history(task)],
            }
            for task in TASKS
        }

    def _versions(self, task: ModelTask) -> list[dict[str, Any]]:
        newest: dict[str, GateResult] = {}
        for result in self._store.gates.list(task):
            newest.setdefault(result.model_id, result)
        records = reversed(self._store.models.list(task))
        return [version_json(record, newest.get(record.model_id)) for record in records]

    def version(self, task: ModelTask, model_id: str) -> dict[str, Any]:
        """One version with what it scored on every locked image, the greatest loss first.

        Raises:
            NotFoundError: If the task has no such model.
        """
        record = self._of_task(task, model_id)
        result = self._store.gates.of_model(model_id)
        cases = self._store.gates.cases(result.number) if result else []
        return version_json(record, result) | {"cases": [case_json(case) for case in cases]}

    def publish(self, task: ModelTask, model_id: str, *, actor: str, reason: str) -> dict[str, Any]:
        """Let a version serve that the gate held, that served before, or that was never measured.

        Whoever does so answers for it, also for the labels it was measured on: they are trusted
        from now on.

        Raises:
            InvalidRequestError: If no reason is given.
            NotFoundError: If the task has no such model.
            ConflictError: If the gate rejected it and it never served, or the task is pinned.
        """
        if not reason.strip():
            raise InvalidRequestError("publishing by hand needs a reason (it is kept)")
        self._of_task(task, model_id)
        result = self._store.gates.of_model(model_id)
        served = {one.model_id for one in self._store.models.history(task)}
        if result and result.verdict == "rejected" and model_id not in served:
            raise ConflictError(f"the gate rejected {model_id}: {result.reason} (train another)")
        gate = result.number if result else None
        self._store.models.publish(model_id, kind="hand", actor=actor, reason=reason, gate=gate)
        return self._changed(task)

    def rollback(self, task: ModelTask, *, actor: str, reason: str) -> dict[str, Any]:
        """Let the version serve again that served before the present one.

        Raises:
            ConflictError: If there is none, or the task is pinned.
            ModelError: If its weights are not those that were registered.
        """
        self._store.models.rollback(task, actor=actor, reason=reason)
        return self._changed(task)

    def pin(self, task: ModelTask, *, actor: str, reason: str) -> Pin:
        """Keep the serving version until it is unpinned.

        Raises:
            NotFoundError: If nothing serves the task.
        """
        serving = self._store.models.serving(task)
        if serving is None:
            raise NotFoundError(f"no {task} model is published yet")
        return self._store.models.pin(serving.model_id, actor=actor, reason=reason)

    def unpin(self, task: ModelTask, *, actor: str = "") -> None:
        """Let the gate decide again."""
        self._store.models.unpin(task, actor=actor)

    def _changed(self, task: ModelTask) -> dict[str, Any]:
        generation = self._store.models.generation()
        answers = self._inference.wait_for(generation.number, timeout_s=ANSWER_WITHIN_S)
        return {"task": task, "model_id": generation.models[task].model_id, "answers": answers}

    def _of_task(self, task: ModelTask, model_id: str) -> ModelRecord:
        record = self._store.models.get(model_id)
        if record.task != task:
            raise NotFoundError(f"{model_id!r} is no {task} model but a {record.task} one")
        return record


def version_json(record: ModelRecord, result: GateResult | None) -> dict[str, Any]:
    """A version and what the gate said of it, as clients read it."""
    return {
        "model_id": record.model_id,
        "task": record.task,
        "architecture": record.architecture,
        "parent_id": record.parent_id,
        "created_at": record.created_at.isoformat(),
        "serving": record.serving,
        "validation": record.metrics.get("validation"),
        "gate": result.as_dict() if result else None,
    }


def case_json(case: CaseDifference) -> dict[str, Any]:
    """One locked image; patients are not told."""
    gained = None if case.serving is None else case.candidate - case.serving
    return {
        "image_id": case.image_id,
        "measure": case.measure,
        "candidate": case.candidate,
        "serving": case.serving,
        "difference": gained,
    }
