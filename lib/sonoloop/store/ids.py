"""Identifiers that are safe as file names and unambiguous in addresses."""

import re
from typing import Final, get_args

from sonoloop.errors import InvalidIdError
from sonoloop.records import LabelTag

IMAGE_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
MAX_ID: Final = 2**31 - 1
"""Largest number of a row that every database has."""
LABEL_TAGS: Final[tuple[LabelTag, ...]] = get_args(LabelTag)


def _shown(text: object) -> str:
    shown = repr(text)
    return shown if len(shown) <= 80 else f"{shown[:77]}..."


def validate_image_id(text: str) -> str:
    """The identifier itself, when it could be one of ours.

    Raises:
        InvalidIdError: If it is empty, longer than 128 characters, holds anything but letters,
            digits, ``.``, ``_`` and ``-``, starts with one of the last three, or holds ``..``.

    Example:
        >>> validate_image_id("1.2.826.0.1_f3")
        '1.2.826.0.1_f3'
    """
    if not IMAGE_ID.fullmatch(text) or ".." in text:
        raise InvalidIdError(
            f"not an identifier: {_shown(text)} (1 to 128 letters, digits, dots, underscores "
            f"and hyphens, no two dots in a row)"
        )
    return text


def validate_tag(text: str) -> LabelTag:
    """The label tag named by ``text``.

    Raises:
        InvalidIdError: If it is neither ``final`` (a reader's) nor ``original`` (a model's draft).

    Example:
        >>> validate_tag("final")
        'final'
    """
    for tag in LABEL_TAGS:
        if text == tag:
            return tag
    raise InvalidIdError(f"unknown label tag {_shown(text)} (one of {', '.join(LABEL_TAGS)})")
