"""The data sets of a comparison, their training and test splits, and the proof that none mix."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from sonoloop.datasets.select import select
from sonoloop.errors import DatasetError
from sonoloop.labels import Pathology
from sonoloop.records import LabelledImage

BUSBRA_SPLITS = (("1", "2", "3"), ("4",))
"""Training and test folds of BUS-BRA; its fold 5 is left alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Images of one data set.

    Attributes:
        data: Name of the data set.
        splits: Its splits; empty for all.
        lesions_only: Without normal images.
    """

    data: str
    splits: tuple[str, ...] = ()
    lesions_only: bool = False

    def __str__(self) -> str:
        """``busbra@1,2,3``."""
        named = f"{self.data}@{','.join(self.splits)}" if self.splits else self.data
        return f"{named} (lesions)" if self.lesions_only else named


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedSet:
    """A data set with the splits that are trained on and the ones that are tested on.

    Attributes:
        images: Without those whose near-duplicates carry another class.
        conflicts: How many of these there were.
    """

    name: str
    images: tuple[LabelledImage, ...]
    train: tuple[str, ...]
    test: tuple[str, ...]
    conflicts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """How much two lots of images have in common."""

    patients: int
    groups: int
    files: int


def open_set(
    name: str, source: Path, splits: tuple[Sequence[str], Sequence[str]] | None = None
) -> NamedSet:
    """Read a data set.

    Args:
        name: By which scenarios call it.
        source: Folder or manifest.
        splits: Training and test splits; None takes folds 1-3 and 4 of BUS-BRA, and elsewhere the
            last split for testing and the others for training.

    Raises:
        DatasetError: If it cannot be read, has no such splits, or one is in both.
    """
    reading = select(str(source))
    usable = tuple(image for image in reading.images if not image.label_conflict)
    known = sorted({image.split for image in usable if image.split})
    if splits is None:
        splits = BUSBRA_SPLITS if reading.layout == "busbra" else (known[:-1], known[-1:])
    train, test = tuple(splits[0]), tuple(splits[1])
    unknown, both = sorted({*train, *test} - {*known}), sorted({*train} & {*test})
    if unknown or both or not train or not test:
        raise DatasetError(
            f"{name} cannot be trained on splits {', '.join(train) or 'none'} and tested on "
            f"{', '.join(test) or 'none'} (it has {', '.join(known) or 'none'}; none may be in "
            "both)"
        )
    return NamedSet(
        name=name,
        images=usable,
        train=train,
        test=test,
        conflicts=len(reading.images) - len(usable),
    )


def images_of(sets: Mapping[str, NamedSet], parts: Iterable[Part]) -> list[LabelledImage]:
    """The images of some parts, in order."""
    return [
        image
        for part in parts
        for image in sets[part.data].images
        if (not part.splits or image.split in part.splits)
        and not (part.lesions_only and image.pathology is Pathology.NORMAL)
    ]


def shared(first: Iterable[LabelledImage], second: Iterable[LabelledImage]) -> Shared:
    """What two lots of images have in common: patients, near-duplicate groups, picture files."""
    one, other = list(first), list(second)

    def common(key: str) -> int:
        found = [{getattr(image, key) for image in images} for images in (one, other)]
        return len((found[0] & found[1]) - {"", None})

    files = [{(image.image_path.resolve(), image.frame) for image in lot} for lot in (one, other)]
    return Shared(
        patients=common("patient"), groups=common("group"), files=len(files[0] & files[1])
    )


def require_disjoint(train: Iterable[LabelledImage], test: Iterable[LabelledImage]) -> Shared:
    """What training and test images share, which is nothing.

    Raises:
        DatasetError: If they share a patient, a group of near-duplicates or a file.
    """
    found = shared(train, test)
    if found != Shared(patients=0, groups=0, files=0):
        raise DatasetError(
            f"training and test images share {found.patients} patients, {found.groups} groups of "
            f"near-duplicates and {found.files} files (cut the splits by patient, and give "
            "patients of different data sets different names)"
        )
    return found


def fingerprint(images: Iterable[LabelledImage]) -> str:
    """SHA-256 of what is known of some images, and of the sizes of their files."""
    rows = []
    for image in images:
        row = asdict(image)
        files = [row.pop("image_path"), *row.pop("mask_paths")]
        rows.append(json.dumps([row, [(path.name, _size(path)) for path in files]]))
    return hashlib.sha256("\n".join(sorted(rows)).encode()).hexdigest()


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else -1
