"""A viewer of a few lines, in the shape of OHIF's published archive."""

import base64
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

from sonoloop.viewer.release import Release

SCRIPT = "app.bundle.0123456789abcdef.js"
WORKER = "decode.bundle.fedcba9876543210.js"

MEMBERS: Mapping[str, bytes] = {
    "package/package.json": json.dumps({"name": "@ohif/app", "version": "3.13.2"}).encode(),
    "package/LICENSE": b"MIT License\n",
    "package/README.md": b"# not served",
    "package/dist/index.html": (
        b'<!doctype html><head><script>console.time("x"),window.PUBLIC_URL="/"</script>'
        b'<link rel="manifest" href="/manifest.json">'
        b'<meta name="msapplication-TileImage" content="/assets/tile.png">'
        b'<script src="/app-config.js"></script>'
        b'<script>function browserImportFunction(n){return import(n)}window.PUBLIC_URL="/"</script>'
        b'<script defer src="/app.bundle.0123456789abcdef.js"></script></head>'
    ),
    f"package/dist/{SCRIPT}": b'__webpack_require__.p = "/";\n' + b"// padding\n" * 50,
    f"package/dist/{SCRIPT}.map": b"{}",
    f"package/dist/{WORKER}": b'__webpack_require__.p = "/";',
    "package/dist/app.bundle.css": b'a{src:url(/a.woff2)}b{src:url("/b.woff2")}',
    "package/dist/manifest.json": b'{"icons":[{"src":"/assets/tile.png"}],"start_url":"/"}',
    "package/dist/init-service-worker.js": b"importScripts('https://elsewhere.example/');",
    "package/dist/assets/tile.png": b"\x89PNG",
    "package/dist/app-config.js": b"window.config = {};",
    "package/dist/sw.js": b"importScripts('https://elsewhere.example/');",
    "package/dist/ort/runtime.wasm": b"large",
    "package/dist/dicom-microscopy-viewer/slides.js": b"large",
}


def write_archive(path: Path, members: Mapping[str, bytes] = MEMBERS) -> Path:
    """A ``.tgz`` of files."""
    with tarfile.open(path, "w:gz") as tar:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return path


def release_of(archive: Path, version: str = "3.13.2") -> Release:
    """The release that consists of exactly this archive."""
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    return Release(version=version, integrity=f"sha512-{digest}")
