"""Versions of a label as 3D Slicer's reviewer module knows them: ``version_1``, ``version_2``, ...

A version is a final revision of whoever saved it, with its name kept beside; what the module says
of it (approved or flagged, by whom, how difficult) is kept as it says it.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sonoloop.errors import NotFoundError
from sonoloop.records import Annotation
from sonoloop.store.store import Store

VERSION_TAG: Final = re.compile(r"version_[1-9][0-9]{0,5}")
VERSION: Final = "version"
"""Key of a version's name in what is kept beside a revision."""
REVIEW: Final = "segmentationMeta"
"""Key of what the module says of a label; ``approvedBy`` there is the reviewer."""


def is_version(tag: str) -> bool:
    """Whether a label tag is the name of a version.

    Example:
        >>> is_version("version_2"), is_version("final")
        (True, False)
    """
    return VERSION_TAG.fullmatch(tag) is not None


def as_version(params: Mapping[str, Any], tag: str) -> dict[str, Any]:
    """The parameters of a label that is saved as a version; its reader is the reviewer.

    The module sends no other name than that in ``approvedBy``.
    """
    review = params.get(REVIEW)
    reviewer = review.get("approvedBy") if isinstance(review, Mapping) else None
    named = {"reader": reviewer} if reviewer and not params.get("reader") else {}
    return {**params, **named, VERSION: tag}


def version_of(store: Store, image_id: str, tag: str) -> Annotation:
    """The newest revision of that version which was not taken back.

    Raises:
        NotFoundError: If there is no such image, or no such version of its label.
    """
    for annotation in reversed(store.annotations.history(image_id)):
        if annotation.withdrawn_at is None and name_of(annotation) == tag:
            return annotation
    raise NotFoundError(f"image {image_id} has no label {tag!r}")


def listed(labels: Sequence[Annotation]) -> dict[str, Annotation]:
    """Labels of one image by the name the module knows them by.

    Versions stand under their own names, the newest last: the module numbers on from there. Under
    ``final`` stands what readers said otherwise, or a version where nobody else said anything.

    Args:
        labels: What holds for the image, the weightiest first.
    """
    versions = {name: one for one in reversed(labels) if (name := name_of(one))}
    plain = [one for one in labels if name_of(one) is None]
    found: dict[str, Annotation] = {}
    for one in (*plain, *labels):
        found.setdefault(one.tag, one)
    by_age = sorted(versions.items(), key=lambda item: item[1].revision)
    return found | dict(by_age)


def name_of(annotation: Annotation) -> str | None:
    """Name of the version that a revision is, or None."""
    name = annotation.info.get(VERSION)
    return name if isinstance(name, str) and is_version(name) else None


def to_comment(store: Store, image_id: str, tag: str) -> Annotation | None:
    """The revision that a comment on the label ``tag`` belongs to, as :func:`listed` names them.

    None where no version is involved: then it belongs to what stands.

    Raises:
        NotFoundError: If there is no such image, or no such version of its label.
    """
    if is_version(tag):
        return version_of(store, image_id, tag)
    readings = store.annotations.newest_by_reader(image_id).values() if tag == "final" else ()
    plain = [one for one in readings if name_of(one) is None]
    if len(plain) == len(readings):
        return None
    return max(plain, key=lambda one: one.revision, default=None)
