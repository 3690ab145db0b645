"""The ASGI application over a service."""

import os
from pathlib import Path
from typing import Any, Final

from anyio import CapacityLimiter
from fastapi import FastAPI, Response
from fastapi.responses import FileResponse
from starlette.staticfiles import StaticFiles

from sonoloop import __version__
from sonoloop.service.server import Service
from sonoloop.viewer.extension import EXTENSION
from sonoloop.web import dicomweb, errors
from sonoloop.web.accounts import AccountsRequired
from sonoloop.web.limits import SameSiteOnly, UploadLimit
from sonoloop.web.routes import (
    activelearning,
    auth,
    board,
    datastore,
    explanation,
    history,
    infer,
    info,
    labels,
    logs,
    models,
    ohif,
    outbox,
    quality,
    readers,
    revisions,
    sessions,
    train,
    versions,
)
from sonoloop.web.streams import Streams
from sonoloop.web.viewer_config import PLUGIN

STATIC: Final = Path(__file__).parent / "static"
CONTENT_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
"""Nothing of the pages comes from, or goes to, anywhere else."""

THREADS_BESIDE_INFERENCE: Final = 1
"""So that one request is read and one answer written while another is computed."""


class _Static(StaticFiles):
    """Files of the pages; browsers ask whether they have changed, for an update changes several."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """One file."""
        response = super().file_response(*args, **kwargs)
        response.headers["cache-control"] = "no-cache"
        return response


class ExtensionFiles(_Static):
    """Scripts of the viewer's extension; what develops them lies in the same folder."""

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        """Where a script lies, or nothing."""
        if not path.endswith(".js") or "node_modules" in Path(path).parts:
            return "", None
        return super().lookup_path(path)


def _page(name: str) -> FileResponse:
    headers = {"content-security-policy": CONTENT_POLICY, "cache-control": "no-cache"}
    return FileResponse(STATIC / name, headers=headers)


def create_app(service: Service, *, behind_proxy: bool = False) -> FastAPI:
    """The application; the service stays its owner's to close.

    Args:
        service: What answers.
        behind_proxy: The operator vouches that only a proxy reaches the port: what it says of
            who asks is believed.
    """
    app = FastAPI(
        title="Sonoloop",
        version=__version__,
        description="Annotation server for breast ultrasound. Research use, not a medical device.",
        docs_url=None,  # the usual pages load scripts from elsewhere
        redoc_url=None,
    )
    app.state.service = service
    app.state.behind_proxy = behind_proxy
    app.state.infer_limiter = CapacityLimiter(service.inference.slots + THREADS_BESIDE_INFERENCE)
    app.state.streams = Streams(lambda: service.is_open)
    errors.install(app)
    for routes in (
        info,
        infer,
        explanation,
        history,
        train,
        activelearning,
        datastore,
        labels,
        readers,
        revisions,
        sessions,
        models,
        outbox,
        quality,
        versions,
        logs,
        board,
        auth,
    ):
        app.include_router(routes.router)
    dicomweb.install(app, service.source)

    @app.get("/", include_in_schema=False)
    def dashboard() -> FileResponse:
        """The page that says how the work goes."""
        return _page("index.html")

    @app.get("/login", include_in_schema=False)
    def login() -> FileResponse:
        """The page that asks who is there."""
        return _page("login.html")

    @app.get("/look", include_in_schema=False)
    def look() -> FileResponse:
        """The page that shows what the models say of one image."""
        return _page("look.html")

    @app.get("/try", include_in_schema=False)
    def try_own() -> FileResponse:
        """The page that analyses an image of the visitor's own."""
        return _page("try.html")

    app.mount("/static", _Static(directory=STATIC), name="static")
    app.mount(PLUGIN, ExtensionFiles(directory=EXTENSION, check_dir=False), name="extension")
    ohif.install(app, missing=STATIC / "no-viewer.html", policy=CONTENT_POLICY)
    app.add_middleware(UploadLimit, max_bytes=service.settings.max_upload_mb * 2**20)
    app.add_middleware(AccountsRequired, accounts=service.accounts, behind_proxy=behind_proxy)
    app.add_middleware(SameSiteOnly)
    return app
