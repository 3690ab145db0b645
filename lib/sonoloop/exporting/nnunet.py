"""Labels as a raw data set of nnU-Net v2.

Isensee et al., "nnU-Net: a self-configuring method for deep learning-based biomedical image
segmentation", Nature Methods 18, 2021; the layout is that of ``documentation/dataset_format.md`` in
its repository: ``imagesTr/<case>_0000.png``, ``labelsTr/<case>.png`` with whole numbers from 0 up,
and ``dataset.json``.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from sonoloop.exporting.cases import Case, folds_of, readable
from sonoloop.exporting.folder import new_folder, refuse_nothing, write_json
from sonoloop.imaging.masks import encode_image, encode_label_map
from sonoloop.labels import LABEL_NAMES

CHANNEL: Final = "0000"
FILE_ENDING: Final = ".png"
READER: Final = "NaturalImage2DIO"
"""nnU-Net's reader of pictures."""


def write_nnunet(cases: Sequence[Case], target: Path, *, folds: int = 5) -> int:
    """Write the cases whose outline is known; how many there were.

    ``splits_final.json`` divides them by patient, as nnU-Net's own random split would not: copy it
    to ``nnUNet_preprocessed/<data set>`` before the training. ``cases.json`` tells what nnU-Net has
    no place for.

    Args:
        cases: What to export; those without an outline are left out.
        target: Folder to make, such as ``nnUNet_raw/Dataset101_Breast``.
        folds: How many to divide into.

    Raises:
        NotFoundError: If no case can be written.
        StoreError: If ``target`` is there already or cannot be written.
        InvalidRequestError: If ``folds`` is below 1.
    """
    written: list[Case] = []
    with new_folder(target) as folder:
        pictures, labels = folder / "imagesTr", folder / "labelsTr"
        pictures.mkdir()
        labels.mkdir()
        for case, image, mask in readable([case for case in cases if case.item.has_mask]):
            (pictures / f"{case.name}_{CHANNEL}{FILE_ENDING}").write_bytes(
                encode_image(image, FILE_ENDING)
            )
            label = encode_label_map(mask.astype(np.uint8), FILE_ENDING, image.spacing_mm)
            (labels / f"{case.name}{FILE_ENDING}").write_bytes(label)
            written.append(case)
        refuse_nothing(len(written))
        write_json(folder / "dataset.json", _description(len(written)))
        write_json(folder / "splits_final.json", _splits(written, folds))
        write_json(folder / "cases.json", {case.name: _told(case) for case in written})
    return len(written)


def _description(count: int) -> dict[str, Any]:
    return {
        "channel_names": {"0": "ultrasound"},
        "labels": {"background": 0} | LABEL_NAMES,
        "numTraining": count,
        "file_ending": FILE_ENDING,
        "overwrite_image_reader_writer": READER,
    }


def _splits(cases: Sequence[Case], folds: int) -> list[dict[str, list[str]]]:
    """Training and validation cases of each fold; none with fewer than two families."""
    fold_of = folds_of(cases, folds)
    there = sorted(set(fold_of))
    if len(there) < 2:
        return []
    pairs = list(zip(cases, fold_of, strict=True))
    return [
        {
            "train": [case.name for case, fold in pairs if fold != held_out],
            "val": [case.name for case, fold in pairs if fold == held_out],
        }
        for held_out in there
    ]


def _told(case: Case) -> dict[str, Any]:
    return {
        "image_id": case.item.image_id,
        "patient": case.patient,
        "pathology": case.item.pathology,
        "birads": case.item.birads,
        **case.about,
    }
