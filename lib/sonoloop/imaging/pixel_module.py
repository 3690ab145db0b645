"""DICOM's description of the pixels (PS3.3 C.7.6.3), judged: nothing later has to doubt it."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from pydicom.pixels.processing import apply_color_lut
from pydicom.uid import UID

from sonoloop.imaging.dicom_header import (
    PARSE_ERRORS,
    Attributes,
    Elements,
    ParsedFile,
    PixelElement,
)
from sonoloop.imaging.grey import ColourSpace
from sonoloop.imaging.vocabulary import (
    MAX_FRAMES,
    MAX_PIXELS,
    MIN_SIDE_PX,
    Flag,
    Refusal,
    refusal,
)

_GREY: Final = ("MONOCHROME1", "MONOCHROME2")
_SPACE_OF: Final[dict[str, ColourSpace]] = {
    "MONOCHROME1": "grey",
    "MONOCHROME2": "grey",
    "PALETTE COLOR": "grey",
    "RGB": "rgb",
    "YBR_FULL": "ybr",
    "YBR_FULL_422": "ybr",
    "YBR_RCT": "rgb",  # the JPEG 2000 decoder gives RGB
    "YBR_ICT": "rgb",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelModule:
    """How the samples of one file are stored; every field is within what the reader can do.

    Attributes:
        space: What the samples are once decoded; palette indices count as grey.
        inverted: MONOCHROME1: 0 is white.
        palette: (N, 3) uint8 colours of the indices, or None.
        chroma_halved: Raw YBR_FULL_422: two pixels share their chroma.
        by_plane: Raw colour stored as three planes.
        byte_order: ``<`` or ``>``.
    """

    transfer_syntax: UID
    pixel_element: PixelElement
    rows: int
    columns: int
    frame_count: int
    samples: int
    bits_allocated: int
    bits_stored: int
    space: ColourSpace
    inverted: bool
    palette: npt.NDArray[np.uint8] | None
    chroma_halved: bool
    by_plane: bool
    byte_order: str

    @property
    def frame_bytes(self) -> int:
        """Bytes of one uncompressed frame in the file."""
        samples = 2 if self.chroma_halved else self.samples
        return self.rows * self.columns * samples * (self.bits_allocated // 8)

    @property
    def flags(self) -> tuple[Flag, ...]:
        """What the description alone tells."""
        scaled = self.palette is None and self.bits_stored > 8
        return (Flag.SCALED_FROM_16_BIT,) if scaled else ()


def pixel_module(parsed: ParsedFile) -> PixelModule:
    """The description of the pixels of a parsed file.

    Raises:
        ImageReadError: If it is incomplete, contradicts itself, or is not one that is read.
    """
    elements = parsed.elements
    compressed = parsed.transfer_syntax.is_compressed
    rows, columns, frame_count = dimensions_of(elements)
    samples, allocated, stored = _bits(elements)
    photometric = elements.text("PhotometricInterpretation")
    space = _SPACE_OF.get(photometric or "")
    if photometric is None:
        raise refusal(Refusal.PIXEL_MODULE, "PhotometricInterpretation is missing")
    if space is None or (photometric in ("YBR_RCT", "YBR_ICT") and not compressed):
        raise refusal(
            Refusal.PHOTOMETRIC,
            f"photometric interpretation {photometric[:16]!r} is not read "
            f"(one of {', '.join(_SPACE_OF)})",
        )
    if (samples == 3) != (space != "grey"):
        raise refusal(Refusal.PIXEL_MODULE, f"{photometric} with {samples} samples a pixel")
    halved = photometric == "YBR_FULL_422" and not compressed
    if halved and columns % 2:
        raise refusal(
            Refusal.PIXEL_MODULE, f"YBR_FULL_422 with an odd number of columns: {columns}"
        )
    module = PixelModule(
        transfer_syntax=parsed.transfer_syntax,
        pixel_element=parsed.pixel_element,
        rows=rows,
        columns=columns,
        frame_count=frame_count,
        samples=samples,
        bits_allocated=allocated,
        bits_stored=stored,
        space=space,
        inverted=photometric == "MONOCHROME1",
        palette=_palette(elements, stored) if photometric == "PALETTE COLOR" else None,
        chroma_halved=halved,
        by_plane=samples == 3 and not halved and elements.short("PlanarConfiguration") == 1,
        byte_order=elements.order,
    )
    _check_length(module)
    return module


def dimensions_of(elements: Attributes) -> tuple[int, int, int]:
    """(rows, columns, frames) as stated.

    Raises:
        ImageReadError: If they are missing, or no ultrasound image can have them.
    """
    rows, columns = elements.short("Rows"), elements.short("Columns")
    if rows is None or columns is None:
        raise refusal(Refusal.PIXEL_MODULE, "Rows or Columns is missing")
    try:
        frame_count = int(elements.text("NumberOfFrames") or 1)
    except ValueError:
        raise refusal(Refusal.PIXEL_MODULE, "NumberOfFrames is no whole number") from None
    check_dimensions(rows, columns, frame_count)
    return rows, columns, frame_count


def check_dimensions(rows: int, columns: int, frame_count: int) -> None:
    """Refuse what no ultrasound image can have.

    Raises:
        ImageReadError: If the image is too small, too large, or has too many frames.
    """
    if min(rows, columns) < MIN_SIDE_PX or rows * columns > MAX_PIXELS:
        raise refusal(
            Refusal.DIMENSIONS,
            f"image of {columns}x{rows} pixels (at least {MIN_SIDE_PX} a side, at most "
            f"{MAX_PIXELS} in all)",
        )
    if not 1 <= frame_count <= MAX_FRAMES:
        raise refusal(Refusal.DIMENSIONS, f"{frame_count} frames (1 to {MAX_FRAMES})")


def _bits(elements: Elements) -> tuple[int, int, int]:
    """(samples a pixel, bits allocated, bits stored)."""
    samples = elements.short("SamplesPerPixel")
    allocated = elements.short("BitsAllocated")
    if samples is None or allocated is None:
        raise refusal(Refusal.PIXEL_MODULE, "SamplesPerPixel or BitsAllocated is missing")
    stored = elements.short("BitsStored")
    stored = allocated if stored is None else stored
    high_bit = elements.short("HighBit")
    readable = (
        (samples, allocated) in ((1, 8), (3, 8), (1, 16))
        and 8 <= stored <= allocated
        and high_bit in (None, stored - 1)
        and elements.short("PixelRepresentation") in (None, 0)
    )
    if not readable:
        raise refusal(
            Refusal.PIXEL_MODULE,
            f"{samples} samples of {stored} bits in {allocated}, high bit {high_bit} "
            "(unsigned; 1 or 3 of 8 bits, or 1 of up to 16)",
        )
    return samples, allocated, stored


def _check_length(module: PixelModule) -> None:
    compressed, length = module.transfer_syntax.is_compressed, module.pixel_element.length
    if compressed != (length is None):
        raise refusal(
            Refusal.ENCAPSULATION,
            f"{module.transfer_syntax.name} with pixels that are "
            f"{'not ' if compressed else ''}encapsulated",
        )
    if length is None:
        return
    expected = module.frame_bytes * module.frame_count
    if length < expected:
        raise refusal(
            Refusal.TRUNCATED, f"{length} bytes of pixels where the header needs {expected}"
        )
    if length - expected > module.columns:
        raise refusal(
            Refusal.PIXEL_MODULE,
            f"{length} bytes of pixels where the header needs {expected}: it describes another "
            "image",
        )


def _palette(elements: Elements, bits_stored: int) -> npt.NDArray[np.uint8]:
    """(2**bits_stored, 3) colours of every index."""
    if elements.raw("SegmentedRedPaletteColorLookupTableData") is not None:
        return _segmented_palette(elements, bits_stored)
    tables = [_table(elements, colour, bits_stored) for colour in ("Red", "Green", "Blue")]
    return np.stack(tables, axis=1)


def _table(elements: Elements, colour: str, bits_stored: int) -> npt.NDArray[np.uint8]:
    descriptor = elements.raw(f"{colour}PaletteColorLookupTableDescriptor") or b""
    data = elements.raw(f"{colour}PaletteColorLookupTableData") or b""
    if len(descriptor) != 6:
        raise refusal(Refusal.PALETTE, f"the {colour.lower()} colour table is not described")
    count, first, bits = np.frombuffer(descriptor, f"{elements.order}u2").tolist()
    count = count or 65536  # 0 stands for the number that does not fit
    wide = len(data) >= 2 * count
    if bits not in (8, 16) or len(data) < count or (bits == 16 and not wide):
        raise refusal(
            Refusal.PALETTE,
            f"the {colour.lower()} colour table has {len(data)} bytes for {count} entries of "
            f"{bits} bits",
        )
    entries = np.frombuffer(data, f"{elements.order}u2" if wide else np.uint8, count)
    if bits == 16 and entries.max() > 255:
        entries = entries >> 8  # else: 8-bit entries that were described as 16
    indices = np.arange(1 << bits_stored) - first
    return np.asarray(entries[indices.clip(0, count - 1)], dtype=np.uint8)


def _segmented_palette(elements: Elements, bits_stored: int) -> npt.NDArray[np.uint8]:
    indices = np.arange(1 << bits_stored, dtype=np.uint16 if bits_stored > 8 else np.uint8)
    try:
        colours = apply_color_lut(indices, elements.dataset)
    except PARSE_ERRORS as error:
        raise refusal(
            Refusal.PALETTE, f"the segmented colour table is corrupt: {type(error).__name__}"
        ) from error
    if colours.dtype == np.uint16:
        colours = colours >> 8
    return np.asarray(colours, dtype=np.uint8)
