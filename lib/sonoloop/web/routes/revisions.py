"""``/sonoloop/revisions``, ``reviews``, ``adjudication``, ``agreement``: what readers said."""

from typing import Annotated, Any

from fastapi import APIRouter, File, Form, Path, Query, Response, UploadFile

from sonoloop.errors import InvalidRequestError
from sonoloop.imaging.masks import encode_label_map
from sonoloop.service.images import extension_of
from sonoloop.service.labelling import parse_submission, revision_of
from sonoloop.service.listing import review_json, revision_json
from sonoloop.store.ids import MAX_ID
from sonoloop.web import replies
from sonoloop.web.bodies import Name, ReviewBody, Tag
from sonoloop.web.parsing import ServiceDep, SpeakerDep, file_of, json_object

router = APIRouter(prefix="/sonoloop", tags=["Readers"])

NameQuery = Annotated[Name, Query()]


@router.get("/revisions")
def revisions(service: ServiceDep, image: NameQuery) -> dict[str, Any]:
    """Everything that was said of an image: revisions, reviews, skips, and how far it is."""
    return service.readers.past(image)


@router.get("/revisions/mask")
def revision_mask(
    service: ServiceDep,
    image: NameQuery,
    revision: Annotated[int, Query(ge=1, le=MAX_ID)],
    tag: Tag = "final",
    mask_format: Annotated[str, Query(alias="format")] = "png",
) -> Response:
    """The mask of one revision on the grid of its image, lesion by lesion."""
    record, extension = service.images.record(image), extension_of(mask_format)
    annotation = revision_of(service.store, record.image_id, tag, revision)
    mask = service.store.annotations.mask(annotation)
    data = encode_label_map(mask, extension, record.spacing_mm)
    stem = f"{record.image_id}_{tag}_{revision}".replace(".", "_")
    return replies.file_reply(data, f"{stem}{extension}")


@router.get("/reviews")
def waiting(
    service: ServiceDep, limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> list[dict[str, Any]]:
    """Revisions nobody has decided on, oldest first."""
    return [revision_json(annotation) for annotation in service.readers.waiting(limit)]


@router.post("/reviews/{annotation}")
def review(
    service: ServiceDep,
    speaker: SpeakerDep,
    annotation: Annotated[int, Path(ge=1, le=MAX_ID)],
    body: ReviewBody,
) -> dict[str, Any]:
    """Accept or reject a reader's newest revision, or reopen one that was."""
    decided = service.review(annotation, speaker.name(body.reviewer), body.verdict, body.note)
    return review_json(decided)


@router.put("/adjudication")
def adjudicate(
    *,
    service: ServiceDep,
    speaker: SpeakerDep,
    image: NameQuery,
    adopt: Annotated[int | None, Query(ge=1, le=MAX_ID)] = None,
    params: Annotated[str, Form()] = "{}",
    label: Annotated[UploadFile | None, File()] = None,
) -> dict[str, Any]:
    """Settle what readers disagree on, with an outline of one's own or one of theirs.

    ``params`` and ``label`` are those of ``PUT /datastore/label``; ``adopt`` is the number of the
    final revision whose outline is taken over.
    """
    told = speaker.signed(json_object(params, "params"), "reader")
    submission, file = parse_submission(told), file_of(label)
    if adopt is not None and file is not None:
        raise InvalidRequestError("a label file and adopt exclude one another (send one of them)")
    return revision_json(service.adjudicate(image, submission, file=file, adopt=adopt))


@router.get("/agreement")
def agreement(service: ServiceDep, image: NameQuery | None = None) -> dict[str, Any]:
    """How far readers agree: on one image, or every two of them on all they share."""
    if image is not None:
        return service.agreement.of_image(service.images.record(image))
    return service.agreement.overall()
