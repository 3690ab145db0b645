"""``/sonoloop/quality``: labels that are doubtful."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from sonoloop.service.quality import dismissal, flag_json, flag_kind, flag_state
from sonoloop.web.parsing import JsonBody, ServiceDep, SpeakerDep

router = APIRouter(prefix="/sonoloop/quality", tags=["Quality"])

ANY = "any"


@router.get("/")
def flags(
    service: ServiceDep,
    *,
    state: str = "open",
    kind: str | None = None,
    image: str | None = None,
    before: int | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> dict[str, Any]:
    """Flags, newest first, and how many of each kind are open.

    ``state`` is ``open``, ``dismissed``, ``fixed`` or ``any``; ``before`` is the ``id`` of the
    last flag of the page before.
    """
    found = service.store.quality.list(
        state=None if state == ANY else flag_state(state),
        kind=None if kind is None else flag_kind(kind),
        image_id=None if image is None else service.images.record(image).image_id,
        before=before,
        limit=limit,
    )
    counts = service.store.quality.counts()
    return {"open": counts, "flags": [flag_json(flag) for flag in found]}


@router.post("/check")
def check_all(service: ServiceDep) -> dict[str, Any]:
    """Begin to check every labelled image; ``GET /scoring/`` tells how far it is."""
    return service.job_board.json(service.quality.check_all())


@router.post("/{flag_id}/dismiss")
def dismiss(
    service: ServiceDep, speaker: SpeakerDep, flag_id: int, params: JsonBody
) -> dict[str, Any]:
    """Say that a label is right as it is: ``{"reviewer": name, "reason": why}``."""
    reviewer, reason = dismissal(speaker.signed(params, "reviewer"))
    return flag_json(service.store.quality.dismiss(flag_id, by=reviewer, reason=reason))


@router.post("/dismiss")
def dismiss_kind(
    service: ServiceDep, speaker: SpeakerDep, kind: str, params: JsonBody
) -> dict[str, Any]:
    """Dismiss every open flag of a kind, for instance when a project needs no classes."""
    reviewer, reason = dismissal(speaker.signed(params, "reviewer"))
    count = service.store.quality.dismiss_kind(flag_kind(kind), by=reviewer, reason=reason)
    return {"dismissed": count}
