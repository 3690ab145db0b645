"""Puts the viewer into the cache: whole or not at all, however many try at once."""

import logging
import os
import tempfile
from pathlib import Path

from filelock import FileLock

from sonoloop.errors import ViewerError
from sonoloop.viewer.archive import Progress, download, verify
from sonoloop.viewer.cache import (
    FILES,
    InstalledViewer,
    cache_folder,
    find_viewer,
    folder_of,
    write_manifest,
)
from sonoloop.viewer.prepare import compress, rebase, unpack
from sonoloop.viewer.release import BASE, OHIF, REGISTRY, Release

logger = logging.getLogger(__name__)


def _say_nothing(_received: int, _total: int | None) -> None:
    """Progress nobody looks at."""


def install_viewer(
    *,
    archive: Path | None = None,
    registry: str = REGISTRY,
    cache: Path | None = None,
    release: Release = OHIF,
    progress: Progress = _say_nothing,
) -> InstalledViewer:
    """Fetch, check, prepare and keep the viewer; a whole one that is there already stays.

    Args:
        archive: The published archive, fetched by other means; None downloads it.
        registry: Address of the npm registry or of a mirror of it.
        cache: Folder of viewers; None is the one that servers look into.
        release: What to install.
        progress: Told how much is downloaded.

    Raises:
        ViewerError: If it cannot be fetched, has another checksum or version, or the cache folder
            cannot be written.
    """
    cache = cache or cache_folder()
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with (
            FileLock(cache / ".lock"),
            tempfile.TemporaryDirectory(prefix=".making-", dir=cache) as made,
        ):
            if (known := _whole(cache, release)) is not None:
                return known
            if archive is None:
                archive = Path(made) / "archive.tgz"
                download(release, registry, archive, progress)
            target = folder_of(release, cache)
            _put_in_place(_prepare(Path(made), archive, release), target)
            logger.info("installed %s %s in %s", release.package, release.version, target)
            return InstalledViewer.read(target)
    except OSError as error:
        raise ViewerError(f"cannot write the viewer to {str(cache)!r} - {error}") from error


def _whole(cache: Path, release: Release) -> InstalledViewer | None:
    try:
        return find_viewer(cache, release=release)
    except ViewerError as error:
        logger.warning("%s", error)
        return None


def _prepare(made: Path, archive: Path, release: Release) -> Path:
    verify(archive, release)
    viewer = made / "viewer"
    viewer.mkdir()
    unpack(archive, viewer, release)
    rebase(viewer / FILES, BASE)
    compress(viewer / FILES)
    write_manifest(viewer, release)
    return viewer


def _put_in_place(viewer: Path, target: Path) -> None:
    """What a server reads there meanwhile is the old viewer or the new one."""
    if target.exists():
        os.replace(target, viewer.with_name("old"))
    os.replace(viewer, target)
