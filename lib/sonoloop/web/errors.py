"""Errors as answers: bad input is a 4xx with a sentence, never a 500.

Every answer that is no success is ``{"detail": sentence, "code": word}``.
"""

import logging
import math
import re
import uuid
from collections.abc import Mapping
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from sonoloop import errors
from sonoloop.service.listing import revision_json

logger = logging.getLogger(__name__)

STATUS: Final[dict[type[errors.SonoloopError], int]] = {
    errors.ConfigError: 400,
    errors.AuthenticationError: 401,
    errors.ForbiddenError: 403,
    errors.InvalidIdError: 400,
    errors.InvalidRequestError: 400,
    errors.NotAcceptableError: 406,
    errors.UploadTooLargeError: 413,
    errors.NotFoundError: 404,
    errors.AmbiguousImageError: 409,
    errors.ConflictError: 409,
    errors.InstanceRefusedError: 409,
    errors.TrainingError: 409,
    errors.JobConflictError: 429,  # as MONAI Label answers a second training
    errors.BusyError: 429,
    errors.ImageReadError: 422,
    errors.LabelReadError: 422,
    errors.GeometryError: 422,
    errors.DatasetError: 422,
    errors.DocumentError: 422,
    errors.ScoreError: 422,
    errors.PacsError: 503,  # not the client's doing, and worth another try
    errors.ViewerError: 503,
    errors.ModelError: 503,
    errors.StoreError: 503,
}
"""Status of each kind of error; a kind that is not here has that of its parent."""

RETRY_AFTER: Final = {"retry-after": "2"}
HEADERS: Final = {
    401: {"www-authenticate": "Bearer"},
    429: RETRY_AFTER,
    503: RETRY_AFTER,
}
"""What goes with each status."""

SECRETIVE: Final = "/auth/"
"""Begins the paths of requests of which nothing is quoted."""

_SENTENCES: Final = {
    404: "there is nothing at {method} {path} (see /openapi.json for what there is)",
    405: "{path} does not answer {method} (see /openapi.json for what there is)",
}
_CODES: Final = {400: "bad_request", 404: "not_found", 405: "method_not_allowed", 413: "upload"}


def status_of(error: errors.SonoloopError) -> int:
    """HTTP status of an error."""
    return next(
        STATUS[kind] for kind in (*type(error).__mro__, errors.StoreError) if kind in STATUS
    )


def code_of(error: errors.SonoloopError) -> str:
    """Machine-readable word of an error, such as ``job_conflict``; of an unreadable image, why."""
    if isinstance(error, errors.ImageReadError):
        return error.code
    name = type(error).__name__.removesuffix("Error")
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def sentence_of(error: errors.SonoloopError) -> str:
    """The error in one line."""
    if isinstance(error, errors.ConfigError):
        return "; ".join(error.problems)
    return str(error)


def problem(
    status: int, sentence: str, code: str, more: Mapping[str, Any] | None = None
) -> JSONResponse:
    """An answer that is no success, with ``more`` beside the sentence."""
    headers = HEADERS.get(status)
    # What is quoted from a request may hold halves of characters, which no answer can carry.
    detail = sentence.encode("utf-8", errors="replace").decode("utf-8")
    return JSONResponse({"detail": detail, "code": code} | dict(more or {}), status, headers)


async def _on_known(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, errors.SonoloopError):
        raise error
    return answer_to(error, request.method, request.url.path)


def answer_to(error: errors.SonoloopError, method: str, path: str) -> JSONResponse:
    """The answer to a request that ended in an error raised on purpose."""
    status = status_of(error)
    if status >= 500:
        logger.error("%s %s: %s", method, path, error)
    answer = problem(status, sentence_of(error), code_of(error), _more(error))
    if isinstance(error, errors.TooManyAttemptsError):
        answer.headers["retry-after"] = str(math.ceil(error.seconds))
    return answer


def _more(error: errors.SonoloopError) -> dict[str, Any]:
    """Both versions of a label that was saved from a stale one: the client shows them."""
    if not isinstance(error, errors.StaleRevisionError):
        return {}
    current = error.current and revision_json(error.current)
    return {"kept": revision_json(error.kept), "current": current}


async def _on_malformed(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    # What is entered to log in may be a password, in whatever field it was put.
    quoting = not request.scope["route"].path.startswith(SECRETIVE)
    told = "; ".join(_complaint(entry, quoting=quoting) for entry in error.errors())
    return problem(422, told, "invalid_request")


def _complaint(entry: dict[str, Any], *, quoting: bool) -> str:
    where = [str(part) for part in entry["loc"][1:]] or [str(entry["loc"][0])]
    shown = repr(entry.get("input"))
    got = f", got {shown:.80}" if quoting and entry["type"] != "missing" else ""
    return f"{'.'.join(where)}: {entry['msg'].lower()}{got}"


async def _on_http(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    template = _SENTENCES.get(error.status_code, "{detail}")
    sentence = template.format(
        method=request.method, path=request.url.path, detail=str(error.detail)
    )
    return problem(error.status_code, sentence, _CODES.get(error.status_code, "http"))


async def _on_unknown(request: Request, _error: Exception) -> JSONResponse:
    # The traceback is logged by the server itself, which sees the error after this answer.
    ticket = uuid.uuid4().hex[:12]
    logger.error("%s %s failed unexpectedly, ticket %s", request.method, request.url.path, ticket)
    return problem(
        500, f"the server failed unexpectedly (its log tells why at ticket {ticket})", "internal"
    )


def install(app: FastAPI) -> None:
    """Have ``app`` answer every error this way."""
    app.add_exception_handler(errors.SonoloopError, _on_known)
    app.add_exception_handler(RequestValidationError, _on_malformed)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, _on_unknown)
