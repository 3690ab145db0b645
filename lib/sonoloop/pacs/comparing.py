"""Whether an archive gave back what it was given."""

import io
from dataclasses import dataclass
from typing import Any, Final

from pydicom import Dataset, dcmread
from pydicom.datadict import keyword_for_tag
from pydicom.tag import BaseTag

from sonoloop.errors import PacsError
from sonoloop.imaging.dicom_header import PARSE_ERRORS

PIXEL_DATA: Final = BaseTag(0x7FE00010)


@dataclass(frozen=True, slots=True)
class Differences:
    """Attributes by name.

    Attributes:
        lost: Missing in what came back, or cut where it ends: an archive may yet have the rest.
        changed: With other values.
    """

    lost: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


def differences(sent: bytes, kept: bytes) -> Differences:
    """Attributes of a DICOM file that an archive changed or lost.

    Archives rewrite the file meta information and may add attributes of their own to the data set:
    neither changes what was said.

    Args:
        sent: The file as it was sent.
        kept: The file as the archive gave it back.

    Raises:
        PacsError: If what came back is no DICOM file.
    """
    if sent == kept:
        return Differences()
    try:
        ours, theirs = (dcmread(io.BytesIO(data)) for data in (sent, kept))
        lost = [tag for tag in ours.keys() if _is_lost(ours, theirs, tag)]  # noqa: SIM118 - iterating interprets every value at once
        both = [tag for tag in ours.keys() if tag in theirs and tag not in lost]  # noqa: SIM118
        changed = [tag for tag in both if _differs(ours, theirs, tag)]
        if len(changed) == 1 and _ends_in(theirs, ours, changed[0]):
            lost, changed = [*changed, *lost], []
        return Differences(tuple(map(_name, lost)), tuple(map(_name, changed)))
    except PARSE_ERRORS as error:
        raise PacsError(
            f"the archive gave a document back that is no DICOM file: {type(error).__name__}"
        ) from error


def _is_lost(ours: Dataset, theirs: Dataset, tag: BaseTag) -> bool:
    """An archive may leave out what says nothing."""
    return not ours[tag].is_empty and (tag not in theirs or theirs[tag].is_empty)


def _ends_in(theirs: Dataset, ours: Dataset, tag: BaseTag) -> bool:
    """Whether a file ends in the middle of a value."""
    return tag == max(theirs.keys()) and (
        tag < max(ours.keys()) or _begins_with(ours[tag].value, theirs[tag].value)
    )


def _begins_with(whole: Any, part: Any) -> bool:
    if isinstance(whole, bytes) and isinstance(part, bytes):
        return whole.startswith(part)
    return isinstance(whole, str) and isinstance(part, str) and whole.startswith(part)


def _differs(ours: Dataset, theirs: Dataset, tag: BaseTag) -> bool:
    first, second = ours[tag], theirs[tag]
    if tag == PIXEL_DATA:  # stored with even length
        return bool(first.value.rstrip(b"\0") != second.value.rstrip(b"\0"))
    return bool(first.value != second.value) and not (first.is_empty and second.is_empty)


def _name(tag: BaseTag) -> str:
    return keyword_for_tag(tag) or str(tag)
