"""``/datastore/label``: what readers said, in and out."""

from typing import Annotated, Any

from fastapi import APIRouter, File, Form, Query, Response, UploadFile
from fastapi.responses import JSONResponse

from sonoloop.errors import NotFoundError
from sonoloop.imaging.masks import encode_label_map
from sonoloop.records import Annotation, LabelTag
from sonoloop.service.images import extension_of
from sonoloop.service.label_versions import as_version, is_version, to_comment, version_of
from sonoloop.service.labelling import parse_submission
from sonoloop.service.listing import label_json
from sonoloop.service.server import Service
from sonoloop.store.events import UNKNOWN
from sonoloop.store.ids import validate_tag
from sonoloop.web import replies
from sonoloop.web.bodies import Name
from sonoloop.web.parsing import ServiceDep, SpeakerDep, file_of, json_object

router = APIRouter(prefix="/datastore", tags=["Datastore"])


@router.put("/label")
def save_label(
    *,
    service: ServiceDep,
    speaker: SpeakerDep,
    image: str,
    tag: str = "final",
    params: Annotated[str, Form()] = "{}",
    label: Annotated[UploadFile | None, File()] = None,
) -> dict[str, Any]:
    """Keep a label; what was there before stays in the history."""
    told = speaker.signed(json_object(params, "params"), "reader")
    submission = parse_submission(as_version(told, tag) if is_version(tag) else told)
    annotation = service.save_label(image, _kind(tag or "final"), submission, file=file_of(label))
    return {
        "image": annotation.image_id,
        "label": annotation.image_id,
        "tag": tag if is_version(tag) else annotation.tag,
        "revision": annotation.revision,
        "annotation": annotation.annotation_id,
        "state": annotation.state,
        "pathology": annotation.pathology,
    }


@router.get("/label")
def download_label(
    service: ServiceDep,
    label: str,
    tag: str = "final",
    label_format: Annotated[str, Query(alias="format")] = "nrrd",
) -> Response:
    """The mask of a label on the grid of its image, 1 on lesions."""
    annotation = _standing(service, label, tag)
    record = service.images.record(label)
    extension = extension_of(label_format)
    lesions = service.store.annotations.mask(annotation) > 0
    data = encode_label_map(lesions, extension, record.spacing_mm)
    # Clients take everything after the first dot for the extension.
    stem = f"{record.image_id}_{tag or annotation.tag}".replace(".", "_")
    return replies.file_reply(data, f"{stem}{extension}")


@router.head("/label")
def check_label(service: ServiceDep, image: str, tag: str = "final") -> Response:
    """200 when the image has such a label, else 404."""
    _standing(service, image, tag)
    return Response()


@router.delete("/label")
def withdraw_label(
    *,
    service: ServiceDep,
    speaker: SpeakerDep,
    image: Annotated[str, Query(alias="id")],
    tag: str = "final",
    client_id: Annotated[Name, Query()] = UNKNOWN,
) -> dict[str, Any]:
    """Take a label back: the image counts as unlabelled again, the history keeps it and by whom."""
    record = service.images.record(image)
    actor = speaker.name(client_id)
    one = version_of(service.store, record.image_id, tag).revision if is_version(tag) else None
    service.withdraw(record.image_id, _kind(tag), actor=actor, revision=one)
    return {}


@router.get("/label/info")
def label_info(service: ServiceDep, label: str, tag: str = "final") -> Response:
    """What is known of a label."""
    return JSONResponse(label_json(_standing(service, label, tag)))


@router.put("/label/info")
def update_label_info(
    *,
    service: ServiceDep,
    speaker: SpeakerDep,
    label: str,
    tag: str = "final",
    info: Annotated[str, Form()] = "{}",
) -> dict[str, Any]:
    """Add to what is known of a label; another pathology or BI-RADS is a new revision."""
    service.amend_label(
        label, validate_tag(tag), speaker.signed(json_object(info, "info"), "reader")
    )
    return {}


@router.put("/updatelabelinfo", include_in_schema=False)
def update_label_info_as_reviewer(
    *,
    service: ServiceDep,
    speaker: SpeakerDep,
    label: str,
    tag: str = "final",
    params: Annotated[str, Form()] = "{}",
) -> dict[str, Any]:
    """The same, under the name Slicer's reviewer module knows, for versions too."""
    info = speaker.signed(json_object(params, "params"), "reader")
    one = to_comment(service.store, service.images.record(label).image_id, tag)
    if one is None:
        service.amend_label(label, validate_tag(tag), info)
    else:
        service.store.annotations.update_info(one.image_id, one.tag, info, revision=one.revision)
    return {}


def _kind(tag: str) -> LabelTag:
    """What a label is kept as: versions are what their reader says at last."""
    return "final" if is_version(tag) else validate_tag(tag)


def _standing(service: Service, image: str, tag: str) -> Annotation:
    record = service.images.record(image)
    if is_version(tag):
        return version_of(service.store, record.image_id, tag)
    annotation = service.store.annotations.latest(record.image_id, validate_tag(tag))
    if annotation is None:
        raise NotFoundError(f"image {record.image_id} has no label {tag!r}")
    return annotation
