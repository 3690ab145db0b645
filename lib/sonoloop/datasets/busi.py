"""BUSI ("Dataset_BUSI_with_GT") in its published layout.

``<class>/<class> (<n>).png`` with ``<class> (<n>)_mask.png`` and, for images with several lesions,
``_mask_1.png`` and so on, whose union is the mask. BUSI names no patients, and more than a third
of its images have a near-duplicate, some filed under another class; the optional table
``near_duplicate_groups.csv`` (``file,class,group,group_size,label_conflict``) says which. A group
stands for the patient, so that near-duplicates never cross splits.

Source: Al-Dhabyani et al., "Dataset of breast ultrasound images", Data in Brief 28:104863, 2020.
"""

import re
from collections import defaultdict
from pathlib import Path

from sonoloop.datasets.reading import DatasetReading, Skipped
from sonoloop.datasets.tables import read_table
from sonoloop.labels import PATHOLOGIES, Pathology
from sonoloop.records import LabelledImage

GROUPS = "near_duplicate_groups.csv"
_FILE = re.compile(r"(?P<image>[a-z]+ \((?P<number>\d+)\))(?P<mask>_mask(?:_\d+)?)?\.png")


def is_busi(root: Path) -> bool:
    """Whether ``root`` looks like BUSI: its file names, and at least one mask."""
    return any(next((root / name).glob(f"{name} (*)_mask*.png"), None) for name in PATHOLOGIES)


def read_busi(root: Path) -> DatasetReading:
    """Images of BUSI by class and number, near-duplicates in one group.

    Raises:
        DatasetError: If the table of near-duplicates lacks a column.
    """
    groups = _groups(root)
    images: list[LabelledImage] = []
    skipped: list[Skipped] = []
    for pathology in PATHOLOGIES:
        for number, files in sorted(_files(root / pathology, skipped).items()):
            found = _image(pathology, number, files, groups)
            if isinstance(found, Skipped):
                skipped.append(found)
            else:
                images.append(found)
    return DatasetReading(name="busi", layout="busi", images=tuple(images), skipped=tuple(skipped))


def _groups(root: Path) -> dict[str, dict[str, str]]:
    if not (root / GROUPS).is_file():
        return {}
    rows = read_table(root / GROUPS, required=("file", "group", "label_conflict"))
    return {row["file"]: row for row in rows}


def _files(folder: Path, skipped: list[Skipped]) -> dict[int, list[Path]]:
    """Files of a class by number, in name order: the image, then its masks."""
    found: dict[int, list[Path]] = defaultdict(list)
    for path in sorted(folder.glob("*"), key=lambda path: path.stem):
        match = _FILE.fullmatch(path.name)
        if match is None or not path.name.startswith(f"{folder.name} ("):
            skipped.append(Skipped(f"{folder.name}/{path.name}", "not named as BUSI names files"))
        else:
            found[int(match["number"])].append(path)
    return found


def _image(
    pathology: Pathology, number: int, files: list[Path], groups: dict[str, dict[str, str]]
) -> LabelledImage | Skipped:
    name = f"{pathology} ({number}).png"
    masks = tuple(path for path in files if path.name != name)
    if len(masks) == len(files):
        return Skipped(f"{pathology}/{masks[0].name}", "mask without image")
    if not masks and pathology is not Pathology.NORMAL:
        return Skipped(f"{pathology}/{name}", "image without mask")
    row = groups.get(name)
    patient = f"busi-group-{row['group']}" if row else f"busi-{pathology}-{number}"
    return LabelledImage(
        image_id=f"busi-{pathology}-{number}",
        image_path=files[0].with_name(name),
        mask_paths=masks,
        has_mask=True,
        pathology=pathology,
        patient=patient,
        group=patient if row else None,
        label_conflict=row is not None and row["label_conflict"] == "1",
    )
