"""``/sonoloop/outbox``: what is on its way to the archive."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from sonoloop.errors import InvalidRequestError
from sonoloop.service.outbox import entry_json
from sonoloop.store.ids import MAX_ID
from sonoloop.store.outbox_entries import OUTBOX_STATES
from sonoloop.web.bodies import RetryBody
from sonoloop.web.parsing import ServiceDep, SpeakerDep

router = APIRouter(prefix="/sonoloop/outbox", tags=["Outbox"])


@router.get("")
def outbox(
    service: ServiceDep,
    *,
    state: str | None = None,
    image: str | None = None,
    before: Annotated[int | None, Query(ge=1, le=MAX_ID)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> dict[str, Any]:
    """How much waits, failed and arrived, and entries, newest first.

    ``before`` is the ``id`` of the last entry of the page before.
    """
    if state is not None and state not in OUTBOX_STATES:
        raise InvalidRequestError(
            f"unknown state {state!r:.80} of the outbox (one of {', '.join(OUTBOX_STATES)})"
        )
    found = service.store.outbox.list(
        states=None if state is None else (state,),
        image_id=None if image is None else service.images.record(image).image_id,
        before=before,
        limit=limit,
    )
    return {
        "summary": service.outbox.summary(),
        "entries": [entry_json(entry) for entry in found],
    }


@router.post("/retry")
def retry(service: ServiceDep, speaker: SpeakerDep, body: RetryBody) -> dict[str, Any]:
    """Try again at once what failed; with ``off``, also what was not to go."""
    actor = speaker.name(body.actor)
    count = service.outbox.retry(body.entries, actor=actor, off_too=body.off)
    return {"retried": count}
