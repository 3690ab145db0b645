"""Labels as a data list of MONAI, in the form of the Medical Segmentation Decathlon.

``monai.data.load_decathlon_datalist(..., is_segmentation=True, data_list_key="training")`` reads
it, and so do MONAI's tools that take a ``fold`` of each item, such as Auto3DSeg.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sonoloop.exporting.cases import Case, folds_of, readable
from sonoloop.exporting.folder import new_folder, refuse_nothing, write_json
from sonoloop.imaging.masks import encode_image, encode_label_map
from sonoloop.labels import LABEL_NAMES


def write_datalist(cases: Sequence[Case], target: Path, *, folds: int = 5) -> int:
    """Write pictures, masks and ``datalist.json``; how many items there were.

    Args:
        cases: What to export; those without an outline are left out.
        target: Folder to make.
        folds: How many to divide into; no patient and no near-duplicate crosses.

    Raises:
        NotFoundError: If no case can be written.
        StoreError: If ``target`` is there already or cannot be written.
        InvalidRequestError: If ``folds`` is below 1.
    """
    items: list[dict[str, Any]] = []
    with new_folder(target) as folder:
        for name in ("images", "labels"):
            (folder / name).mkdir()
        outlined = [case for case in cases if case.item.has_mask]
        fold_of = dict(
            zip((case.name for case in outlined), folds_of(outlined, folds), strict=True)
        )
        for case, image, mask in readable(outlined):
            item = _item(case, fold_of[case.name])
            (folder / item["image"]).write_bytes(encode_image(image, ".png"))
            label = encode_label_map(mask.astype(np.uint8), ".png", image.spacing_mm)
            (folder / item["label"]).write_bytes(label)
            items.append(item)
        refuse_nothing(len(items))
        write_json(folder / "datalist.json", _content(items))
    return len(items)


def _item(case: Case, fold: int) -> dict[str, Any]:
    return {
        "image": f"images/{case.name}.png",
        "label": f"labels/{case.name}.png",
        "fold": fold,
        "image_id": case.item.image_id,
        "patient": case.patient,
        "pathology": case.item.pathology,
        "birads": case.item.birads,
        **case.about,
    }


def _content(items: list[dict[str, Any]]) -> dict[str, Any]:
    names = {"background": 0} | LABEL_NAMES
    return {
        "name": "breast ultrasound",
        "description": "lesion outlines, research use",
        "tensorImageSize": "2D",
        "modality": {"0": "ultrasound"},
        "labels": {str(value): name for name, value in names.items()},
        "numTraining": len(items),
        "numTest": 0,
        "training": items,
        "test": [],
    }
