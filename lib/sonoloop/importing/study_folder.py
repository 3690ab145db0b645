"""The study folder an import writes to: DICOM, masks and ``annotations.csv``, never half a file.

    STUDIES/<data set>/<patient>/<image>.dcm
    STUDIES/masks/<data set>/<image>.png        0 and 1
    STUDIES/annotations.csv

One import at a time may write; a lock that dies with its process sees to it.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sonoloop.datasets.names import safe_stem
from sonoloop.datasets.sidecar import SIDECAR, AnnotationRow, format_sidecar, read_sidecar
from sonoloop.errors import ConflictError, DatasetError

MASKS = "masks"
_LOCK = ".import.lock"


class StudyFolder:
    """A study folder open for writing; made by :func:`open_study_folder`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        path = root / SIDECAR
        rows = read_sidecar(path) if path.is_file() else []
        self._rows = {row.image_id: row for row in rows}
        self._changed = False

    def image_path(self, name: str, patient: str, image_id: str) -> Path:
        """Where an image of the data set ``name`` goes; its folder is made."""
        folder = self.root / name / safe_stem(patient)
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{safe_stem(image_id)}.dcm"

    def put_mask(self, name: str, image_id: str, png: bytes) -> tuple[str, bool]:
        """Write a mask unless it is there; its path for ``annotations.csv``, whether it changed."""
        path = self.root / MASKS / name / f"{safe_stem(image_id)}.png"
        changed = not path.is_file() or path.read_bytes() != png
        if changed:
            path.parent.mkdir(parents=True, exist_ok=True)
            _replace(path, png)
        return path.relative_to(self.root).as_posix(), changed

    def put_row(self, row: AnnotationRow) -> bool:
        """Add or replace the row of an image; whether that changed anything."""
        changed = self._rows.get(row.image_id) != row
        self._rows[row.image_id] = row
        self._changed |= changed
        return changed

    def save(self) -> None:
        """Write ``annotations.csv`` if a row changed; rows of earlier imports are kept."""
        if self._changed:
            _replace(self.root / SIDECAR, format_sidecar(list(self._rows.values())).encode())
            self._changed = False


@contextmanager
def open_study_folder(root: Path) -> Iterator[StudyFolder]:
    """The study folder ``root``, made if absent, for this process alone; saved at the end.

    Raises:
        ConflictError: If another import is writing to it.
        DatasetError: If it cannot be written, or its ``annotations.csv`` is malformed.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        with (root / _LOCK).open("w") as lock:
            _take(lock.fileno(), root)
            for leftover in root.rglob(".*.part"):  # of an import that was killed
                leftover.unlink()
            folder = StudyFolder(root)
            try:
                yield folder
            finally:
                folder.save()
    except OSError as error:
        raise DatasetError(
            f"cannot write study folder {str(root)!r}: {error.strerror} (disk full, read-only?)"
        ) from error


def _take(lock: int, root: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ConflictError(
            f"another import is writing to {str(root)!r} (wait for it to end)"
        ) from None


def _replace(path: Path, data: bytes) -> None:
    """Put ``data`` at ``path``, durably, so that a reader meets the old or the new file."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
