"""Images that clients add to the store: kept in the workspace, never replaced."""

import logging
import shutil
import tempfile
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sonoloop.errors import ConflictError, InvalidRequestError
from sonoloop.records import ImageRecord
from sonoloop.service.incoming import ReceivedImage, receive_image
from sonoloop.service.volumes import volume_extension
from sonoloop.store.files import disk_told, move_into_place
from sonoloop.store.ids import validate_image_id
from sonoloop.store.store import Store

logger = logging.getLogger(__name__)


class Uploads:
    """Adds and removes images of the source ``upload``."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._turn = threading.Lock()  # between looking whether a name is free and taking it

    def add(
        self, data: bytes, filename: str, *, image_id: str = "", info: dict[str, Any] | None = None
    ) -> ImageRecord:
        """Keep an image; the same bytes under the same id again change nothing.

        Args:
            data: The file.
            filename: As the client calls it.
            image_id: Empty takes the SOPInstanceUID of a DICOM file, or else the file's name.
            info: Free JSON kept with the image.

        Returns:
            The image; of a cine the first frame, each frame being an image of its own.

        Raises:
            InvalidIdError: If the id, given or taken from the name, could not be one of ours.
            ImageReadError: If the file is not an image this package can read.
            ConflictError: If another image has this id, or an id or the file of a frame, already.
            StoreError: If it cannot be written, for instance because the disk is full.
        """
        if image_id:
            validate_image_id(image_id)
        with disk_told(self._store.paths.uploads):
            building = Path(tempfile.mkdtemp(dir=self._store.paths.uploads, prefix=".incoming-"))
            try:
                received = receive_image(data, filename, building, stem="image")
                stem = validate_image_id(
                    image_id or received.header.identity.sop_instance_uid or _stem(filename)
                )
                with self._turn:
                    return self._keep(received, stem, info or {})
            finally:
                shutil.rmtree(building, ignore_errors=True)

    def _keep(self, received: ReceivedImage, stem: str, info: dict[str, Any]) -> ImageRecord:
        target = self._store.paths.uploads / f"{stem}{received.path.suffix}"
        records = _records(received, stem, target.name, info)
        first = records[0].image_id
        known = self._store.images.get_many([record.image_id for record in records])
        if any(not _lies_in(record, target) for record in known.values()):
            raise _taken(known)
        if known or self._is_kept(target):
            if not _same_bytes(target, received.path):
                raise _taken(known or [stem])
        else:
            move_into_place(received.path, target)
        new = [record for record in records if record.image_id not in known]
        if new:
            self._store.images.upsert_many(new)
            logger.info("received image %s", first)
        return self._store.images.get(first)

    def _is_kept(self, target: Path) -> bool:
        """Whether the file is that of an image; others were left by a process that died."""
        return target.exists() and target.name in self._store.images.by_locator("upload")

    def remove(self, record: ImageRecord) -> None:
        """Forget an uploaded image that nobody has labelled, and delete its file.

        Raises:
            ConflictError: If it comes from the study folder or PACS, or carries labels.
        """
        with self._turn:
            self._remove(record)

    def _remove(self, record: ImageRecord) -> None:
        if record.source != "upload":
            raise ConflictError(
                f"image {record.image_id} belongs to the studies (remove it there; this server "
                f"only reads them)"
            )
        if self._store.annotations.history(record.image_id):
            raise ConflictError(f"image {record.image_id} carries labels, which are never deleted")
        self._store.images.remove(record.image_id)
        if record.locator not in self._store.images.by_locator("upload"):
            (self._store.paths.uploads / record.locator).unlink(missing_ok=True)


def _records(
    received: ReceivedImage, stem: str, locator: str, info: dict[str, Any]
) -> list[ImageRecord]:
    header, stat = received.header, received.path.stat()
    identity = header.identity
    return [
        ImageRecord(
            image_id=validate_image_id(f"{stem}_f{frame}" if header.frame_count > 1 else stem),
            source="upload",
            locator=locator,
            frame=frame,
            frame_count=header.frame_count,
            rows=header.rows,
            columns=header.columns,
            spacing_mm=received.spacing_mm,
            patient_id=identity.patient_id,
            study_instance_uid=identity.study_instance_uid,
            series_instance_uid=identity.series_instance_uid,
            sop_instance_uid=identity.sop_instance_uid,
            modality=identity.modality,
            study_date=identity.study_date,
            flags=header.flags,
            file_size=stat.st_size,
            file_mtime_ns=stat.st_mtime_ns,
            info=info,
        )
        for frame in range(header.frame_count)
    ]


def _lies_in(record: ImageRecord, target: Path) -> bool:
    return record.source == "upload" and record.locator == target.name


def _taken(image_ids: Iterable[str]) -> ConflictError:
    return ConflictError(
        f"image {min(image_ids)} exists already (images are never replaced; choose another id)"
    )


def _same_bytes(first: Path, second: Path) -> bool:
    return first.is_file() and first.read_bytes() == second.read_bytes()


def _stem(filename: str) -> str:
    """The file's name without folders and suffix, as clients name images."""
    name = filename.replace("\\", "/").rpartition("/")[2]
    extension = volume_extension(name) or ("." + name.rpartition(".")[2] if "." in name else "")
    stem = name[: len(name) - len(extension)] if extension else name
    if not stem:
        raise InvalidRequestError("an image needs an id (image=...) or a file name")
    return stem
