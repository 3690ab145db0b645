"""Every refusal code and every flag of this room, with what each means; the docs list them."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from sonoloop.errors import ImageReadError

MIN_SIDE_PX: Final = 32
"""Shorter images hold no lesion a reader could outline; real crops of this size exist."""

MAX_PIXELS: Final = 4096 * 4096
"""Of one frame; ultrasound screens are below 3 million."""

MAX_FRAMES: Final = 2000
"""Of one cine: more than a minute at 30 frames a second."""

MAX_FILE_BYTES: Final = 512 * 2**20
"""Longest file that is looked at."""


class Refusal(StrEnum):
    """Why a file was not read: ``ImageReadError.code``."""

    UNREADABLE = "unreadable"
    EMPTY = "empty"
    TOO_LARGE = "too_large"
    UNKNOWN_FORMAT = "unknown_format"
    MALFORMED = "malformed"
    TRUNCATED = "truncated"
    TRANSFER_SYNTAX = "transfer_syntax"
    SOP_CLASS = "sop_class"
    BAD_UID = "bad_uid"
    NO_PIXEL_DATA = "no_pixel_data"
    PIXEL_MODULE = "pixel_module"
    PHOTOMETRIC = "photometric"
    PALETTE = "palette"
    DIMENSIONS = "dimensions"
    FRAME = "frame"
    ENCAPSULATION = "encapsulation"
    CODESTREAM = "codestream"
    CODESTREAM_MISMATCH = "codestream_mismatch"
    DECODE = "decode"
    PIXEL_FORMAT = "pixel_format"


REFUSALS: Final[dict[Refusal, str]] = {
    Refusal.UNREADABLE: "the file does not exist or the system does not let it be read",
    Refusal.EMPTY: "the file has no bytes",
    Refusal.TOO_LARGE: f"the file is longer than {MAX_FILE_BYTES >> 20} MiB",
    Refusal.UNKNOWN_FORMAT: "neither DICOM (with preamble) nor PNG, JPEG, BMP or TIFF",
    Refusal.MALFORMED: "the header cannot be parsed, or is absurdly long",
    Refusal.TRUNCATED: "the file ends before its pixels do",
    Refusal.TRANSFER_SYNTAX: "a DICOM encoding that is not read: video, HTJ2K, JPIP, deflated, "
    "private",
    Refusal.SOP_CLASS: "DICOM, but no two-dimensional ultrasound",
    Refusal.BAD_UID: "a study, series or instance UID is missing or is no UID",
    Refusal.NO_PIXEL_DATA: "DICOM without an image",
    Refusal.PIXEL_MODULE: "the description of the pixels is incomplete or contradicts itself",
    Refusal.PHOTOMETRIC: "a colour space that is not read",
    Refusal.PALETTE: "the colour table is missing or too short",
    Refusal.DIMENSIONS: f"smaller than {MIN_SIDE_PX} pixels a side, or larger than "
    f"{MAX_PIXELS} pixels, or more than {MAX_FRAMES} frames",
    Refusal.FRAME: "the frame asked for does not exist",
    Refusal.ENCAPSULATION: "compressed frames cannot be told apart",
    Refusal.CODESTREAM: "a compressed frame has no header, or is of another kind than stated",
    Refusal.CODESTREAM_MISMATCH: "a compressed frame has another size than the file states",
    Refusal.DECODE: "the pixels cannot be decoded",
    Refusal.PIXEL_FORMAT: "pixels whose brightness is not defined (floating point, 32 bit, CMYK)",
}
"""Meaning of every refusal."""


class Flag(StrEnum):
    """What a reader should know of an image that was read."""

    BURNED_IN_ANNOTATION = "burned_in_annotation"
    COLOR_OVERLAY = "color_overlay"
    CALIBRATION_IGNORED = "calibration_ignored"
    SEVERAL_REGIONS = "several_regions"
    JPEG_YBR_LABELLED_RGB = "jpeg_ybr_labelled_rgb"
    SCALED_FROM_16_BIT = "scaled_from_16_bit"
    LOSSY = "lossy"
    TRANSPARENCY_FLATTENED = "transparency_flattened"
    EXIF_ORIENTATION_IGNORED = "exif_orientation_ignored"


FLAGS: Final[dict[Flag, str]] = {
    Flag.BURNED_IN_ANNOTATION: "DICOM that does not state that its pixels hold no text "
    "(BurnedInAnnotation is not NO): names may be on the picture",
    Flag.COLOR_OVERLAY: "more than 0.2 % of the pixels are coloured: Doppler, elastography, "
    "callipers or a tinted map",
    Flag.CALIBRATION_IGNORED: "a pixel size is stated, but not a believable one; spacing is None",
    Flag.SEVERAL_REGIONS: "more than one two-dimensional region (dual view); the largest is taken",
    Flag.JPEG_YBR_LABELLED_RGB: "the JPEG holds luminance and chroma, though DICOM calls it RGB; "
    "read as what it is",
    Flag.SCALED_FROM_16_BIT: "more than 8 bits a sample, scaled linearly from the stored range",
    Flag.LOSSY: "lossy compression is stated",
    Flag.TRANSPARENCY_FLATTENED: "transparent pixels were put on black",
    Flag.EXIF_ORIENTATION_IGNORED: "the camera's rotation note was not applied: masks belong "
    "to the rows and columns as stored",
}
"""Meaning of every flag."""


def refusal(code: Refusal, message: str) -> ImageReadError:
    """The error to raise for ``code``; ``message`` reads *what - value - rule or cure*."""
    return ImageReadError(code.value, message)


def sorted_flags(flags: Iterable[Flag]) -> tuple[str, ...]:
    """Each flag once, as plain text, in alphabetical order.

    Example:
        >>> sorted_flags([Flag.LOSSY, Flag.COLOR_OVERLAY, Flag.LOSSY])
        ('color_overlay', 'lossy')
    """
    return tuple(sorted({flag.value for flag in flags}))
