"""Where things lie in a workspace."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sonoloop.errors import StoreError

RECEIVED: Final = ".received/"
"""Begins the locators of images in :attr:`WorkspacePaths.received`; they count as images of the
study folder, in which no file with such a name is ever looked for."""


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

    def make(self) -> None:
        """Make every folder.

        Raises:
            StoreError: If one cannot be made.
        """
        try:
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
        except OSError as error:
            raise StoreError(
                f"the workspace {self.root} cannot be made: {error.strerror} "
                f"(choose a folder this user may write)"
            ) from error
