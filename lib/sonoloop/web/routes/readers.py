"""``/sonoloop/leases``, ``skips`` and ``assignments``: who works on what."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from sonoloop.service.listing import assignment_json, lease_json, skip_json
from sonoloop.store.events import UNKNOWN
from sonoloop.web.bodies import AssignmentBody, LeaseBody, Name, SkipBody
from sonoloop.web.parsing import ServiceDep, SpeakerDep

router = APIRouter(prefix="/sonoloop", tags=["Readers"])

NameQuery = Annotated[Name, Query()]


@router.get("/leases")
def leases(service: ServiceDep, reader: NameQuery | None = None) -> list[dict[str, Any]]:
    """Images in readers' hands, the longest held first; of one reader or of all."""
    return [lease_json(lease) for lease in service.readers.leases(reader)]


@router.post("/leases")
def lend(service: ServiceDep, speaker: SpeakerDep, body: LeaseBody) -> dict[str, Any]:
    """Lend a reader the image he opens; 409 when another one holds it."""
    return lease_json(service.readers.lend(body.image, speaker.name(body.reader)))


@router.delete("/leases")
def give_back(
    service: ServiceDep, speaker: SpeakerDep, image: NameQuery, reader: NameQuery
) -> dict[str, bool]:
    """Give an image back; ``released`` is false when this reader did not hold it."""
    return {"released": service.readers.give_back(image, speaker.name(reader))}


@router.post("/skips")
def skip(service: ServiceDep, speaker: SpeakerDep, body: SkipBody) -> dict[str, Any]:
    """Pass an image over, or say that it cannot be assessed; the reason is kept."""
    reader = speaker.name(body.reader)
    kept = service.readers.skip(body.image, reader, kind=body.kind, reason=body.reason)
    service.info.touch()
    return skip_json(kept)


@router.delete("/skips")
def take_back_skip(
    service: ServiceDep, speaker: SpeakerDep, image: NameQuery, reader: NameQuery
) -> dict[str, bool]:
    """Let the image wait for this reader again."""
    withdrawn = service.readers.take_back_skip(image, speaker.name(reader))
    service.info.touch()
    return {"withdrawn": withdrawn}


@router.post("/assignments")
def assign(service: ServiceDep, speaker: SpeakerDep, body: AssignmentBody) -> list[dict[str, Any]]:
    """Let images wait for so many readers (a number), or for these (names)."""
    progress = service.readers.assign(body.images, body.readers, actor=speaker.name(UNKNOWN))
    service.info.touch()
    return [assignment_json(one) for one in progress]


@router.get("/assignments")
def assignment(service: ServiceDep, image: NameQuery) -> dict[str, Any]:
    """How far an image is: who is to answer, and who has."""
    record = service.images.record(image)
    return assignment_json(service.store.assignments.progress(record.image_id))


@router.get("/assignments/{reader}")
def assigned_to(service: ServiceDep, reader: Name) -> list[str]:
    """Ids of the images that are assigned to a reader by name, oldest first."""
    return service.store.assignments.of(reader)
