"""``/sonoloop/models`` and ``/sonoloop/triggers``: versions, gate results, the way back."""

from typing import Any

from fastapi import APIRouter

from sonoloop.errors import NotFoundError
from sonoloop.records import ModelTask
from sonoloop.service.inference import TASKS
from sonoloop.web.bodies import PublishBody, WordBody
from sonoloop.web.parsing import ServiceDep, SpeakerDep

router = APIRouter(prefix="/sonoloop", tags=["Versions"])


@router.get("/models")
def versions(service: ServiceDep) -> dict[str, Any]:
    """Of each task: what serves, pins, every version with its gate result, every publication."""
    return service.versions.overview()


@router.get("/models/{task}/{model_id}")
def version(service: ServiceDep, task: str, model_id: str) -> dict[str, Any]:
    """One version with what it scored on every locked image, the greatest loss first."""
    return service.versions.version(_task(task), model_id)


@router.post("/models/{task}/publish")
def publish(
    service: ServiceDep, speaker: SpeakerDep, task: str, body: PublishBody
) -> dict[str, Any]:
    """Let a version serve that the gate held, or that served before."""
    changed = service.versions.publish(
        _task(task), body.model_id, actor=speaker.name(body.actor), reason=body.reason
    )
    service.info.touch()
    return changed


@router.post("/models/{task}/rollback")
def rollback(service: ServiceDep, speaker: SpeakerDep, task: str, body: WordBody) -> dict[str, Any]:
    """Let the version serve again that served before."""
    actor = speaker.name(body.actor)
    changed = service.versions.rollback(_task(task), actor=actor, reason=body.reason)
    service.info.touch()
    return changed


@router.put("/models/{task}/pin")
def pin(service: ServiceDep, speaker: SpeakerDep, task: str, body: WordBody) -> dict[str, Any]:
    """Keep the serving version, whatever later trainings give."""
    actor = speaker.name(body.actor)
    pinned = service.versions.pin(_task(task), actor=actor, reason=body.reason)
    service.info.touch()
    return pinned.as_dict()


@router.delete("/models/{task}/pin")
def unpin(service: ServiceDep, speaker: SpeakerDep, task: str) -> dict[str, bool]:
    """Let the gate decide again."""
    service.versions.unpin(_task(task), actor=speaker.name(""))
    service.info.touch()
    return {"pinned": False}


@router.get("/triggers")
def triggers(service: ServiceDep) -> dict[str, Any]:
    """When the next training begins by itself, and what it waits for."""
    return {
        "is_on": service.triggers.is_on,
        **service.settings.triggers.as_dict(),
        "tasks": [state.as_dict() for state in service.triggers.states()],
    }


def _task(name: str) -> ModelTask:
    for task in TASKS:
        if name == task:
            return task
    raise NotFoundError(f"unknown model task {name!r:.80} (one of {', '.join(TASKS)})")
