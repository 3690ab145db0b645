"""``/logs``: what the server and the graphics card say of themselves."""

import html as markup

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, PlainTextResponse, Response

from sonoloop.web.parsing import ServiceDep

router = APIRouter(prefix="/logs", tags=["Others"])

_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Server log</title>
{refresh}</head><body><pre>{text}</pre></body></html>
"""


@router.get("/")
def server_log(
    service: ServiceDep, lines: int = 300, html: bool = True, text: bool = False, refresh: int = 0
) -> Response:
    """The last lines of the server's log, as a page or as text."""
    log = service.logs.last(lines)
    if text or not html:
        return PlainTextResponse(log)
    again = f'<meta http-equiv="refresh" content="{max(3, refresh)}">' if refresh > 0 else ""
    return HTMLResponse(_PAGE.format(refresh=again, text=markup.escape(log)))


@router.get("/gpu")
def gpu(service: ServiceDep) -> PlainTextResponse:
    """What ``nvidia-smi`` says; one line where there is no GPU."""
    return PlainTextResponse(service.logs.gpu())
