"""Any file to one grey ultrasound frame, or a refusal with a code: never a wrong image."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Final, TypeVar

from sonoloop.imaging.dicom import read_dicom, read_dicom_header
from sonoloop.imaging.dicom_header import PREAMBLE_BYTES, has_dicom_magic
from sonoloop.imaging.image import ImageHeader, UltrasoundImage
from sonoloop.imaging.picture import picture_format, read_picture, read_picture_header
from sonoloop.imaging.vocabulary import MAX_FILE_BYTES, Refusal, refusal

IMAGE_SUFFIXES: Final = (".dcm", ".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
"""Suffixes of files that may be images."""

_UID_NAME: Final = re.compile(r"[0-9.]+")

_Read = TypeVar("_Read")


def read_image(path: Path, *, frame: int = 0) -> UltrasoundImage:
    """One frame of a DICOM, PNG, JPEG, BMP or TIFF file; the content decides, not the name.

    Args:
        path: The file.
        frame: Of a cine or a TIFF of several pages, from 0.

    Raises:
        ImageReadError: If this is no image that can be read for certain; its ``code`` is one of
            :class:`~sonoloop.imaging.vocabulary.Refusal`.
    """
    return _read(
        path,
        lambda file, size: read_dicom(file, size, frame),
        lambda file, size, kind: read_picture(file, size, kind, frame),
    )


def read_header(path: Path) -> ImageHeader:
    """What :func:`read_image` would say of the file, without decoding its pixels.

    Raises:
        ImageReadError: As :func:`read_image` does, as far as the header tells.
    """
    return _read(path, read_dicom_header, read_picture_header)


def is_candidate(path: Path) -> bool:
    """Whether a file found in a folder may be an image, judged by its name.

    Names without a suffix, or made of digits and dots as UIDs are, count when the file has
    DICOM's mark. Hidden files and the ``._`` files of macOS never do.
    """
    if path.name.startswith("."):
        return False
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return True
    return (not path.suffix or bool(_UID_NAME.fullmatch(path.name))) and has_dicom_magic(path)


def _read(
    path: Path,
    dicom: Callable[[BinaryIO, int], _Read],
    picture: Callable[[BinaryIO, int, str], _Read],
) -> _Read:
    try:
        with path.open("rb") as file:
            head = file.read(PREAMBLE_BYTES)
            size = file.seek(0, 2)
            _check_size(size)
            if head[128:] == b"DICM":
                return dicom(file, size)
            kind = picture_format(head)
            if kind is not None:
                return picture(file, size, kind)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise refusal(Refusal.UNREADABLE, f"the file cannot be opened: {reason}") from error
    raise refusal(
        Refusal.UNKNOWN_FORMAT,
        f"the file begins with {head[:4].hex() or 'nothing'}: neither DICOM with its preamble nor "
        "PNG, JPEG, BMP or TIFF",
    )


def _check_size(size: int) -> None:
    if size == 0:
        raise refusal(Refusal.EMPTY, "the file has 0 bytes")
    if size > MAX_FILE_BYTES:
        raise refusal(
            Refusal.TOO_LARGE, f"the file has {size} bytes (at most {MAX_FILE_BYTES >> 20} MiB)"
        )
