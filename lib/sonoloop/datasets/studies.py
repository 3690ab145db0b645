"""A study folder with its ``annotations.csv``, as the importer leaves it."""

import re
from pathlib import Path, PurePosixPath

from sonoloop.datasets.names import slug
from sonoloop.datasets.reading import DatasetReading, Skipped
from sonoloop.datasets.sidecar import SIDECAR, AnnotationRow, read_sidecar
from sonoloop.errors import DatasetError, InvalidRequestError
from sonoloop.labels import Pathology, parse_birads, parse_pathology
from sonoloop.records import LabelledImage

_IMAGE_ID = re.compile(r"(?P<uid>[0-9.]+)_f(?P<frame>\d+)")


def is_studies(root: Path) -> bool:
    """Whether ``root`` is a study folder with annotations."""
    return (root / SIDECAR).is_file()


def read_studies(root: Path) -> DatasetReading:
    """Annotated images of a study folder; images without a row are not listed.

    Raises:
        DatasetError: If ``annotations.csv`` is missing or malformed.
    """
    if not is_studies(root):
        raise DatasetError(f"no table {SIDECAR!r} in {root.name!r} (made by 'sonoloop import')")
    by_stem = {path.stem: path for path in sorted(root.rglob("*.dcm"))}
    images: list[LabelledImage] = []
    skipped: list[Skipped] = []
    for row in read_sidecar(root / SIDECAR):
        found = _image(root, row, by_stem)
        if isinstance(found, Skipped):
            skipped.append(found)
        else:
            images.append(found)
    return DatasetReading(
        name=slug(root.resolve().name),
        layout="studies",
        images=tuple(images),
        skipped=tuple(skipped),
    )


def _image(root: Path, row: AnnotationRow, by_stem: dict[str, Path]) -> LabelledImage | Skipped:
    outside = next((name for name in (row.image, row.mask) if not _is_inside(name)), None)
    if outside is not None:
        return Skipped(row.image_id, f"path leaves the study folder: {outside!r}")
    match = _IMAGE_ID.fullmatch(row.image_id)
    uid, frame = (match["uid"], int(match["frame"])) if match else (row.image_id, 0)
    path = root / row.image if row.image else by_stem.get(uid)
    if path is None or not path.is_file():
        return Skipped(row.image or row.image_id, "image file is missing")
    masks = (root / row.mask,) if row.mask else ()
    if masks and not masks[0].is_file():
        return Skipped(row.image or row.image_id, f"mask file is missing: {row.mask}")
    try:
        pathology, birads = parse_pathology(row.pathology), parse_birads(row.birads)
    except InvalidRequestError as error:
        return Skipped(row.image or row.image_id, str(error))
    return LabelledImage(
        image_id=row.image_id,
        image_path=path,
        frame=frame,
        mask_paths=masks,
        has_mask=bool(masks) or pathology is Pathology.NORMAL,
        pathology=pathology,
        birads=birads,
        patient=row.patient,
        group=row.group or None,
        split=row.split or None,
        device=row.device or None,
        label_conflict=row.label_conflict == "1",
    )


def _is_inside(relative: str) -> bool:
    path = PurePosixPath(relative)
    return not path.is_absolute() and ".." not in path.parts
