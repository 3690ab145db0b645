"""``/ohif/``: the OHIF viewer, its configuration, and our extension of it."""

from pathlib import Path
from typing import Final

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException

from sonoloop.errors import ViewerError
from sonoloop.viewer.extension import extension_is_there
from sonoloop.viewer.release import BASE
from sonoloop.web.viewer_config import app_config
from sonoloop.web.viewer_files import MEDIA_TYPES, PAGE, ViewerFiles, missing_page

router = APIRouter(include_in_schema=False)

CONFIG: Final = "app-config.js"


def install(app: FastAPI, *, missing: Path, policy: str) -> None:
    """Give an application its viewer.

    Args:
        app: The application.
        missing: Page that is shown while no viewer is installed.
        policy: Content security policy of that page.
    """
    app.state.viewer = ViewerFiles()
    app.state.viewer_missing = (missing, policy)
    app.include_router(router)


@router.get(BASE.rstrip("/"))
def without_slash() -> Response:
    """The viewer's own addresses are relative to its folder."""
    return RedirectResponse(BASE, 308)


@router.api_route(BASE + "{path:path}", methods=["GET", "HEAD"])
def viewer_file(path: str, request: Request) -> Response:
    """A file of the viewer, or its page at any of the viewer's own addresses."""
    files: ViewerFiles = request.app.state.viewer
    if path == CONFIG:
        text = app_config(with_extension=extension_is_there())
        return Response(text, 200, {"cache-control": "no-store"}, MEDIA_TYPES[".js"])
    is_page = path == PAGE or "." not in path.rpartition("/")[2]
    try:
        answer = files.answer(PAGE if is_page else path, request)
    except ViewerError as error:
        if not is_page:
            raise
        page, policy = request.app.state.viewer_missing
        return missing_page(page, str(error), policy)
    if answer is None:
        raise HTTPException(404)
    return answer
