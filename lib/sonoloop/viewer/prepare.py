"""The published viewer made ready to be served: unpacked, slimmed, moved below a path, compressed.

OHIF's build is made for the root of a server. Where it says so is told in few places, which are
rewritten here; each must be found, so that a build of another shape is refused and not served
half-working.
"""

import gzip
import json
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from sonoloop.errors import ViewerError
from sonoloop.viewer.cache import FILES, LICENCE
from sonoloop.viewer.release import Release, refuse_unsupported

MAX_UNPACKED_BYTES: Final = 512 * 2**20  # OHIF 3.13.2 has 204 MB before anything is left out
MAX_MEMBERS: Final = 5000
DIST: Final = "package/dist/"
PACKAGE: Final = "package.json"
KEPT_BESIDE: Final = {"package/LICENSE": LICENCE, "package/package.json": PACKAGE}

LEFT_OUT_FOLDERS: Final = ("ort/", "dicom-microscopy-viewer/", "customizations/")
"""A runtime for networks in the browser, slides of pathology, examples: of no use here."""

LEFT_OUT: Final = frozenset(
    {
        "_headers",
        "_redirects",
        "serve.json",
        "app-config.js",  # the server makes its own
        # Log-in over other hosts, and a worker that loads from them:
        "google.js",
        "silent-refresh.html",
        "oidc-client.min.js",
        "es6-shim.min.js",
        "polyfill.min.js",
        "sw.js",
    }
)

PUBLIC_PATH: Final = '__webpack_require__.p = "/"'
PUBLIC_URL: Final = 'window.PUBLIC_URL="/"'
COMPRESSED: Final = frozenset({".js", ".css", ".html", ".json", ".svg", ".wasm", ".ico"})
SERVICE_WORKER: Final = "init-service-worker.js"


def unpack(archive: Path, folder: Path, release: Release) -> None:
    """Unpack what is served of a verified archive, its licence and its ``package.json``.

    Raises:
        ViewerError: If the archive is none, holds too much, would write outside ``folder``, or
            is not of the release it should be.
    """
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member, name in _wanted(tar):
                member.name = name
                tar.extract(member, folder, filter="data")
    except tarfile.FilterError as error:
        raise ViewerError(f"the archive would write outside its folder - {error}") from error
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ViewerError(f"cannot unpack {archive.name!r} - {error}") from error
    _check_package(folder, release)


def _wanted(tar: tarfile.TarFile) -> Iterator[tuple[tarfile.TarInfo, str]]:
    size = 0
    for count, member in enumerate(tar):
        size += member.size
        if size > MAX_UNPACKED_BYTES or count >= MAX_MEMBERS:
            raise ViewerError(
                f"the archive holds too much - more than {MAX_UNPACKED_BYTES / 2**20:.0f} MB or "
                f"{MAX_MEMBERS} files"
            )
        name = _served_as(member.name)
        if name is None or member.isdir():
            continue
        if not member.isfile():
            raise ViewerError(f"the archive holds a link or device - {member.name!r:.80}")
        yield member, name


def _served_as(name: str) -> str | None:
    """Name in the prepared folder of a member of the archive; None leaves it out."""
    if name in KEPT_BESIDE:
        return KEPT_BESIDE[name]
    if not name.startswith(DIST):
        return None
    inside = name.removeprefix(DIST)
    left_out = inside.startswith(LEFT_OUT_FOLDERS) or inside in LEFT_OUT or inside.endswith(".map")
    return None if left_out else f"{FILES}/{inside}"


def _check_package(folder: Path, release: Release) -> None:
    try:
        package = json.loads((folder / PACKAGE).read_bytes())
        name, version = str(package["name"]), str(package["version"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ViewerError("the archive is no npm package - it has no package.json") from error
    if (name, version) != (release.package, release.version):
        raise ViewerError(
            f"the archive is {name:.40} {version:.20}, not {release.package} {release.version}"
        )
    refuse_unsupported(version)
    if not (folder / LICENCE).is_file():
        raise ViewerError("the archive holds no LICENSE, without which it may not be passed on")


def rebase(folder: Path, base: str) -> None:
    """Make the viewer in ``folder`` look for its files below ``base``, and for nothing else.

    Args:
        folder: Holds ``index.html``.
        base: Path on the server that begins and ends with ``/``.

    Raises:
        ViewerError: If the viewer is not of the shape this knows.
    """
    page = _changed(folder / "index.html", r'(href|src|content)="/(?!/)', rf'\1="{base}')
    if PUBLIC_URL not in page:
        raise ViewerError(f"the viewer has an unknown shape - index.html says no {PUBLIC_URL}")
    (folder / "index.html").write_text(page.replace(PUBLIC_URL, f'window.PUBLIC_URL="{base}"'))
    _rebase_scripts(folder, base)
    for path in folder.glob("*.css"):
        path.write_text(_changed(path, r"""url\((["']?)/(?!/)""", rf"url(\1{base}"))
    path = folder / "manifest.json"
    path.write_text(_changed(path, r'"(src|start_url|scope)":\s*"/', rf'"\1": "{base}'))
    (folder / SERVICE_WORKER).write_text("// This server needs no service worker.\n")


def _changed(path: Path, pattern: str, replacement: str) -> str:
    try:
        return re.sub(pattern, replacement, path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise ViewerError(f"the viewer has an unknown shape - {path.name}: {error}") from error


def _rebase_scripts(folder: Path, base: str) -> None:
    """Webpack's public path; every worker has one of its own."""
    found = set()
    for path in folder.glob("*.js"):
        text = path.read_text(errors="surrogateescape")
        if PUBLIC_PATH in text:
            found.add(path.name.partition(".")[0])
            changed = text.replace(PUBLIC_PATH, f'__webpack_require__.p = "{base}"')
            path.write_text(changed, errors="surrogateescape")
    if "app" not in found:
        raise ViewerError(
            f"the viewer has an unknown shape - its main script says no {PUBLIC_PATH}"
        )


def compress(folder: Path) -> None:
    """Put ``NAME.gz`` beside every file that is worth it, so that no request has to."""
    for path in sorted(folder.rglob("*")):
        if path.suffix not in COMPRESSED or not path.is_file():
            continue
        data = path.read_bytes()
        packed = gzip.compress(data, compresslevel=9, mtime=0)
        if len(packed) < len(data):
            path.with_name(f"{path.name}.gz").write_bytes(packed)
