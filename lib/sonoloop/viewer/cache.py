"""The folder that prepared viewers are kept in, and whether one there is whole."""

import hashlib
import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from sonoloop.errors import ViewerError
from sonoloop.viewer.release import BASE, OHIF, Release, refuse_unsupported

logger = logging.getLogger(__name__)

CACHE_VARIABLE: Final = "SONOLOOP_VIEWER_CACHE"
MANIFEST: Final = "manifest.json"
FILES: Final = "files"
LICENCE: Final = "files/LICENSE.txt"  # served too, as its terms ask
RECIPE: Final = 1
"""Number of the way viewers are prepared; one that was prepared another way is prepared anew."""

CURE: Final = "sonoloop viewer install prepares it anew"


def cache_folder() -> Path:
    """Where viewers are kept: ``SONOLOOP_VIEWER_CACHE``, else the user's cache folder.

    The latter as the XDG base directory specification has it: ``$XDG_CACHE_HOME`` when that is an
    absolute path, else ``~/.cache``.
    """
    if named := os.environ.get(CACHE_VARIABLE):
        return Path(named)
    user = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (user if user.is_absolute() else Path.home() / ".cache") / "sonoloop" / "viewer"


@dataclass(frozen=True, slots=True)
class InstalledViewer:
    """A prepared viewer that is whole.

    Attributes:
        folder: Its folder in the cache.
        version: Version of OHIF.
        integrity: Checksum of the archive it was made from.
        digests: Lower-case hexadecimal SHA-256 of every file, by path below ``folder``.
        size_bytes: Of all files together.
    """

    folder: Path
    version: str
    integrity: str
    digests: Mapping[str, str]
    size_bytes: int

    @property
    def files(self) -> Path:
        """What is served."""
        return self.folder / FILES

    @property
    def licence(self) -> Path:
        """The terms OHIF is passed on under."""
        return self.folder / LICENCE

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The viewer in ``folder``, every file of it checked.

        Raises:
            ViewerError: If it is damaged, of an unsupported version, or was prepared for another
                path or by another version of this program.
        """
        manifest = _manifest(folder / MANIFEST)
        refuse_unsupported(manifest["version"])
        if (manifest["recipe"], manifest["base"]) != (RECIPE, BASE):
            raise ViewerError(f"the viewer was prepared by another version of Sonoloop - {CURE}")
        found = digests_of(folder)
        if found != manifest["files"] or LICENCE not in found:
            changed = sorted(set(found.items()) ^ set(manifest["files"].items()))
            name = changed[0][0] if changed else LICENCE
            raise ViewerError(f"the viewer is damaged - {name!r:.80} is not as it was made; {CURE}")
        size = sum((folder / name).stat().st_size for name in found)
        return cls(folder, manifest["version"], manifest["integrity"], found, size)


def digests_of(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below ``folder`` but the manifest, by path, sorted."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path != folder / MANIFEST:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            found[path.relative_to(folder).as_posix()] = digest
    return found


def write_manifest(folder: Path, release: Release) -> None:
    """Write down what a prepared viewer consists of."""
    manifest = {
        "package": release.package,
        "version": release.version,
        "integrity": release.integrity,
        "recipe": RECIPE,
        "base": BASE,
        "files": digests_of(folder),
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")


def folder_of(release: Release, cache: Path) -> Path:
    """Where the cache keeps a release."""
    return cache / f"ohif-{release.version}"


def find_viewer(cache: Path | None = None, *, release: Release = OHIF) -> InstalledViewer | None:
    """The installed viewer, or None where none is.

    Args:
        cache: Folder of viewers; None is :func:`cache_folder`.
        release: Which one.

    Raises:
        ViewerError: If there is one that cannot be served; the message tells the cure.
    """
    folder = folder_of(release, cache or cache_folder())
    if not (folder / MANIFEST).is_file():
        return None
    try:
        viewer = InstalledViewer.read(folder)
    except OSError as error:
        raise ViewerError(
            f"cannot read the viewer in {str(folder)!r} - {error.strerror}"
        ) from error
    if (viewer.version, viewer.integrity) != (release.version, release.integrity):
        raise ViewerError(f"the viewer was made from another archive - {CURE}")
    return viewer


def _manifest(path: Path) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads(path.read_bytes())
        for key in ("version", "integrity", "base"):
            manifest[key] = str(manifest[key])
        manifest["recipe"] = int(manifest["recipe"])
        manifest["files"] = {str(name): str(digest) for name, digest in manifest["files"].items()}
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ViewerError(f"the viewer's manifest is damaged - {CURE}") from error
    return manifest
