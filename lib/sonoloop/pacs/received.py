"""DICOM files that were sent to us, kept below the workspace: never in the study folder.

An instance is never overwritten: DICOM knows no other content under the same SOPInstanceUID
(PS3.3 C.12.1.1.1). Sent twice with the same bytes, it was kept already.
"""

import os
from pathlib import Path
from typing import Final

from pydicom import Dataset

from sonoloop.errors import ImageReadError, InstanceRefusedError, StoreError
from sonoloop.imaging.dicom_header import PARSE_ERRORS
from sonoloop.pacs.attributes import address_of, read_attributes
from sonoloop.pacs.port import InstanceAddress
from sonoloop.pacs.sop_classes import is_document, is_image
from sonoloop.store.files import make_folder, move_into_place, write_incoming

IMAGES: Final = "images"
DOCUMENTS: Final = "documents"
"""Segmentations and reports: apart, so that the scan does not take them for broken images."""

MAX_INSTANCE_BYTES: Final = 512 * 2**20


class UnacceptableError(InstanceRefusedError):
    """An instance is not taken.

    Attributes:
        reason: Failure reason of PS3.18 Table 10.5.3-1 (PS3.7 C), such as ``REFUSED_CLASS``.
        address: What the instance is called, where that could be read.
    """

    def __init__(self, reason: int, message: str, address: InstanceAddress | None = None) -> None:
        self.reason = reason
        self.address = address
        super().__init__(message)


OUT_OF_RESOURCES: Final = 0xA700
DOES_NOT_MATCH: Final = 0xA900
"""The data set does not match its SOP class; here also the study it was sent to."""
CANNOT_UNDERSTAND: Final = 0xC000
DUPLICATE: Final = 0x0111
REFUSED_CLASS: Final = 0x0122
"""SOP class not supported."""


def checked(data: bytes, *, study: str | None) -> tuple[Dataset, InstanceAddress]:
    """Header and address of an instance that may be kept.

    Args:
        data: A DICOM file.
        study: The study it was sent to; None takes every study.

    Raises:
        UnacceptableError: If it is too large, cannot be read, is neither an ultrasound image nor
            SEG nor SR, or belongs to another study.
    """
    if len(data) > MAX_INSTANCE_BYTES:
        raise UnacceptableError(
            OUT_OF_RESOURCES,
            f"an instance has {len(data)} bytes (at most {MAX_INSTANCE_BYTES >> 20} MiB)",
        )
    try:
        dataset = read_attributes(data)
        address = address_of(dataset)
    except ImageReadError as error:
        raise UnacceptableError(CANNOT_UNDERSTAND, f"no DICOM instance: {error}") from error
    sop_class, modality = _text(dataset, "SOPClassUID"), _text(dataset, "Modality")
    if not (is_image(sop_class, modality) or is_document(sop_class)):
        raise UnacceptableError(
            REFUSED_CLASS,
            f"SOP class {sop_class[:64]!r} is not taken (two-dimensional ultrasound, SEG and SR "
            f"are)",
            address,
        )
    if study is not None and address.study != study:
        raise UnacceptableError(
            DOES_NOT_MATCH, f"the instance belongs to study {address.study}, not {study}", address
        )
    return dataset, address


def _text(dataset: Dataset, keyword: str) -> str:
    try:
        return str(dataset.get(keyword) or "")
    except PARSE_ERRORS:
        return ""


def keep(root: Path, data: bytes, dataset: Dataset, address: InstanceAddress) -> str:
    """Write an instance below ``root``; on the disk when this returns.

    Returns:
        Its path relative to ``root``, posix.

    Raises:
        UnacceptableError: If a file with other content lies there.
        StoreError: If it cannot be written.
    """
    kind = DOCUMENTS if is_document(_text(dataset, "SOPClassUID")) else IMAGES
    relative = f"{kind}/{address.study}/{address.series}/{address.instance}.dcm"
    target = root / relative
    if target.exists():
        if same_bytes(target, data):
            return relative
        raise other_content(address)
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot make {root}: {error.strerror} (nothing was kept)") from error
    for folder in reversed(list(target.relative_to(root).parents)[:-1]):
        make_folder(root / folder)
    incoming = write_incoming(target.parent, data)
    try:
        move_into_place(incoming, target)
    finally:
        incoming.unlink(missing_ok=True)
    return relative


def other_content(address: InstanceAddress) -> UnacceptableError:
    """What is told of an instance that is here already, and not with the same bytes."""
    return UnacceptableError(
        DUPLICATE,
        f"instance {address.instance} is here with other content (a changed instance needs a "
        f"SOPInstanceUID of its own)",
        address,
    )


def same_bytes(path: Path, data: bytes) -> bool:
    """Whether a file holds exactly ``data``; False where it cannot be read."""
    try:
        return os.path.getsize(path) == len(data) and path.read_bytes() == data
    except OSError:
        return False
