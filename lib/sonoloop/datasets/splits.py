"""Division into training and validation that no patient and no near-duplicate crosses."""

import hashlib
import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Final

from sonoloop.errors import DatasetError
from sonoloop.labels import Pathology
from sonoloop.records import LabelledImage

VALIDATION_SALT: Final = 20
"""Salt of the hash that places patients in trainings: one constant, so that a patient who was once
held out stays held out in every later training."""


def has_lesion(image: LabelledImage) -> bool:
    """Whether a lesion outline can be expected: there is a mask file, and the image is not normal.

    No file is opened.
    """
    return bool(image.mask_paths) and image.pathology is not Pathology.NORMAL


def hold_out(
    images: Sequence[LabelledImage],
    *,
    fraction: float,
    part: int = 0,
    must_hold: Callable[[LabelledImage], bool] = lambda image: True,
) -> tuple[list[LabelledImage], list[LabelledImage]]:
    """Training and validation images of a training, as :func:`split_by_patient` cuts them.

    Where chance holds out no image of the kind that validation needs, as it may among the first
    few labels, the family with such an image that comes first by hash is held out as well.

    Args:
        images: Every labelled image.
        fraction: Share of the families held out, on average, in (0, 1).
        part: Which of the 1 / ``fraction`` parts, from 0.
        must_hold: Kind of image of which validation needs at least one.

    Raises:
        DatasetError: If ``fraction`` is not in (0, 1) or has no such part.
    """
    train, validation = split_by_patient(images, fraction=fraction, seed=VALIDATION_SALT, part=part)
    if any(map(must_hold, validation)) or not any(map(must_hold, train)):
        return train, validation
    names = dict(zip((image.image_id for image in images), _family_names(images), strict=True))
    eligible = {names[image.image_id] for image in train if must_hold(image)}
    chosen = min(eligible, key=lambda family: (hash_place(family, VALIDATION_SALT), family))
    moved = [image for image in train if names[image.image_id] == chosen]
    return [i for i in train if names[i.image_id] != chosen], [*validation, *moved]


def split_by_patient(
    images: Sequence[LabelledImage], *, fraction: float, seed: int, part: int = 0
) -> tuple[list[LabelledImage], list[LabelledImage]]:
    """Training and validation images, each in the order given.

    Images that share a patient or a group, directly or through others, stay together; each such
    family is placed by a salted hash of its name alone. So the place of a family does not depend
    on what else is there, and an image that was once trained on never becomes validation when
    more is labelled (unless it turns out to belong to another family).

    Args:
        images: With ``patient`` or ``group`` where known; an image with neither stands alone.
        fraction: Share of the families held out, on average, in (0, 1).
        seed: Salt of the hash.
        part: Which of the 1 / ``fraction`` parts, from 0; no family is in two of them.

    Returns:
        (training, validation). When chance would hold out nothing, the family with the smallest
        hash is held out, so validation is empty only for no images; training is empty when there
        is but one family.

    Raises:
        DatasetError: If ``fraction`` is not in (0, 1) or has no such part.
    """
    if not 0 < fraction < 1:
        raise DatasetError(f"fraction must be in (0, 1), got {fraction}")
    if not 0 <= part < round(1 / fraction, 9):
        raise DatasetError(
            f"part {part} of shares of {fraction} lies outside of the whole (count from 0 to "
            f"{math.ceil(round(1 / fraction, 9)) - 1})"
        )
    places = {family: hash_place(family, seed) for family in set(_family_names(images))}
    held_out = {family for family, place in places.items() if int(place / fraction) == part}
    if places and not held_out:
        held_out = {min(places, key=lambda family: (places[family], family))}
    train: list[LabelledImage] = []
    validation: list[LabelledImage] = []
    for image, family in zip(images, _family_names(images), strict=True):
        (validation if family in held_out else train).append(image)
    return train, validation


def families(images: Sequence[LabelledImage]) -> list[list[LabelledImage]]:
    """Images that must stay together, family by family, in order of first appearance."""
    members: dict[str, list[LabelledImage]] = defaultdict(list)
    for image, family in zip(images, _family_names(images), strict=True):
        members[family].append(image)
    return list(members.values())


def _family_names(images: Sequence[LabelledImage]) -> list[str]:
    """Per image, the smallest patient or group that it is connected with."""
    parent: dict[str, str] = {}

    def root(token: str) -> str:
        parent.setdefault(token, token)
        while parent[token] != token:
            parent[token] = parent[parent[token]]
            token = parent[token]
        return token

    for image in images:
        first, *others = tokens_of(image)
        for other in others:
            low, high = sorted((root(first), root(other)))
            parent[high] = low
    return [root(tokens_of(image)[0]) for image in images]


def tokens_of(image: LabelledImage) -> list[str]:
    """Names of all that an image may share with others: patient, group; its own where none is."""
    tokens = [f"patient:{image.patient}"] if image.patient else []
    tokens += [f"group:{image.group}"] if image.group else []
    return tokens or [f"image:{image.image_id}"]


def hash_place(family: str, seed: int) -> float:
    """A number in [0, 1) that depends on the name and the salt ``seed`` alone."""
    digest = hashlib.sha256(f"{seed}/{family}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
