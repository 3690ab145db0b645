"""Where things lie in a workspace."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sonoloop.errors import StoreError

RECEIVED: Final = ".received/"
"""Begins the locators of images in :attr:`WorkspacePaths.received`; they count as images of the
study folder, in which no file with such a name is ever looked for."""

CURES: Final = {
    errno.EROFS: "its disk is read-only: choose a folder elsewhere",
    errno.ENOSPC: "the disk is full: make room on it",
    errno.EDQUOT: "the disk quota of this user is used up: make room",
    errno.EEXIST: "it, or what should be a folder in it, is a file: choose another folder",
    errno.ENOTDIR: "it, or a folder above it, is a file: choose another folder",
}
"""What to do about errors of the system; of others a folder of another user is the likely cause."""

LIKELY_CURE: Final = "choose a folder this user may write, or be the user it belongs to"


@contextmanager
def refusals_told(workspace: Path) -> Iterator[None]:
    """What the system refuses in a workspace becomes a sentence with its cure.

    Raises:
        StoreError: In the place of an OSError.
    """
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"the workspace {workspace} cannot be made or written: {error.strerror or error} "
            f"({CURES.get(error.errno or 0, LIKELY_CURE)})"
        ) from error


def make_workspace(root: Path) -> None:
    """Make the folder of a workspace, for this user alone: what will lie in it names patients.

    One that is there stays as it is.

    Raises:
        StoreError: If it cannot be made.
    """
    with refusals_told(root):
        root.mkdir(mode=0o700, parents=True, exist_ok=True)


def make_private_file(path: Path) -> None:
    """Make an empty file for this user alone, where there is none; raises OSError."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


@dataclass(frozen=True, slots=True)
class WorkspacePaths:
    """The folders of one workspace; everything a user creates lives in them.

    Attributes:
        root: The workspace itself, absolute.
    """

    root: Path

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.root / "sonoloop.db"

    @property
    def labels(self) -> Path:
        """Label maps, ``<image_id>/<tag>-<revision>-<8 hex>.png``."""
        return self.root / "labels"

    @property
    def incoming_labels(self) -> Path:
        """Label maps being written; on the same file system as :attr:`labels`."""
        return self.labels / ".incoming"

    @property
    def models(self) -> Path:
        """Model folders, ``<model_id>/``."""
        return self.root / "models"

    @property
    def cache(self) -> Path:
        """Images fetched from a PACS."""
        return self.root / "cache"

    @property
    def uploads(self) -> Path:
        """Images clients sent."""
        return self.root / "uploads"

    @property
    def received(self) -> Path:
        """DICOM files that came over DICOMweb, ``<study>/<series>/<instance>.dcm``."""
        return self.root / "received"

    @property
    def instances(self) -> Path:
        """The SQLite file that tells which DICOM instance lies where."""
        return self.root / "instances.db"

    @property
    def sessions(self) -> Path:
        """Short-lived files of client sessions."""
        return self.root / "sessions"

    @property
    def outbox(self) -> Path:
        """DICOM documents on their way to the archive, and the last of each image."""
        return self.root / "outbox"

    @property
    def logs(self) -> Path:
        """Log files of the server and of its jobs."""
        return self.root / "logs"

    @property
    def runs(self) -> Path:
        """Working folders of trainings."""
        return self.root / "runs"

    @property
    def studies_address(self) -> Path:
        """The file that names the studies which the workspace is of."""
        return self.root / "studies.txt"

    def make(self) -> None:
        """Make every folder.

        Raises:
            StoreError: If one cannot be made.
        """
        make_workspace(self.root)
        with refusals_told(self.root):
            for folder in (
                self.incoming_labels,
                self.models,
                self.cache,
                self.uploads,
                self.received,
                self.sessions,
                self.outbox,
                self.logs,
                self.runs,
            ):
                folder.mkdir(parents=True, exist_ok=True)
