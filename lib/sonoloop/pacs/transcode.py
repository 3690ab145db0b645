"""DICOM files for clients that do not take the encoding in which they are stored."""

import io
from pathlib import Path
from typing import Final

from pydicom import Dataset
from pydicom.filereader import dcmread
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian

from sonoloop.errors import ImageReadError, NotAcceptableError
from sonoloop.imaging.dicom_header import PARSE_ERRORS
from sonoloop.imaging.stored import plain_module, read_plain_frame
from sonoloop.pacs.attributes import read_attributes

EXPLICIT_LITTLE_ENDIAN: Final = str(ExplicitVRLittleEndian)
"""What DICOMweb sends when a client names no transfer syntax (PS3.18 8.7.3.5.2)."""

MOST_PLAIN_BYTES: Final = 512 * 2**20


def syntax_of(path: Path) -> str:
    """Transfer syntax in which a file is stored.

    Raises:
        ImageReadError: If it cannot be read.
    """
    meta = read_attributes(path, keywords=("SOPInstanceUID",)).file_meta
    return str(meta.TransferSyntaxUID)


def plain_instance(path: Path) -> bytes:
    """The instance in ``path`` as an Explicit VR Little Endian file, its pixels decompressed.

    Raises:
        NotAcceptableError: If that would change or lose something.
        ImageReadError: If it cannot be read.
    """
    syntax = syntax_of(path)
    if syntax == EXPLICIT_LITTLE_ENDIAN:
        return path.read_bytes()
    if syntax == ExplicitVRBigEndian:
        raise NotAcceptableError(_refused(syntax))
    try:
        dataset = _decompressed(path) if UID(syntax).is_compressed else dcmread(path)
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        written = io.BytesIO()
        dataset.save_as(written, enforce_file_format=True)
    except PARSE_ERRORS as error:
        if isinstance(error, ImageReadError | NotAcceptableError):
            raise
        raise NotAcceptableError(_refused(syntax)) from error
    return written.getvalue()


def _decompressed(path: Path) -> Dataset:
    """The header, and pixels in RGB where they were coloured; what followed these is left out."""
    dataset = read_attributes(path)
    module = plain_module(path)
    if module is None or module.frame_count * module.frame_bytes > MOST_PLAIN_BYTES:
        raise NotAcceptableError(_refused(str(dataset.file_meta.TransferSyntaxUID)))
    frames = [read_plain_frame(path, frame) for frame in range(module.frame_count)]
    padding = b"\0" * (sum(map(len, frames)) % 2)
    dataset.add_new("PixelData", "OB", b"".join((*frames, padding)))
    if module.space != "grey":
        dataset.PhotometricInterpretation = "RGB"
        dataset.PlanarConfiguration = 0
    return dataset


def _refused(syntax: str) -> str:
    return (
        f"the instance is stored in transfer syntax {syntax} and cannot be given in another "
        f"(accept transfer-syntax=*)"
    )
