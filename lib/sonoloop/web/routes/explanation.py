"""``/sonoloop/explanation``: what in an image spoke for a diagnosis."""

from collections.abc import Callable
from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, File, Query, Request, Response, UploadFile

from sonoloop.errors import InvalidRequestError
from sonoloop.imaging.image import UltrasoundImage
from sonoloop.labels import parse_pathology
from sonoloop.service import analysis
from sonoloop.service.analysis import HeatForm
from sonoloop.service.server import Service
from sonoloop.web.parsing import ServiceDep, file_of

router = APIRouter(tags=["Infer"])

PATH = f"/{analysis.EXPLANATION_PATH}"


@router.get(PATH, response_class=Response)
async def explain_known(
    *,
    request: Request,
    service: ServiceDep,
    image: str = "",
    session_id: str = "",
    frame: Annotated[int, Query(ge=0)] = 0,
    pathology: str = "",
    form: HeatForm = "overlay",
) -> Response:
    """Grad-CAM of the classifier on an image of the store, or a frame of a session, as a PNG."""
    if bool(image) == bool(session_id):
        raise InvalidRequestError("which image? give either image or session_id")

    def load() -> UltrasoundImage:
        if session_id:
            return service.analysis.image_of_session(session_id, frame=frame)
        return service.analysis.image_of_store(image)

    return await _explained(request, service, load, pathology, form)


@router.post(PATH, response_class=Response)
async def explain_sent(
    *,
    request: Request,
    service: ServiceDep,
    file: Annotated[UploadFile, File()],
    pathology: str = "",
    form: HeatForm = "overlay",
) -> Response:
    """Grad-CAM of the classifier on an image sent along, as a PNG; nothing of it is kept."""
    sent = file_of(file)
    if sent is None:
        raise InvalidRequestError("which image? the file is empty")
    return await _explained(request, service, lambda: service.analysis.read(*sent), pathology, form)


async def _explained(
    request: Request,
    service: Service,
    load: Callable[[], UltrasoundImage],
    pathology: str,
    form: HeatForm,
) -> Response:
    wanted = parse_pathology(pathology)

    def answer() -> Response:
        image = load()
        explanation = service.inference.explain(image, wanted)
        told = {
            "x-sonoloop-pathology": str(explanation.pathology),
            "x-sonoloop-model": explanation.findings.models["classification"],
        }
        png = analysis.explanation_png(explanation, image, form)
        return Response(png, headers=told, media_type="image/png")

    with service.inference.admitted():
        return await to_thread.run_sync(answer, limiter=request.app.state.infer_limiter)
