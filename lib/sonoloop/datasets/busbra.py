"""BUS-BRA in its published layout.

``Images/bus_<case>-<side>.png``, ``Masks/mask_<case>-<side>.png``, ``bus_data.csv`` (one row an
image) and ``5-fold-cv.csv`` (its column ``kFold`` is the official fold; patients do not cross
folds, but its ``valid_<k>`` columns mix patients and are not used).

Source: Gómez-Flores et al., "BUS-BRA: A Breast Ultrasound Dataset for Assessing Computer-aided
Diagnosis Systems", Medical Physics, 2023.
"""

from pathlib import Path

from sonoloop.datasets.reading import DatasetReading, Skipped
from sonoloop.datasets.tables import read_table
from sonoloop.errors import InvalidRequestError
from sonoloop.labels import parse_birads, parse_pathology
from sonoloop.records import LabelledImage

TABLE = "bus_data.csv"
FOLDS = "5-fold-cv.csv"


def is_busbra(root: Path) -> bool:
    """Whether ``root`` looks like BUS-BRA."""
    return (root / TABLE).is_file() and (root / "Images").is_dir()


def read_busbra(root: Path) -> DatasetReading:
    """Images of BUS-BRA in the order of its table; ``split`` is the official fold.

    Raises:
        DatasetError: If a table is missing or lacks a column.
    """
    rows = read_table(root / TABLE, required=("ID", "Case", "Pathology", "BIRADS", "Device"))
    folds = _folds(root)
    images: list[LabelledImage] = []
    skipped: list[Skipped] = []
    for row in rows:
        found = _image(root, row, folds.get(row["ID"]))
        if isinstance(found, Skipped):
            skipped.append(found)
        else:
            images.append(found)
    listed = {row["ID"] for row in rows}
    skipped += _unlisted(root / "Images", "bus_", listed, f"image is not listed in {TABLE}")
    skipped += _unlisted(root / "Masks", "mask_", listed, f"mask is not listed in {TABLE}")
    return DatasetReading(
        name="busbra", layout="busbra", images=tuple(images), skipped=tuple(skipped)
    )


def _folds(root: Path) -> dict[str, str]:
    if not (root / FOLDS).is_file():
        return {}
    rows = read_table(root / FOLDS, required=("ID", "kFold"))
    return {row["ID"]: row["kFold"] for row in rows}


def _image(root: Path, row: dict[str, str], fold: str | None) -> LabelledImage | Skipped:
    name = row["ID"]
    image_path = root / "Images" / f"{name}.png"
    mask_path = root / "Masks" / f"mask_{name.removeprefix('bus_')}.png"
    relative = f"Images/{name}.png"
    if not image_path.is_file():
        reason = "mask without image" if mask_path.is_file() else "image file is missing"
        return Skipped(relative, reason)
    if not mask_path.is_file():
        return Skipped(relative, "image without mask")
    try:
        pathology, birads = parse_pathology(row["Pathology"]), parse_birads(row["BIRADS"])
    except InvalidRequestError as error:
        return Skipped(relative, str(error))
    return LabelledImage(
        image_id=name,
        image_path=image_path,
        mask_paths=(mask_path,),
        has_mask=True,
        pathology=pathology,
        birads=birads,
        patient=f"busbra-case-{row['Case']}",
        split=fold,
        device=row["Device"] or None,
    )


def _unlisted(folder: Path, prefix: str, listed: set[str], reason: str) -> list[Skipped]:
    return [
        Skipped(f"{folder.name}/{path.name}", reason)
        for path in sorted(folder.glob("*.png"))
        if f"bus_{path.stem.removeprefix(prefix)}" not in listed
    ]
