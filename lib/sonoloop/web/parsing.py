"""What requests carry, parsed at the edge: JSON that can be kept, files, names of downloads."""

import json
from typing import Annotated, Any, Final

from fastapi import Depends, Request, UploadFile

from sonoloop.errors import InvalidRequestError
from sonoloop.service.server import Service

MAX_JSON_BYTES: Final = 2**20


async def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


ServiceDep = Annotated[Service, Depends(_service)]


def json_object(text: str | bytes, name: str) -> dict[str, Any]:
    """The JSON object in ``text``; nothing at all is an empty one.

    Raises:
        InvalidRequestError: If it is too long, no JSON, no object, or holds what JSON does not
            know (NaN, halves of characters) and could not be given back.
    """
    if len(text) > MAX_JSON_BYTES:
        raise InvalidRequestError(f"{name} exceeds {MAX_JSON_BYTES} bytes")
    if not text.strip():
        return {}
    try:
        value = json.loads(text)
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        reason = str(error).partition("\n")[0]
        raise InvalidRequestError(f"{name} is not valid JSON: {reason:.120}") from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidRequestError(f"{name} must be a JSON object, got {value!r:.80}")
    return value


async def _json_body(request: Request) -> dict[str, Any]:
    return json_object(await request.body(), "the request body")


JsonBody = Annotated[dict[str, Any], Depends(_json_body)]
"""The request's JSON object, whatever content type it claims: clients are careless there."""


def file_of(upload: UploadFile | None) -> tuple[bytes, str] | None:
    """Bytes and name of an uploaded file; None where there is none or an empty, nameless part."""
    if upload is None:
        return None
    data = upload.file.read()
    if not data and not upload.filename:
        return None
    return data, upload.filename or ""
