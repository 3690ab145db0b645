"""Frames of a segmentation from its pixel data: bits, bytes and run lengths.

pydicom decodes no run lengths of single bits, which is what viewers write; PackBits is small enough
to be read here, within bounds (PS3.5 G.3, PS3.5 8.1.1).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from pydicom.encaps import generate_frames
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from sonoloop.errors import DocumentError

READABLE: Final = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, RLELossless)
"""Transfer syntaxes that are read. A deflated one could hold gigabytes."""

Values = npt.NDArray[np.unsignedinteger[Any]]

_HEADER_BYTES: Final = 64
_MAX_SEGMENTS: Final = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameForm:
    """How the frames are stored.

    Attributes:
        bits: BitsAllocated: 1, 8 or 16.
        by_dcmjs: Written by the library of OHIF, which begins every frame at a whole byte, where
            the standard runs the bits of all frames together.
    """

    rows: int
    columns: int
    count: int
    bits: int
    transfer_syntax: UID
    by_dcmjs: bool = False

    @property
    def pixels(self) -> int:
        """Of one frame."""
        return self.rows * self.columns

    @property
    def frame_bytes(self) -> int:
        """Of one frame that begins at a whole byte."""
        return -(-self.pixels * self.bits // 8)


def frames(data: bytes, form: FrameForm) -> Iterator[Values]:
    """Every frame as (H, W) unsigned numbers, one at a time.

    Raises:
        DocumentError: If there are fewer bytes than the frames need, or run lengths are broken.
    """
    if form.transfer_syntax == RLELossless:
        encoded = generate_frames(data, number_of_frames=form.count)
        for number, frame in zip(range(form.count), encoded, strict=True):
            yield _shaped(_from_run_lengths(frame, form, number), form)
        return
    step = form.frame_bytes * 8 if _is_aligned(len(data), form) else form.pixels * form.bits
    for number in range(form.count):
        yield _shaped(_native(data, number * step, form), form)


def _is_aligned(length: int, form: FrameForm) -> bool:
    """Whether every frame begins at a whole byte though its bits do not fill one."""
    together = -(-form.count * form.pixels * form.bits // 8)
    apart = form.count * form.frame_bytes
    if length < together:
        raise DocumentError(
            f"segmentation of {form.count} frames needs {together} bytes of pixels, has {length}"
        )
    if length not in (apart, apart + apart % 2):
        return False
    return (form.by_dcmjs and apart != together) or length not in (
        together,
        together + together % 2,
    )


def _native(data: bytes, first: int, form: FrameForm) -> npt.NDArray[np.uint8]:
    """The bytes of the frame at bit ``first``, moved to begin at a whole byte."""
    last = first + form.pixels * form.bits
    raw = np.frombuffer(data, np.uint8, -(-last // 8) - first // 8, first // 8)
    if first % 8 == 0:
        return raw
    bits = np.unpackbits(raw, bitorder="little")[first % 8 :]
    return np.packbits(bits, bitorder="little")


def _shaped(raw: npt.NDArray[np.uint8], form: FrameForm) -> Values:
    if form.bits == 1:
        values = np.unpackbits(raw, count=form.pixels, bitorder="little")
    else:
        values = raw[: form.frame_bytes].view(f"<u{form.bits // 8}")
    return values.reshape(form.rows, form.columns)


def _from_run_lengths(frame: bytes, form: FrameForm, number: int) -> npt.NDArray[np.uint8]:
    planes = max(1, form.bits // 8)
    if len(frame) < _HEADER_BYTES:
        raise DocumentError(f"frame {number + 1} of run lengths has only {len(frame)} bytes")
    count, *offsets = struct.unpack(f"<{1 + _MAX_SEGMENTS}I", frame[:_HEADER_BYTES])
    starts = [*offsets[:planes], len(frame)]
    if count != planes or starts != sorted(starts) or starts[0] < _HEADER_BYTES:
        raise DocumentError(
            f"frame {number + 1} has {count} planes of run lengths ({planes} hold {form.bits} bits)"
        )
    size = form.frame_bytes // planes
    decoded = [unpack_bits(frame[a:b], size) for a, b in pairwise(starts)]
    if any(len(plane) < size for plane in decoded):
        raise DocumentError(f"run lengths of frame {number + 1} end before its {size} bytes")
    most_significant_first = np.stack([np.frombuffer(plane, np.uint8) for plane in decoded])
    return np.ascontiguousarray(most_significant_first[::-1].T).ravel()


def unpack_bits(data: bytes, limit: int) -> bytes:
    r"""What PackBits run lengths stand for, at most ``limit`` bytes of it (PS3.5 G.3.1).

    Example:
        >>> unpack_bits(bytes([2, 7, 8, 9, 254, 5, 128]), 10)
        b'\x07\x08\t\x05\x05\x05'
    """
    out = bytearray()
    position = 0
    while position + 1 < len(data) and len(out) < limit:
        length = data[position]
        if length < 128:
            out += data[position + 1 : position + 2 + length]
            position += 2 + length
        elif length > 128:
            out += data[position + 1 : position + 2] * (257 - length)
            position += 2
        else:
            position += 1
    return bytes(out[:limit])
