"""Any images, described by a table: ``image,mask,pathology,patient[,group,birads,split,...]``.

Paths are relative to the table. A cell ``mask`` may name several files, separated by ``;``: their
union is the mask. ``image_id`` and ``frame`` (from 0, of a cine) may be added.
"""

from pathlib import Path

from sonoloop.datasets.names import safe_id, slug
from sonoloop.datasets.reading import DatasetReading, Skipped
from sonoloop.datasets.tables import read_table
from sonoloop.errors import DatasetError, InvalidRequestError
from sonoloop.labels import Pathology, parse_birads, parse_pathology
from sonoloop.records import LabelledImage

MANIFEST = "manifest.csv"
OPTIONAL = (
    "mask",
    "pathology",
    "patient",
    "group",
    "birads",
    "split",
    "image_id",
    "frame",
    "device",
    "label_conflict",
)


def manifest_of(root: Path) -> Path:
    """The table of ``root``, which is the table itself or the folder that holds it."""
    return root if root.suffix.lower() == ".csv" else root / MANIFEST


def is_manifest(root: Path) -> bool:
    """Whether ``root`` is or holds a manifest."""
    return manifest_of(root).is_file()


def read_manifest(root: Path) -> DatasetReading:
    """Images of a manifest, in the order of its rows.

    Raises:
        DatasetError: If the table is missing, unreadable or lacks a column.
    """
    table = manifest_of(root)
    if not table.is_file():
        raise DatasetError(
            f"no table {table.name!r} in {table.parent.name!r} (a CSV with a header)"
        )
    images: list[LabelledImage] = []
    skipped: list[Skipped] = []
    seen: set[str] = set()
    for row in read_table(table, required=("image",), optional=OPTIONAL):
        found = _image(table.parent, row)
        if isinstance(found, LabelledImage) and found.image_id in seen:
            found = Skipped(row["image"], f"image_id {found.image_id!r} appears twice")
        if isinstance(found, Skipped):
            skipped.append(found)
        else:
            seen.add(found.image_id)
            images.append(found)
    return DatasetReading(
        name=slug(table.parent.resolve().name),
        layout="manifest",
        images=tuple(images),
        skipped=tuple(skipped),
    )


def _image(root: Path, row: dict[str, str]) -> LabelledImage | Skipped:
    name = row["image"]
    masks = tuple(root / part.strip() for part in row.get("mask", "").split(";") if part.strip())
    missing = [path for path in masks if not path.is_file()]
    if not name:
        return Skipped(f"row of mask {row.get('mask', '')!r}", "mask without image")
    if not (root / name).is_file():
        return Skipped(name, "image file is missing")
    if missing:
        return Skipped(name, f"mask file is missing: {missing[0].name}")
    try:
        frame = _frame(row.get("frame", ""))
        pathology = parse_pathology(row.get("pathology"))
        birads = parse_birads(row.get("birads"))
    except InvalidRequestError as error:
        return Skipped(name, str(error))
    return LabelledImage(
        image_id=row.get("image_id") or safe_id(name, frame),
        image_path=root / name,
        frame=frame,
        mask_paths=masks,
        has_mask=bool(masks) or pathology is Pathology.NORMAL,
        pathology=pathology,
        birads=birads,
        patient=row.get("patient", ""),
        group=row.get("group") or None,
        split=row.get("split") or None,
        device=row.get("device") or None,
        label_conflict=row.get("label_conflict", "") in ("1", "true"),
    )


def _frame(text: str) -> int:
    if not text:
        return 0
    if not text.isdigit():
        raise InvalidRequestError(f"frame is no number: {text!r} (0 is the first frame)")
    return int(text)
