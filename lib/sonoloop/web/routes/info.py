"""``/info`` and what the landing page asks beside."""

from typing import Any

from anyio import to_thread
from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from sonoloop.web.parsing import ServiceDep

router = APIRouter(tags=["App"])


@router.get("/info/")
async def info(service: ServiceDep) -> Response:
    """Models, trainers, strategies, counts; kept ready, so that inference cannot delay it."""
    if service.info.is_current:
        return JSONResponse(service.info.get())
    return JSONResponse(await to_thread.run_sync(service.info.get))


@router.get("/sonoloop/refusals")
def refusals(service: ServiceDep) -> list[dict[str, Any]]:
    """Files of the studies that could not be registered, and why."""
    return [
        {"file": refusal.locator, "code": refusal.code, "reason": refusal.message}
        for refusal in service.store.images.refusals()
    ]
