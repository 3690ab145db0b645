"""NRRD, as much of it as labels and images of this package need.

Written here because the usual package stamps the time into what it writes, follows a header's
``data file:`` to any path of the machine, and unpacks gzip without a limit.
Format: https://teem.sourceforge.net/nrrd/format.html
"""

import gzip
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sonoloop.errors import LabelReadError
from sonoloop.geometry import LabelMap, SpacingMm
from sonoloop.imaging.inflate import gunzip_up_to
from sonoloop.labels import LABEL_NAMES

_MAX_HEADER_BYTES: Final = 64 * 1024
_GZIP_LEVEL: Final = 1
_TYPES: Final = {
    **dict.fromkeys(("signed char", "int8", "int8_t"), "i1"),
    **dict.fromkeys(("uchar", "unsigned char", "uint8", "uint8_t"), "u1"),
    **dict.fromkeys(("short", "short int", "signed short", "int16", "int16_t"), "i2"),
    **dict.fromkeys(("ushort", "unsigned short", "uint16", "uint16_t"), "u2"),
    **dict.fromkeys(("int", "signed int", "int32", "int32_t"), "i4"),
    **dict.fromkeys(("uint", "unsigned int", "uint32", "uint32_t"), "u4"),
    **dict.fromkeys(("longlong", "long long", "int64", "int64_t"), "i8"),
    **dict.fromkeys(("ulonglong", "unsigned long long", "uint64", "uint64_t"), "u8"),
    "float": "f4",
    "double": "f8",
}


def encode(
    pixels: npt.NDArray[np.uint8],
    spacing_mm: SpacingMm,
    fields: Mapping[str, str],
    *,
    compress: bool,
) -> bytes:
    """A NRRD file of (W, H, 1) voxels in LPS.

    Args:
        pixels: (H, W).
        spacing_mm: (row, column).
        fields: Key/value pairs (``key:=value``) to add.
        compress: Gzip the voxels instead of writing them raw.
    """
    height, width = pixels.shape
    row_mm, column_mm = spacing_mm
    header = [
        "NRRD0004",
        "type: uint8",
        "dimension: 3",
        "space: left-posterior-superior",
        f"sizes: {width} {height} 1",
        f"space directions: ({column_mm!r},0,0) (0,{row_mm!r},0) (0,0,1)",
        "kinds: domain domain domain",
        f"encoding: {'gzip' if compress else 'raw'}",
        "space origin: (0,0,0)",
        *(f"{key}:={value}" for key, value in fields.items()),
    ]
    voxels = pixels.tobytes()  # row after row is "first axis fastest" of (W, H, 1)
    if compress:
        voxels = gzip.compress(voxels, _GZIP_LEVEL, mtime=0)
    return ("\n".join(header) + "\n\n").encode() + voxels


def segment_fields(labels: LabelMap) -> dict[str, str]:
    """Key/value pairs that make a label map a segmentation for 3D Slicer (``.seg.nrrd``)."""
    height, width = labels.shape
    names = {value: name for name, value in LABEL_NAMES.items()}
    present = sorted({*names, *(int(value) for value in np.unique(labels) if value)})
    fields = {
        "Segmentation_MasterRepresentation": "Binary labelmap",
        "Segmentation_ContainedRepresentationNames": "Binary labelmap|",
    }
    for index, value in enumerate(present):
        name = names.get(value, f"label_{value}")
        fields |= {
            f"Segment{index}_ID": name,
            f"Segment{index}_Name": name,
            f"Segment{index}_LabelValue": str(value),
            f"Segment{index}_Layer": "0",
            f"Segment{index}_Extent": f"0 {width - 1} 0 {height - 1} 0 0",
        }
    return fields


def decode(data: bytes, shape: tuple[int, int]) -> npt.NDArray[Any]:
    """The (H, W) plane in a NRRD file.

    Args:
        data: The file, header and voxels in one.
        shape: (H, W) it must have.

    Raises:
        LabelReadError: If it is no such file, is cut, or has another size.
    """
    fields, body = _split(data)
    sizes = _sizes(fields)
    expected = (shape[1], shape[0])
    if sizes[:2] != expected or any(size != 1 for size in sizes[2:]):
        raise LabelReadError(
            f"NRRD label of {'x'.join(map(str, sizes))} voxels does not fit the image of "
            f"{expected[0]}x{expected[1]} pixels (width x height)"
        )
    dtype = _dtype(fields)
    length = dtype.itemsize * expected[0] * expected[1]
    voxels = _voxels(fields, body, length)
    if len(voxels) < length:
        raise LabelReadError(f"NRRD label is cut: {len(voxels)} of {length} bytes of voxels")
    return np.frombuffer(voxels, dtype, expected[0] * expected[1]).reshape(shape)


def _split(data: bytes) -> tuple[dict[str, str], bytes]:
    if data[:4] != b"NRRD":
        raise LabelReadError("label is no NRRD file (it does not begin with NRRD)")
    ends = [data.find(gap, 0, _MAX_HEADER_BYTES) + len(gap) for gap in (b"\n\n", b"\r\n\r\n")]
    ends = [end for end in ends if end > 3]
    if not ends:
        raise LabelReadError("NRRD header has no end (an empty line)")
    end = min(ends)
    fields: dict[str, str] = {}
    for line in data[:end].decode("latin-1").splitlines()[1:]:
        name, colon, value = line.partition(":")
        if colon and not line.startswith("#") and not value.startswith("="):
            fields[name.strip().lower()] = value.strip().lower()
    if "data file" in fields or "datafile" in fields:
        raise LabelReadError("NRRD label keeps its voxels in another file (send one file)")
    return fields, data[end:]


def _sizes(fields: Mapping[str, str]) -> tuple[int, ...]:
    try:
        sizes = tuple(int(size) for size in fields["sizes"].split())
        dimension = int(fields["dimension"])
    except (KeyError, ValueError) as error:
        raise LabelReadError(f"NRRD header has no usable sizes or dimension: {error}") from error
    if len(sizes) != dimension or dimension < 2:
        raise LabelReadError(f"NRRD header has {len(sizes)} sizes for {dimension} dimensions")
    return sizes


def _dtype(fields: Mapping[str, str]) -> np.dtype[Any]:
    kind = _TYPES.get(fields.get("type", ""))
    if kind is None:
        raise LabelReadError(f"NRRD label has voxels of type {fields.get('type')!r}")
    return np.dtype((">" if fields.get("endian") == "big" else "<") + kind)


def _voxels(fields: Mapping[str, str], body: bytes, length: int) -> bytes:
    if any(fields.get(name, "0") != "0" for name in ("line skip", "byte skip", "lineskip")):
        raise LabelReadError("NRRD label skips lines or bytes (write it without)")
    encoding = fields.get("encoding")
    if encoding == "raw":
        return body
    if encoding in ("gzip", "gz"):
        return gunzip_up_to(body, length + 4096)
    raise LabelReadError(f"NRRD label has encoding {encoding!r} (raw or gzip)")
