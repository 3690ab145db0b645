"""``/session``: images that clients send without adding them to the store."""

from typing import Annotated, Any

from fastapi import APIRouter, File, Query, Response, UploadFile
from fastapi.responses import FileResponse

from sonoloop.errors import InvalidRequestError
from sonoloop.imaging.masks import encode_image
from sonoloop.service.images import extension_of
from sonoloop.web import replies
from sonoloop.web.parsing import ServiceDep, file_of

router = APIRouter(prefix="/session", tags=["Session"])


@router.put("/")
def create_session(
    service: ServiceDep,
    files: Annotated[list[UploadFile], File()],
    uncompress: bool = False,
    expiry: int = 0,
) -> dict[str, Any]:
    """A session holding one image."""
    if uncompress:
        raise InvalidRequestError("archives are not taken (send the image itself)")
    sent = [found for file in files if (found := file_of(file))]
    if len(sent) != 1:
        raise InvalidRequestError(f"a session holds exactly one image, got {len(sent)} files")
    session = service.sessions.create(*sent[0], expiry_s=expiry)
    return {"session_id": session.session_id, "session_info": session.as_json()}


@router.get("/{session_id}", response_model=None)
def get_session(
    *,
    service: ServiceDep,
    session_id: str,
    update_ts: bool = False,
    image: bool = False,
    image_format: Annotated[str, Query(alias="format")] = "original",
    frame: Annotated[int, Query(ge=0)] = 0,
) -> Response | dict[str, Any]:
    """What is known of a session, or (``image=true``) its image."""
    session = service.sessions.get(session_id, touch=update_ts)
    if not image:
        return session.as_json()
    if image_format == "original":
        return FileResponse(service.sessions.path(session), filename=session.image)
    extension = extension_of(image_format)
    picture = encode_image(service.sessions.load(session, frame=frame), extension)
    return replies.file_reply(picture, f"image{extension}")


@router.delete("/{session_id}")
def remove_session(service: ServiceDep, session_id: str) -> dict[str, Any]:
    """Forget a session."""
    return service.sessions.remove(session_id).as_json()
