"""Labels as COCO instances.

Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014; format as told at
cocodataset.org (data format) and by ``pycocotools``: a mask is a run-length encoding of its columns
one after the other, counts of zeros and ones in turn, zeros first.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from scipy import ndimage

from sonoloop.exporting.cases import Case, readable
from sonoloop.exporting.folder import new_folder, refuse_nothing, write_json
from sonoloop.geometry import Mask
from sonoloop.imaging.masks import encode_image
from sonoloop.labels import Pathology

UNKNOWN: Final = "lesion"
"""Category of a lesion whose pathology nobody told."""
CATEGORIES: Final = {Pathology.BENIGN.value: 1, Pathology.MALIGNANT.value: 2, UNKNOWN: 3}
TOUCHING: Final = np.ones((3, 3), dtype=bool)


def write_coco(cases: Sequence[Case], target: Path) -> int:
    """Write pictures and ``instances.json``; how many pictures there were.

    Every connected part of an outline is one instance, of the category that its image has. A normal
    image has none, and says so.

    Args:
        cases: What to export; those without an outline are left out.
        target: Folder to make.

    Raises:
        NotFoundError: If no case can be written.
        StoreError: If ``target`` is there already or cannot be written.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    with new_folder(target) as folder:
        (folder / "images").mkdir()
        for case, image, mask in readable([case for case in cases if case.item.has_mask]):
            file_name = f"images/{case.name}.png"
            (folder / file_name).write_bytes(encode_image(image, ".png"))
            number = len(images) + 1
            images.append(_image(case, number, file_name, mask.shape))
            for part, box in _parts(mask):
                annotations.append(_annotation(case, len(annotations) + 1, number, part, box))
        refuse_nothing(len(images))
        content = {
            "info": {"description": "breast ultrasound, research use"},
            "licenses": [],
            "images": images,
            "annotations": annotations,
            "categories": [
                {"id": number, "name": name, "supercategory": "lesion"}
                for name, number in CATEGORIES.items()
            ],
        }
        write_json(folder / "instances.json", content)
    return len(images)


def _image(case: Case, number: int, file_name: str, shape: tuple[int, ...]) -> dict[str, Any]:
    return {
        "id": number,
        "file_name": file_name,
        "height": shape[0],
        "width": shape[1],
        "image_id": case.item.image_id,
        "patient": case.patient,
        "pathology": case.item.pathology,
        "birads": case.item.birads,
        **case.about,
    }


def _parts(mask: Mask) -> Iterator[tuple[Mask, list[int]]]:
    """Connected parts, each with its box as COCO tells it: left, top, width, height."""
    labels, _ = ndimage.label(mask, structure=TOUCHING)
    for number, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1):
        width, height = columns.stop - columns.start, rows.stop - rows.start
        yield labels == number, [int(columns.start), int(rows.start), int(width), int(height)]


def _annotation(case: Case, number: int, image: int, part: Mask, box: list[int]) -> dict[str, Any]:
    return {
        "id": number,
        "image_id": image,
        "category_id": CATEGORIES.get(case.item.pathology or "", CATEGORIES[UNKNOWN]),
        "segmentation": run_lengths(part),
        "area": int(part.sum()),
        "bbox": box,
        "iscrowd": 0,
    }


def run_lengths(mask: Mask) -> dict[str, list[int]]:
    """The uncompressed run-length encoding of a mask.

    Args:
        mask: (H, W), True on the lesion.

    Example:
        >>> run_lengths(np.array([[False, True], [False, True], [True, False]]))
        {'counts': [2, 3, 1], 'size': [3, 2]}
    """
    values = np.concatenate([[False], mask.ravel(order="F")])
    changes = np.flatnonzero(np.diff(values))
    edges = np.concatenate([[0], changes, [mask.size]])
    counts = [int(count) for count in np.diff(edges)]
    return {"counts": counts, "size": list(map(int, mask.shape))}
