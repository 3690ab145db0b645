"""A folder of images, or which a ``manifest.csv`` describes.

Without a manifest nothing is known of an image but its pathology, where the folder it lies in is
named after one (``benign/``, ``malignant/``, ``normal/``).
"""

import re
from pathlib import Path

from sonoloop.datasets.manifest import is_manifest, read_manifest
from sonoloop.datasets.names import safe_id, slug
from sonoloop.datasets.reading import IMAGE_SUFFIXES, DatasetReading, Skipped
from sonoloop.labels import Pathology
from sonoloop.records import LabelledImage

_FOLDERS = {pathology.value: pathology for pathology in Pathology}
_MASK_STEM = re.compile(r"(?P<image>.+?)_mask(?:_\d+)?")


def read_folder(root: Path) -> DatasetReading:
    """Images of a folder and its sub-folders, by path.

    Files named like the mask of another one (``x_mask.png`` beside ``x.png``) are no images; they
    are told as skipped, because only a manifest says that they are masks.

    Raises:
        DatasetError: If there is a manifest and it is malformed.
    """
    if is_manifest(root):
        return read_manifest(root)
    images: list[LabelledImage] = []
    skipped: list[Skipped] = []
    candidates = [path for path in sorted(root.rglob("*")) if _is_image(path, root)]
    stems = {path.with_suffix("") for path in candidates}
    for path in candidates:
        relative = path.relative_to(root).as_posix()
        match = _MASK_STEM.fullmatch(path.stem)
        if match and path.with_name(match["image"]) in stems:
            reason = "looks like the mask of another file (name it in a manifest.csv)"
            skipped.append(Skipped(relative, reason))
        else:
            pathology = _FOLDERS.get(path.parent.name.lower()) if path.parent != root else None
            images.append(
                LabelledImage(
                    image_id=safe_id(relative),
                    image_path=path,
                    pathology=pathology,
                    has_mask=pathology is Pathology.NORMAL,
                )
            )
    return DatasetReading(
        name=slug(root.resolve().name),
        layout="folder",
        images=tuple(images),
        skipped=tuple(skipped),
    )


def _is_image(path: Path, root: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
    return not hidden and path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()
