"""Frames of any DICOM file: as they are stored, and as they are looked at in colour.

Viewers decode for themselves and want the stored bytes; thumbnails and clients that know no
compression want pixels. The grey picture that models see is that of :mod:`sonoloop.imaging.read`.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydicom.uid import ExplicitVRBigEndian, RLELossless

from sonoloop.imaging.dicom_header import PREAMBLE_BYTES, ParsedFile, parse_file
from sonoloop.imaging.encapsulation import read_frame
from sonoloop.imaging.frames import READABLE_SYNTAXES, decode_frame
from sonoloop.imaging.pixel_module import PixelModule, pixel_module
from sonoloop.imaging.vocabulary import MAX_FRAMES, MAX_PIXELS, Refusal, refusal

_MOST_FRAME_BYTES: Final = 4 * MAX_PIXELS


@dataclass(frozen=True, slots=True)
class StoredFrame:
    """One frame as it lies in its file.

    Attributes:
        transfer_syntax: UID of its encoding; pixels that are not compressed are little endian.
    """

    data: bytes
    transfer_syntax: str


def read_stored_frame(path: Path, frame: int) -> StoredFrame:
    """The bytes of one frame.

    Args:
        path: A DICOM file of any SOP class with pixels, such as a segmentation of one bit each.
        frame: From 0.

    Raises:
        ImageReadError: If the file cannot be read or has no such frame.
    """
    with _open(path) as (file, parsed):
        count = _frame_count(parsed)
        if not 0 <= frame < count:
            raise refusal(Refusal.FRAME, f"there is no frame {frame + 1} (frames are 1 to {count})")
        syntax = parsed.transfer_syntax
        if syntax.is_compressed:
            data = read_frame(
                file,
                parsed.pixel_element.offset,
                frame,
                count,
                one_fragment_each=syntax == RLELossless,
            )
        else:
            data = _native(file, parsed, frame)
        return StoredFrame(data, str(syntax))


def frame_count(path: Path) -> int:
    """Number of frames that a DICOM file with pixels says it has.

    Raises:
        ImageReadError: If the file cannot be read, or the number is absurd.
    """
    with _open(path) as (_, parsed):
        return _frame_count(parsed)


def read_picture_of(path: Path, frame: int) -> npt.NDArray[np.uint8]:
    """One frame as it is looked at: (H, W) grey or (H, W, 3) RGB, dark on 0.

    Raises:
        ImageReadError: If the file cannot be read or decoded, or has no such frame.
    """
    with _open(path) as (file, parsed):
        module = pixel_module(parsed)
        samples: npt.NDArray[np.uint8] = _decoded(file, module, frame)
        if module.palette is not None:
            samples = module.palette[np.minimum(samples, len(module.palette) - 1)]
        return 255 - samples if module.inverted else samples


def read_plain_frame(path: Path, frame: int) -> bytes:
    """One frame without compression, as its own header describes it but in RGB where in colour.

    Raises:
        ImageReadError: If it cannot be decoded, or not without loss.
    """
    with _open(path) as (file, parsed):
        if not parsed.transfer_syntax.is_compressed:
            return read_stored_frame(path, frame).data
        module = pixel_module(parsed)
        if not is_exact(module):
            raise refusal(
                Refusal.PIXEL_FORMAT,
                f"samples of {module.bits_stored} bits are not decompressed here (take them as "
                f"they are stored)",
            )
        return np.ascontiguousarray(_decoded(file, module, frame)).tobytes()


def is_exact(module: PixelModule) -> bool:
    """Whether decoded samples are those that are stored: 16-bit ones are scaled to 8."""
    return module.bits_allocated == 8 and (module.bits_stored == 8 or module.palette is not None)


def plain_module(path: Path) -> PixelModule | None:
    """How the pixels of a compressed file are described when it can be decompressed, else None.

    Raises:
        ImageReadError: If the file cannot be read.
    """
    with _open(path) as (_, parsed):
        module = pixel_module(parsed)
        return module if is_exact(module) else None


@contextlib.contextmanager
def _open(path: Path) -> Iterator[tuple[BinaryIO, ParsedFile]]:
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(PREAMBLE_BYTES - 4)
            if file.read(4) != b"DICM":
                raise refusal(Refusal.UNKNOWN_FORMAT, "the file is no DICOM")
            yield file, parse_file(file, size, READABLE_SYNTAXES)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise refusal(Refusal.UNREADABLE, f"the file cannot be opened: {reason}") from error


def _frame_count(parsed: ParsedFile) -> int:
    text = parsed.elements.text("NumberOfFrames") or "1"
    count = int(text) if text.isascii() and text.isdigit() and len(text) < 8 else 0
    if not 0 < count <= MAX_FRAMES:
        raise refusal(Refusal.DIMENSIONS, f"{text[:16]!r} frames (1 to {MAX_FRAMES} are read)")
    return count


def _native(file: BinaryIO, parsed: ParsedFile, frame: int) -> bytes:
    """Of an uncompressed file; frames of one bit a pixel do not begin at a byte (PS3.5 8.1.1)."""
    elements = parsed.elements
    samples, bits = elements.short("SamplesPerPixel") or 1, elements.short("BitsAllocated") or 8
    if elements.text("PhotometricInterpretation") == "YBR_FULL_422":
        samples = 2
    pixels = (elements.short("Rows") or 0) * (elements.short("Columns") or 0) * samples
    length = pixels * bits
    first, last = frame * length // 8, -(-(frame + 1) * length // 8)
    if not 0 < last - first <= _MOST_FRAME_BYTES:
        raise refusal(Refusal.DIMENSIONS, f"a frame of {pixels} samples of {bits} bits")
    file.seek(parsed.pixel_element.offset + first)
    data = file.read(last - first)
    if len(data) < last - first:
        raise refusal(
            Refusal.TRUNCATED, f"frame {frame + 1} has {len(data)} of {last - first} bytes"
        )
    if bits == 1 and length % 8:
        begin = frame * length % 8
        several = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
        return np.packbits(several[begin : begin + length], bitorder="little").tobytes()
    if parsed.transfer_syntax == ExplicitVRBigEndian and (
        bits == 16 or parsed.pixel_element.byte_swapped
    ):
        return np.frombuffer(data, np.uint16).byteswap().tobytes()
    return data


def _decoded(file: BinaryIO, module: PixelModule, frame: int) -> npt.NDArray[Any]:
    if not 0 <= frame < module.frame_count:
        raise refusal(
            Refusal.FRAME, f"there is no frame {frame + 1} (frames are 1 to {module.frame_count})"
        )
    decoded = decode_frame(file, module, frame)
    if decoded.space != "ybr":
        return decoded.samples
    # JPEG's YCbCr and DICOM's YBR_FULL are the same, full-range, ITU-R BT.601.
    return np.asarray(
        Image.fromarray(np.ascontiguousarray(decoded.samples), "YCbCr").convert("RGB")
    )
