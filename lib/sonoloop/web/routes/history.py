"""``/sonoloop/history`` and ``/sonoloop/events``: what happened, to one image and at all."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from sonoloop.errors import InvalidRequestError
from sonoloop.service.history import event_json, image_history
from sonoloop.store.events import EVENT_KINDS
from sonoloop.web.bodies import Name
from sonoloop.web.parsing import ServiceDep

NameQuery = Annotated[Name, Query()]

router = APIRouter(prefix="/sonoloop", tags=["Trace"])


@router.get("/history/{image}")
def history(service: ServiceDep, image: str) -> dict[str, Any]:
    """Every revision, review, skip, lease, doubt, model and event of an image."""
    record = service.images.record(image)
    return image_history(service.store, record.image_id).as_json()


@router.get("/events")
def events(
    service: ServiceDep,
    *,
    image: NameQuery | None = None,
    actor: NameQuery | None = None,
    model: NameQuery | None = None,
    kind: str | None = None,
    before: int | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> dict[str, Any]:
    """The log, newest first; ``before`` is the ``id`` of the last event of the page before."""
    wanted = next((known for known in EVENT_KINDS if known == kind), None)
    if kind is not None and wanted is None:
        raise InvalidRequestError(
            f"unknown kind of event {kind!r:.80} (one of {', '.join(EVENT_KINDS)})"
        )
    found = service.store.events.list(
        image_id=image, actor=actor, model_id=model, kind=wanted, before=before, limit=limit
    )
    return {"events": [event_json(event) for event in found]}
