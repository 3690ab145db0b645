"""``/infer`` and ``/batch/infer``."""

import uuid
from enum import StrEnum
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, File, Form, Query, Request, Response, UploadFile
from fastapi.responses import JSONResponse

from sonoloop.errors import InvalidRequestError, NotFoundError
from sonoloop.records import Findings
from sonoloop.service import analysis
from sonoloop.service.analysis import AnswerForm
from sonoloop.service.info import CLASSIFICATION_MODEL
from sonoloop.service.listing import job_json
from sonoloop.service.server import Service
from sonoloop.web import replies
from sonoloop.web.parsing import JsonBody, ServiceDep, file_of, json_object

router = APIRouter(tags=["Infer"])


class Output(StrEnum):
    """What an answer holds; nothing said means ``all``."""

    IMAGE = "image"
    JSON = "json"
    ALL = "all"
    DICOM_SEG = "dicom_seg"


@router.post("/infer/{model}")
async def infer(  # noqa: PLR0913 - the wire contract has so many
    *,
    request: Request,
    service: ServiceDep,
    model: str,
    image: str = "",
    session_id: str = "",
    frame: Annotated[int, Query(ge=0)] = 0,
    output: Output | None = None,
    params: Annotated[str, Form()] = "{}",
    file: Annotated[UploadFile | None, File()] = None,
    label: Annotated[UploadFile | None, File()] = None,
) -> Response:
    """Outline and assess the lesions of an image of the store, of a session, or sent along."""
    analysis.check_model(model)
    _check_output(model, output)
    if label is not None and label.filename:
        raise InvalidRequestError(f"model {model} takes no label (it is not interactive)")
    form = analysis.parse_form(json_object(params, "params"))

    def answer() -> Response:
        findings = _findings(service, image, (session_id, frame), file_of(file))
        named = (
            {"session_id": session_id, "frame": str(frame or "")}
            if session_id
            else {"image": "" if file else image}
        )
        link = analysis.explanation_link(service.inference.unexplained, **named)
        return _reply(model, findings, form, output, link)

    with service.inference.admitted():
        return await to_thread.run_sync(answer, limiter=request.app.state.infer_limiter)


def _check_output(model: str, output: Output | None) -> None:
    if output is Output.DICOM_SEG:
        raise InvalidRequestError("output dicom_seg is not supported (ask for image)")
    if output is Output.IMAGE and model == CLASSIFICATION_MODEL:
        raise InvalidRequestError(f"model {model} makes no image (ask for json)")


def _findings(
    service: Service, image: str, session: tuple[str, int], file: tuple[bytes, str] | None
) -> Findings:
    session_id, frame = session
    if session_id:
        return service.analysis.of_session(session_id, frame=frame)
    if file is not None:
        return service.analysis.of_file(*file)
    if not image:
        raise InvalidRequestError("which image? give image, session_id or a file")
    return service.analysis.of_image(image)


def _reply(
    model: str,
    findings: Findings,
    form: AnswerForm,
    output: Output | None,
    link: dict[str, Any],
) -> Response:
    params = analysis.answer_params(model, findings, form) | {"explanation": link}
    if output is Output.JSON or model == CLASSIFICATION_MODEL:
        return JSONResponse(params)
    mask = analysis.answer_mask(findings, form)
    # Clients save the answer under this name in a folder they share: it must not be met twice.
    filename = f"{model}-{uuid.uuid4().hex[:12]}{form.extension}"
    if output is Output.IMAGE:
        return replies.file_reply(mask, filename)
    return replies.file_and_params(mask, filename, params)


@router.post("/infer/wsi/{model}", include_in_schema=False)
@router.post("/infer/wsi_v2/{model}", include_in_schema=False)
def infer_whole_slide(model: str) -> Response:
    """Say that there is no whole-slide imaging here."""
    raise NotFoundError(f"no whole-slide inference with {model!r:.80} (this is ultrasound)")


@router.post("/batch/infer/{model}")
def start_batch(
    service: ServiceDep,
    model: str,
    params: JsonBody,
    images: str = "all",
    run_sync: bool = False,
) -> dict[str, Any]:
    """Outline many images in the background and keep the results as drafts."""
    return job_json(service.batch.start(model, images, params, wait=run_sync))


@router.get("/batch/infer", response_model=None)
def batch_status(
    service: ServiceDep,
    every: Annotated[bool, Query(alias="all")] = False,
    check_if_running: bool = False,
) -> Any:
    """How far the latest batch is."""
    return service.job_board.status("batch_infer", every=every, only_running=check_if_running)


@router.delete("/batch/infer", response_model=None)
def stop_batch(service: ServiceDep) -> Any:
    """End the running batch; null when none runs."""
    stopped = service.jobs.stop("batch_infer")
    return job_json(stopped[0]) if stopped else None
