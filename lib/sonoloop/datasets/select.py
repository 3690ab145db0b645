"""Which part of a data set a command works on: ``DIR`` or ``DIR@1,2,3``."""

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from sonoloop.datasets.layouts import read_dataset
from sonoloop.datasets.reading import DatasetReading, Layout
from sonoloop.datasets.splits import families
from sonoloop.errors import DatasetError
from sonoloop.records import LabelledImage

FOLDS = 5
"""A data set that names no splits is cut into folds ``1`` to ``5``."""


def assign_folds(images: Sequence[LabelledImage]) -> list[LabelledImage]:
    """The images with ``split`` = ``"1"`` to ``"5"``, patients and groups kept together.

    The fold is a hash of the family's smallest image id, so it is the same on every machine.
    """
    folded = []
    for family in families(images):
        name = min(image.image_id for image in family)
        fold = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") % FOLDS + 1
        folded += [dataclasses.replace(image, split=str(fold)) for image in family]
    return folded


def select(
    source: str, *, layout: Layout | Literal["auto"] = "auto", split: str = ""
) -> DatasetReading:
    """Images of ``source``, of the named splits only.

    Args:
        source: Folder or manifest, with ``@`` and a comma-separated list of splits behind it to
            take only these.
        layout: How it is laid out.
        split: Splits to take where ``source`` names none; empty takes all.

    Raises:
        DatasetError: If the data set cannot be read or has no image in these splits.
    """
    path, at, named = source.rpartition("@")
    if not at or Path(source).exists():
        path, named = source, split
    reading = read_dataset(Path(path), layout)
    images = list(reading.images)
    if all(image.split is None for image in images):
        images = assign_folds(images)
    wanted = {name.strip() for name in named.split(",") if name.strip()}
    known = {image.split for image in images if image.split}
    if not wanted <= known:
        raise DatasetError(
            f"{path} has no split {', '.join(sorted(wanted - known))} "
            f"(it has {', '.join(sorted(known))})"
        )
    chosen = [image for image in images if not wanted or image.split in wanted]
    return dataclasses.replace(reading, images=tuple(chosen))
