"""Images that clients send as NRRD or NIfTI volumes, as 3D Slicer does with what it has loaded.

One 8-bit grey plane of (W, H[, 1]) voxels is an image; it is kept as PNG with its spacing beside.
"""

import gzip
import io
import math
import re
import zlib
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from sonoloop.errors import ImageReadError, LabelReadError
from sonoloop.geometry import SpacingMm
from sonoloop.imaging.masks import decode_label_map

VOLUME_EXTENSIONS: Final = (".nii.gz", ".nrrd", ".nii")
MAX_SIDE_PX: Final = 8192
_HEADER_BYTES: Final = 64 * 1024
_NIFTI_HEADER_BYTES: Final = 348
_SIZES: Final = re.compile(rb"^sizes:\s*(\d{1,6})\s+(\d{1,6})((?:\s+1)*)\s*$", re.MULTILINE)
_DIRECTIONS: Final = re.compile(rb"^space directions:(.*)$", re.MULTILINE)
_VECTOR: Final = re.compile(rb"\(([^()]*)\)")


def volume_extension(filename: str) -> str | None:
    """``.nrrd``, ``.nii`` or ``.nii.gz`` when ``filename`` ends so, else None."""
    name = filename.lower()
    return next((ext for ext in VOLUME_EXTENSIONS if name.endswith(ext)), None)


def volume_as_png(data: bytes, extension: str, png_path: Path) -> SpacingMm | None:
    """Write the one grey plane of a volume as PNG.

    Returns:
        Its spacing (row, column), or None where the volume says 1.0, which viewers write when
        they know none.

    Raises:
        ImageReadError: If the volume is unreadable, has several slices, or is not 8-bit grey.
    """
    shape, spacing_mm = _nrrd_grid(data) if extension == ".nrrd" else _nifti_grid(data)
    if not all(0 < side <= MAX_SIDE_PX for side in shape):
        raise ImageReadError("size", f"volume of {shape} pixels (1 to {MAX_SIDE_PX} a side)")
    try:
        pixels = decode_label_map(data, f"volume{extension}", shape=shape, max_label=255)
    except LabelReadError as error:
        raise ImageReadError(
            "volume", "not one plane of 8-bit grey voxels (send the image as DICOM or PNG)"
        ) from error
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(stream, "PNG")
    png_path.write_bytes(stream.getvalue())
    return None if spacing_mm == (1.0, 1.0) else spacing_mm


def _nrrd_grid(data: bytes) -> tuple[tuple[int, int], SpacingMm | None]:
    header = data[:_HEADER_BYTES].partition(b"\n\n")[0].replace(b"\r", b"")
    sizes = _SIZES.search(header)
    if not data.startswith(b"NRRD") or sizes is None:
        raise ImageReadError("volume", "not an NRRD file of one slice (sizes: W H 1)")
    shape = (int(sizes[2]), int(sizes[1]))
    directions = _DIRECTIONS.search(header)
    lengths = [_length(vector) for vector in _VECTOR.findall(directions[1])] if directions else []
    if len(lengths) < 2 or not all(0 < length < math.inf for length in lengths[:2]):
        return shape, None
    return shape, (lengths[1], lengths[0])


def _length(vector: bytes) -> float:
    try:
        return math.hypot(*(float(part) for part in vector.split(b",")))
    except ValueError:
        return math.nan


def _nifti_grid(data: bytes) -> tuple[tuple[int, int], SpacingMm | None]:
    try:
        header = _head(data)
        order = "<" if int.from_bytes(header[:4], "little") == _NIFTI_HEADER_BYTES else ">"
        dims = np.frombuffer(header, f"{order}i2", 8, offset=40)
        zooms = np.frombuffer(header, f"{order}f4", 8, offset=76)
        magic = header[344:347]
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise ImageReadError("volume", "not a NIfTI file") from error
    slices = dims[3 : 1 + int(dims[0])] if 2 <= dims[0] <= 7 else [0]
    if magic not in (b"n+1", b"ni1") or any(int(count) != 1 for count in slices):
        raise ImageReadError("volume", "not a NIfTI file of one slice (W x H x 1)")
    spacing = (float(zooms[2]), float(zooms[1]))
    known = all(0 < value < math.inf for value in spacing)
    return (int(dims[2]), int(dims[1])), spacing if known else None


def _head(data: bytes) -> bytes:
    if data[:2] != b"\x1f\x8b":
        return data[:_NIFTI_HEADER_BYTES]
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
        return stream.read(_NIFTI_HEADER_BYTES)
