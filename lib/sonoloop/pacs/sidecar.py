"""Registers the rows of ``annotations.csv`` as annotations of the readers they name.

Every row is registered once: the hash of all it says, with the content of its mask, is kept with
the annotation. A row that changes is a new revision, unless somebody has annotated the image
here since. A row that cannot be used is refused with a code:

* ``sidecar``             the table cannot be read
* ``sidecar_image``       its image is not (or not yet) registered
* ``sidecar_value``       a pathology or BI-RADS category that is none
* ``sidecar_mask``        the mask is missing, outside the folder, or does not fit the image
* ``sidecar_superseded``  somebody has annotated the image here since
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from sonoloop.datasets.sidecar import AnnotationRow, read_sidecar
from sonoloop.errors import (
    ConflictError,
    DatasetError,
    InvalidRequestError,
    LabelReadError,
    NotFoundError,
)
from sonoloop.imaging.masks import decode_label_map
from sonoloop.labels import parse_birads, parse_pathology
from sonoloop.pacs.inside import inside
from sonoloop.records import ImageRecord
from sonoloop.store.annotations import NewAnnotation
from sonoloop.store.images import ImageDescription
from sonoloop.store.records import Refusal
from sonoloop.store.store import Store

UNNAMED_READER = "import"
FIRST_ROW_LINE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class SidecarSummary:
    """What one table gave.

    Attributes:
        registered: Annotations that are new.
        waiting: Rows whose image is not registered.
        refused: Rows that could not be used; the locator is ``<table>:<line>``.
    """

    registered: int = 0
    waiting: int = 0
    refused: tuple[Refusal, ...] = ()


class _RowError(Exception):
    """A row that cannot be used; becomes a refusal."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(message)


def register_sidecar(store: Store, root: Path, locator: str) -> SidecarSummary:
    """Register what is new in the table ``locator`` of the study folder ``root``.

    Raises:
        StoreError: If an annotation cannot be saved; rows before it are kept.
    """
    folder = (root / locator).parent.resolve()
    try:
        rows = read_sidecar(root / locator)
    except DatasetError as error:
        return SidecarSummary(refused=(_refusal(locator, "sidecar", str(error)),))
    images = _images(store, PurePosixPath(locator).parent, rows)
    store.images.describe_many(
        [_description(images[_name(row)], row) for row in rows if _name(row) in images]
    )
    imported = store.annotations.import_keys()
    refused: list[Refusal] = []
    registered = waiting = 0
    for line, row in enumerate(rows, start=FIRST_ROW_LINE):
        image = images.get(_name(row))
        waiting += image is None
        try:
            registered += _register(store, folder, row, image, imported)
        except _RowError as error:
            refused.append(_refusal(f"{locator}:{line}", error.code, str(error)))
    return SidecarSummary(registered=registered, waiting=waiting, refused=tuple(refused))


def table_of(locator: str) -> str:
    """The table that a refusal's locator ``<table>`` or ``<table>:<line>`` speaks of."""
    table, _, line = locator.rpartition(":")
    return table if line.isdigit() else locator


def _refusal(locator: str, code: str, message: str) -> Refusal:
    return Refusal(locator=locator, code=code, message=f"{code}: {message}")


def _name(row: AnnotationRow) -> str:
    return row.image_id or row.image


def _images(
    store: Store, folder: PurePosixPath, rows: Sequence[AnnotationRow]
) -> dict[str, ImageRecord]:
    """Image of every row whose image is known, by :func:`_name`; ids win over file names."""
    by_id = store.images.get_many([row.image_id for row in rows if row.image_id])
    unknown = {
        (folder / row.image).as_posix(): _name(row)
        for row in rows
        if row.image and row.image_id not in by_id
    }
    by_file = store.images.single_by_locator("folder", tuple(unknown)) if unknown else {}
    return by_id | {unknown[locator]: image for locator, image in by_file.items()}


def _register(
    store: Store,
    folder: Path,
    row: AnnotationRow,
    image: ImageRecord | None,
    imported: frozenset[str],
) -> bool:
    """Whether the row was saved; False when it says nothing of the lesion or was saved before."""
    if image is None:
        raise _RowError("sidecar_image", f"no registered image {_name(row)!r}")
    if not (row.mask or row.pathology or row.birads):
        return False
    mask = _mask_bytes(folder, row.mask) if row.mask else None
    key = _import_key(row, image, mask)
    if key in imported:
        return False
    try:
        new = NewAnnotation(
            image_id=image.image_id,
            pathology=parse_pathology(row.pathology),
            birads=parse_birads(row.birads),
            reader=row.reader or UNNAMED_READER,
            import_key=key,
        )
        label_map = None
        if mask is not None:
            label_map = decode_label_map(mask, row.mask, shape=(image.rows, image.columns))
        store.annotations.save(new, label_map)
    except InvalidRequestError as error:
        raise _RowError("sidecar_value", str(error)) from error
    except LabelReadError as error:
        raise _RowError("sidecar_mask", f"mask {row.mask!r}: {error}") from error
    except ConflictError as error:
        raise _RowError("sidecar_superseded", str(error)) from error
    return True


def _mask_bytes(folder: Path, relative: str) -> bytes:
    try:
        return inside(folder, relative).read_bytes()
    except (NotFoundError, OSError) as error:
        raise _RowError("sidecar_mask", f"mask {relative!r}: {error}") from error


def _import_key(row: AnnotationRow, image: ImageRecord, mask: bytes | None) -> str:
    said = {k: v for k, v in asdict(row).items() if k not in ("mask", "image")}
    said |= {"image_id": image.image_id, "mask": hashlib.sha256(mask or b"").hexdigest()}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _description(image: ImageRecord, row: AnnotationRow) -> ImageDescription:
    info: dict[str, object] = {}
    if row.device:
        info["device"] = row.device
    if row.label_conflict == "1":
        info["label_conflict"] = True
    return ImageDescription(
        image_id=image.image_id,
        patient=row.patient or None,
        group=row.group or None,
        split=row.split or None,
        info=info,
    )
