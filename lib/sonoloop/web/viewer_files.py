"""The installed viewer's files as answers: compressed, cached by browsers, shut in by a policy."""

import base64
import hashlib
import html
import logging
import re
import threading
from pathlib import Path
from typing import Final

from fastapi import Request, Response
from fastapi.responses import FileResponse, HTMLResponse

from sonoloop.errors import ViewerError
from sonoloop.viewer.cache import FILES, MANIFEST, InstalledViewer, cache_folder, find_viewer
from sonoloop.viewer.cache import folder_of as folder_in_cache
from sonoloop.viewer.release import OHIF

logger = logging.getLogger(__name__)

PAGE: Final = "index.html"
MEDIA_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
    ".woff2": "font/woff2",
}
HASHED: Final = re.compile(r"(^|\.)[0-9a-f]{16}\.")
FOREVER: Final = "public, max-age=31536000, immutable"
ASK_AGAIN: Final = "no-cache"
NOT_INSTALLED: Final = (
    f"OHIF {OHIF.version} is not installed on this server (sonoloop viewer install)"
)

WORKER_POLICY: Final = (
    "default-src 'none'; script-src 'self' 'unsafe-eval' 'wasm-unsafe-eval'; "
    "connect-src 'self' data: blob:; worker-src 'self' blob:"
)
"""Of scripts, which heed it when they run as workers: those that decode JPEG make functions of
strings (Emscripten's embind), which the page itself may not."""

_INLINE_SCRIPT: Final = re.compile(rb"<script>(.*?)</script>", re.DOTALL)


class ViewerFiles:
    """The viewer of this server's cache; one that is installed later is found without a restart."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: InstalledViewer | None = None
        self._seen: tuple[Path, int] | None = None
        self._problem = NOT_INSTALLED
        self._policy = ""

    def viewer(self) -> InstalledViewer:
        """The viewer; all its files are checked once, and again when it is installed anew.

        Raises:
            ViewerError: If none is installed, or it is damaged or not supported.
        """
        with self._lock:
            seen = _stamp()
            if seen != self._seen:
                self._look()
                self._seen = seen
            if self._known is None:
                raise ViewerError(self._problem)
            return self._known

    def _look(self) -> None:
        self._known, self._problem = None, NOT_INSTALLED
        try:
            self._known = find_viewer()
        except ViewerError as error:
            self._problem = str(error)
            logger.warning("%s", error)
        if self._known is not None:
            self._policy = content_policy((self._known.files / PAGE).read_bytes())

    def answer(self, name: str, request: Request) -> Response | None:
        """One file of the viewer, or None when it has no such file.

        Names are looked up in the manifest, so that nothing else of the machine can be named.

        Raises:
            ViewerError: As :meth:`viewer`.
        """
        viewer = self.viewer()
        digest = viewer.digests.get(f"{FILES}/{name}")
        if digest is None or name.endswith(".gz"):
            return None
        headers = {
            "cache-control": FOREVER if HASHED.search(name.rpartition("/")[2]) else ASK_AGAIN,
            "content-security-policy": self._policy if name == PAGE else WORKER_POLICY,
            "etag": f'"{digest[:32]}"',
            "vary": "accept-encoding",
        }
        if headers["etag"] in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        path = viewer.files / name
        if f"{FILES}/{name}.gz" in viewer.digests and _takes_gzip(request):
            headers["content-encoding"] = "gzip"
            path = path.with_name(f"{path.name}.gz")
        kind = MEDIA_TYPES.get(Path(name).suffix, "application/octet-stream")
        return FileResponse(path, headers=headers, media_type=kind)


def _stamp() -> tuple[Path, int] | None:
    """Changes whenever a viewer is installed, and when another cache is named."""
    manifest = folder_in_cache(OHIF, cache_folder()) / MANIFEST
    try:
        return manifest, manifest.stat().st_mtime_ns
    except OSError:
        return manifest, 0


def _takes_gzip(request: Request) -> bool:
    accepted = request.headers.get("accept-encoding", "")
    return any(
        re.fullmatch(r"gzip(\s*;\s*q=(1(\.0*)?|0?\.\d*[1-9]\d*))?", part.strip())
        for part in accepted.lower().split(",")
    )


def content_policy(page: bytes) -> str:
    """What the viewer may load: this server's files, its own workers, and nothing else.

    Its decoders are WebAssembly, its images and workers partly blobs, its styles partly inline.

    Args:
        page: ``index.html``, whose inline scripts are allowed one by one.
    """
    digests = [hashlib.sha256(script).digest() for script in _INLINE_SCRIPT.findall(page)]
    inline = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' 'wasm-unsafe-eval' {inline}".rstrip(),
            "worker-src 'self' blob:",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "media-src 'self' blob:",
            "connect-src 'self' data: blob:",
            "manifest-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'self'",
        )
    )


def missing_page(template: Path, problem: str, policy: str) -> Response:
    """The page that tells why there is no viewer, and what to do."""
    text = template.read_text().replace("<!-- problem -->", html.escape(problem))
    headers = {"content-security-policy": policy, "cache-control": "no-store"}
    return HTMLResponse(text, 503, headers)
