"""``/sonoloop/board``: what the dashboard shows, at once and as it changes."""

import secrets
from typing import Any

from anyio import to_thread
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from sonoloop.service.server import Service
from sonoloop.web.parsing import ServiceDep
from sonoloop.web.streams import Event, Streams

router = APIRouter(prefix="/sonoloop", tags=["Dashboard"])


@router.get("/board")
def board(service: ServiceDep) -> Response:
    """Progress, readers, versions, queue, leases, doubtful labels: a snapshot."""
    return Response(service.dashboard.board.get().text, media_type="application/json")


@router.get("/board/image")
def any_image(service: ServiceDep) -> dict[str, Any]:
    """An image without a label, drawn at random; unlike a next sample it is lent to nobody."""
    record = service.store.images.next_unlabelled(seed=secrets.randbits(31))
    return {"id": record and record.image_id}


@router.get("/board/stream")
async def board_stream(request: Request, service: ServiceDep) -> StreamingResponse:
    """The snapshot and the trainings, each as an event whenever it changes.

    Events are ``board``, ``trainings``, ``agreement`` and, while nothing changes, ``beat``.
    """
    streams: Streams = request.app.state.streams

    async def look() -> list[Event]:
        # Threads of its own: those who look on may not keep those who work waiting.
        return await to_thread.run_sync(_present, service, limiter=streams.limiter)

    return streams.open(look)


def _present(service: Service) -> list[Event]:
    shown = service.dashboard.events()
    return [(name, snapshot.version, snapshot.text) for name, snapshot in shown.items()]
