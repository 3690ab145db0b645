"""Whether an archive gave back what it was given."""

import io
from typing import Final

from pydicom import Dataset, dcmread
from pydicom.datadict import keyword_for_tag
from pydicom.tag import BaseTag

from sonoloop.errors import PacsError
from sonoloop.imaging.dicom_header import PARSE_ERRORS

PIXEL_DATA: Final = BaseTag(0x7FE00010)


def differences(sent: bytes, kept: bytes) -> tuple[str, ...]:
    """Attributes of a DICOM file that an archive changed or lost, by name; empty when none.

    Archives rewrite the file meta information and may add attributes of their own to the data set:
    neither changes what was said.

    Args:
        sent: The file as it was sent.
        kept: The file as the archive gave it back.

    Raises:
        PacsError: If what came back is no DICOM file.
    """
    if sent == kept:
        return ()
    try:
        ours, theirs = (dcmread(io.BytesIO(data)) for data in (sent, kept))
        return tuple(_name(tag) for tag in ours.keys() if _differs(ours, theirs, tag))  # noqa: SIM118 - iterating interprets every value at once
    except PARSE_ERRORS as error:
        raise PacsError(
            f"the archive gave a document back that is no DICOM file: {type(error).__name__}"
        ) from error


def _differs(ours: Dataset, theirs: Dataset, tag: BaseTag) -> bool:
    if tag not in theirs:
        return not ours[tag].is_empty  # an archive may leave out what says nothing
    first, second = ours[tag], theirs[tag]
    if tag == PIXEL_DATA:  # stored with even length
        return bool(first.value.rstrip(b"\0") != second.value.rstrip(b"\0"))
    return bool(first.value != second.value) and not (first.is_empty and second.is_empty)


def _name(tag: BaseTag) -> str:
    return keyword_for_tag(tag) or str(tag)
