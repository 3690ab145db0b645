"""The labelled images as one ZIP file, in the layout that ``sonoloop import folder`` reads."""

import csv
import io
import json
import logging
import tempfile
import zipfile
from pathlib import Path
from typing import Any, Final

from sonoloop.errors import ImageReadError, InvalidRequestError, NotFoundError
from sonoloop.imaging.masks import encode_label_map
from sonoloop.records import Annotation, ImageRecord
from sonoloop.service.images import ImageLibrary
from sonoloop.store.store import Store

logger = logging.getLogger(__name__)

COLUMNS: Final = (
    "image",
    "mask",
    "pathology",
    "patient",
    "group",
    "birads",
    "reader",
    "row_spacing_mm",
    "column_spacing_mm",
)


def write_archive(store: Store, images: ImageLibrary, *, limit: int | None = None) -> Path:
    """A ZIP file with picture, mask and one line of ``manifest.csv`` per labelled image.

    Args:
        store: Knows what is labelled.
        images: Gives the pictures.
        limit: At most so many images, the oldest first; None is all.

    Returns:
        A temporary file in the workspace's cache, the caller's to delete.

    Raises:
        InvalidRequestError: If ``limit`` is below 1.
        NotFoundError: If nothing is labelled.
    """
    if limit is not None and limit < 1:
        raise InvalidRequestError(f"limit_cases must be at least 1, got {limit}")
    records = store.images.list(labelled=True, limit=limit)
    if not records:
        raise NotFoundError("no image is labelled yet, there is nothing to archive")
    with tempfile.NamedTemporaryFile(
        dir=store.paths.cache, prefix="dataset-", suffix=".zip", delete=False
    ) as file:
        path = Path(file.name)
        try:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
                _fill(archive, store, images, records)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    return path


def _fill(
    archive: zipfile.ZipFile, store: Store, images: ImageLibrary, records: list[ImageRecord]
) -> None:
    rows, left_out = [], []
    for record in records:
        annotation = store.annotations.latest(record.image_id)
        if annotation is None:
            continue  # withdrawn since the list was read
        try:
            picture = images.encoded(record, "png")
        except (ImageReadError, NotFoundError) as error:
            left_out.append({"image_id": record.image_id, "reason": str(error)})
            continue
        image_name = f"images/{record.image_id}.png"
        archive.writestr(image_name, picture)
        rows.append(_row(archive, store, record, annotation, image_name))
    archive.writestr("manifest.csv", _as_csv(rows))
    archive.writestr("dataset.json", json.dumps({"images": rows, "left_out": left_out}, indent=1))
    if left_out:
        logger.warning("archive leaves out %s images that cannot be read", len(left_out))


def _row(
    archive: zipfile.ZipFile,
    store: Store,
    record: ImageRecord,
    annotation: Annotation,
    image_name: str,
) -> dict[str, Any]:
    mask_name = ""
    if annotation.mask_path is not None:
        mask_name = f"labels/final/{record.image_id}.png"
        mask = store.annotations.mask(annotation) > 0
        archive.writestr(mask_name, encode_label_map(mask, ".png", None, for_display=True))
    row_mm, column_mm = record.spacing_mm or (None, None)
    values = (
        image_name,
        mask_name,
        annotation.pathology,
        record.patient_id,
        record.group,
        annotation.birads,
        annotation.reader,
        row_mm,
        column_mm,
    )
    return {name: value or "" for name, value in zip(COLUMNS, values, strict=True)}


def _as_csv(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
