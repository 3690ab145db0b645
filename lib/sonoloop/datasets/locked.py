"""The locked validation set: patients on whom candidates are measured, and never trained.

A patient's place is decided once, by hash, and remembered: it does not change when more is
labelled, when the share is changed, or when near-duplicates turn out to join two patients.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sonoloop.datasets.splits import families, hash_place, tokens_of
from sonoloop.errors import DatasetError
from sonoloop.records import LabelledImage

LOCK_SALT: Final = 2005
"""Salt of the hash that locks patients; another than that of trainings, so that the two choices
are independent. With this one 3 of the 20 patients of the sample data are locked."""


@dataclass(frozen=True, slots=True)
class LockedSplit:
    """Labelled images, divided once and for all.

    Attributes:
        trainable: May be trained on.
        locked: Candidates are measured on them.
        set_aside: Neither: locked, but a near-duplicate or another image of theirs was trainable
            before the two were known to belong together.
        places: Whether each patient and group is locked, by :func:`key_of`; to be remembered.
    """

    trainable: tuple[LabelledImage, ...]
    locked: tuple[LabelledImage, ...]
    set_aside: tuple[LabelledImage, ...]
    places: dict[str, bool]


def key_of(token: str) -> str:
    """Under which the place of a patient or group is remembered: a hash, no name."""
    return hashlib.sha256(token.encode()).hexdigest()


def keys_of(images: Sequence[LabelledImage]) -> set[str]:
    """Keys of all patients and groups of some images."""
    return {key_of(token) for image in images for token in tokens_of(image)}


def lock(
    images: Sequence[LabelledImage], *, share: float, known: Mapping[str, bool]
) -> LockedSplit:
    """Divide labelled images into those that may be trained on and those that are locked.

    Images that share a patient or a group of near-duplicates, directly or through others, are one
    family. A family in which nothing has a place yet gets one by the hash of its name alone.
    What joins a family later takes the family's place. When two families of different places turn
    out to be one, each image keeps the place it had, so that nothing that was locked is trained
    on; but the locked ones no longer measure anything, for their like was trained on.

    Args:
        images: Every labelled image.
        share: Share of the families locked, on average, in (0, 1).
        known: Places remembered from before, by :func:`key_of`.

    Raises:
        DatasetError: If ``share`` is not in (0, 1).
    """
    if not 0 < share < 1:
        raise DatasetError(f"the locked share must be in (0, 1), got {share}")
    parts: dict[str, list[LabelledImage]] = {"trainable": [], "locked": [], "set_aside": []}
    places: dict[str, bool] = {}
    for family in families(images):
        keys = keys_of(family)
        before = {known[key] for key in keys if key in known}
        default = before == {True} or (not before and _is_drawn(family, share))
        places |= {key: known.get(key, default) for key in keys}
        for image in family:
            is_locked = any(places[key_of(token)] for token in tokens_of(image))
            part = "set_aside" if len(before) > 1 else "locked"
            parts[part if is_locked else "trainable"].append(image)
    return LockedSplit(
        tuple(parts["trainable"]), tuple(parts["locked"]), tuple(parts["set_aside"]), places
    )


def _is_drawn(family: Sequence[LabelledImage], share: float) -> bool:
    name = min(token for image in family for token in tokens_of(image))
    return hash_place(name, LOCK_SALT) < share
