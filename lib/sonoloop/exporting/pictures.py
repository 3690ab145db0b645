"""Where the pictures of a workspace lie, and where they lie in an archive and after it."""

from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Final, TypeAlias

from sonoloop.errors import ArchiveError, NotFoundError
from sonoloop.exporting.manifest import IMAGES
from sonoloop.records import ImageRecord
from sonoloop.store.paths import RECEIVED, WorkspacePaths

RESTORED_STUDIES: Final = "studies"
"""Folder of a restored workspace with the study folder that came along."""

PathOf: TypeAlias = Callable[[ImageRecord], Path]
"""Local file with the pixels of an image; raises NotFoundError where it is gone, and PacsError
where a PACS would have to be asked and cannot be."""


class KeptPictures:
    """Pictures that are on this machine: of a study folder, uploads, and what a PACS once sent.

    Args:
        paths: Of the workspace.
        studies: Root of the study folder; None takes the one that came with an archive, if any.
    """

    def __init__(self, paths: WorkspacePaths, studies: Path | None = None) -> None:
        self._paths = paths
        self._studies = studies or paths.root / RESTORED_STUDIES

    def path_of(self, record: ImageRecord) -> Path:
        """A local file with the pixels of ``record``.

        Raises:
            NotFoundError: If it is not there.
        """
        path = _placed(self._paths, self._studies, record.source, record.locator)
        if not path.is_file():
            raise NotFoundError(
                f"the pixels of image {record.image_id} are not on this machine (name the study "
                f"folder or the PACS they come from)"
            )
        return path


def archived_path(source: str, locator: str) -> str:
    """Name of a picture in an archive."""
    return f"{IMAGES}/{source}/{locator}"


def restored_path(archived: str, paths: WorkspacePaths) -> Path:
    """Where a picture of an archive goes in a workspace.

    Raises:
        ArchiveError: If it is of no source there is.
    """
    _, source, locator = archived.split("/", 2)
    if source not in ("folder", "upload", "dicomweb"):
        raise ArchiveError(f"the archive holds a picture of an unknown source {source!r:.80}")
    return _placed(paths, paths.root / RESTORED_STUDIES, source, locator)


def _placed(paths: WorkspacePaths, studies: Path, source: str, locator: str) -> Path:
    if source == "folder" and locator.startswith(RECEIVED):
        return paths.received / locator.removeprefix(RECEIVED)
    folder = {"folder": studies, "upload": paths.uploads, "dicomweb": paths.cache}[source]
    return folder / _below(source, locator)


def _below(source: str, locator: str) -> PurePosixPath:
    if source != "dicomweb":
        return PurePosixPath(locator)
    study, _, instance = locator.split("/")
    return PurePosixPath(study, f"{instance}.dcm")
