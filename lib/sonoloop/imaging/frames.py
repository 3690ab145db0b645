"""One frame of a DICOM file as 8-bit samples, whatever its encoding."""

import io
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from sonoloop.imaging.codestream import CodeStream, parse_jpeg, parse_jpeg2000
from sonoloop.imaging.encapsulation import read_frame
from sonoloop.imaging.grey import ColourSpace, looks_like_ybr, to_8_bit
from sonoloop.imaging.pixel_module import PixelModule
from sonoloop.imaging.sandbox import SANDBOX
from sonoloop.imaging.vocabulary import Flag, Refusal, refusal

_RLE: Final = "1.2.840.10008.1.2.5"
_JPEG2000: Final = ("1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91")
_RLE_HEADER_BYTES: Final = 64
_END_OF_IMAGE: Final = b"\xff\xd9"
"""Ends JPEG and JPEG-LS."""

NATIVE_SYNTAXES: Final = frozenset(
    {"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"}
)
"""Implicit and Explicit VR Little Endian, Explicit VR Big Endian."""

READABLE_SYNTAXES: Final = NATIVE_SYNTAXES | {
    _RLE,
    *_JPEG2000,
    "1.2.840.10008.1.2.4.50",  # JPEG baseline
    "1.2.840.10008.1.2.4.51",  # JPEG extended
    "1.2.840.10008.1.2.4.57",  # JPEG lossless
    "1.2.840.10008.1.2.4.70",  # JPEG lossless, first-order prediction
    "1.2.840.10008.1.2.4.80",  # JPEG-LS lossless
    "1.2.840.10008.1.2.4.81",  # JPEG-LS near-lossless
}

PICTURE_ERRORS: Final = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    EOFError,
    IndexError,
    KeyError,
    OverflowError,
    RuntimeError,
    MemoryError,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
    UserWarning,  # where the user's filter makes errors of them
)
"""What Pillow raises on mangled pictures."""

Samples = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class DecodedFrame:
    """8-bit samples of one frame.

    Attributes:
        samples: (H, W), or (H, W, 3) unless ``space`` is grey.
        space: What they are; palette indices count as grey here.
    """

    samples: npt.NDArray[Any]
    space: ColourSpace
    flags: tuple[Flag, ...] = ()


def read_code_stream(file: BinaryIO, module: PixelModule, frame: int) -> bytes:
    """The compressed bytes of one frame.

    Raises:
        ImageReadError: If the file is cut or its frames cannot be told apart.
    """
    return read_frame(
        file,
        module.pixel_element.offset,
        frame,
        module.frame_count,
        one_fragment_each=module.transfer_syntax == _RLE,
    )


def check_code_stream(stream: bytes, module: PixelModule) -> CodeStream | None:
    """Header of a compressed frame, agreeing with the data set; None for RLE, which has none.

    Raises:
        ImageReadError: If it has none, or it speaks of another image.
    """
    if module.transfer_syntax == _RLE:
        return None
    parse = parse_jpeg2000 if module.transfer_syntax in _JPEG2000 else parse_jpeg
    header = parse(stream)
    stated = (module.rows, module.columns, module.samples)
    own = (header.rows, header.columns, header.samples)
    if own != stated:
        raise refusal(
            Refusal.CODESTREAM_MISMATCH,
            f"a frame is {'x'.join(map(str, own))} where the header says "
            f"{'x'.join(map(str, stated))} (rows x columns x samples)",
        )
    if (header.precision > 8) != (module.bits_allocated > 8):
        raise refusal(
            Refusal.CODESTREAM_MISMATCH,
            f"a frame has {header.precision} bits a sample where the header says "
            f"{module.bits_allocated}",
        )
    return header


def decode_frame(file: BinaryIO, module: PixelModule, frame: int) -> DecodedFrame:
    """One frame, without reading the others.

    Raises:
        ImageReadError: If it cannot be decoded.
    """
    if module.transfer_syntax in NATIVE_SYNTAXES:
        return _native(file, module, frame)
    stream = read_code_stream(file, module, frame)
    header = check_code_stream(stream, module)
    if header is not None and header.coding == "jpeg":
        return decode_jpeg(stream, header, labelled_rgb=module.space == "rgb")
    samples = _from_sandbox(stream, header, module)
    space, flags = module.space, ()
    if header is not None and module.samples == 3:
        space = "rgb" if header.colour == "rgb" else space
    return DecodedFrame(_eight_bit(samples, module), space, flags)


def decode_jpeg(stream: bytes, header: CodeStream, *, labelled_rgb: bool) -> DecodedFrame:
    """A JPEG of 8 bits, by what the stream itself says of its colours.

    DICOM's label is believed only where the stream is silent: many writers store luminance and
    chroma under the label RGB, and their JPEGs have no marker that tells a decoder.

    Raises:
        ImageReadError: If it is corrupt, cut, or has neither one nor three components.
    """
    if header.precision != 8 or header.samples not in (1, 3):
        raise refusal(
            Refusal.PIXEL_FORMAT,
            f"a JPEG of {header.samples} components of {header.precision} bits (1 or 3 of 8)",
        )
    try:
        with Image.open(io.BytesIO(stream), formats=("JPEG",)) as picture:
            if header.samples == 3 and header.colour != "rgb":
                picture.draft("YCbCr", picture.size)  # the components as they are
            samples = np.asarray(picture)
    except PICTURE_ERRORS as error:
        raise picture_refusal("JPEG", error) from error
    if header.samples == 1:
        return DecodedFrame(samples, "grey")
    if header.colour == "rgb":
        return DecodedFrame(samples, "rgb")
    silent = header.colour is None and not header.subsampled
    if labelled_rgb and silent and not looks_like_ybr(samples):
        return DecodedFrame(samples, "rgb")
    return DecodedFrame(samples, "ybr", (Flag.JPEG_YBR_LABELLED_RGB,) if labelled_rgb else ())


def check_bitmap(picture: Image.Image, head: bytes) -> None:
    """Refuse the BMP that Pillow reads as another picture.

    Raises:
        ImageReadError: If a picture of two colours has 8 bits a pixel; Pillow takes each bit for a
            pixel.
    """
    if picture.format == "BMP" and picture.mode == "1" and head[28:30] != b"\1\0":
        raise refusal(
            Refusal.PIXEL_FORMAT, f"a BMP of two colours with {head[28]} bits a pixel (save as PNG)"
        )


def picture_refusal(kind: str, error: Exception) -> Exception:
    """The refusal for what Pillow said."""
    text = (str(error).splitlines() or [""])[0][:160]
    if "truncated" in text.lower() or isinstance(error, EOFError):
        return refusal(Refusal.TRUNCATED, f"the {kind} is cut: {text}")
    return refusal(Refusal.DECODE, f"the {kind} is corrupt: {type(error).__name__} {text}")


def _native(file: BinaryIO, module: PixelModule, frame: int) -> DecodedFrame:
    length = module.frame_bytes
    file.seek(module.pixel_element.offset + frame * length)
    raw = file.read(length)
    if len(raw) < length:
        raise refusal(Refusal.TRUNCATED, f"frame {frame} has {len(raw)} of {length} bytes")
    order = module.byte_order
    values: npt.NDArray[Any] = np.frombuffer(raw, f"{order}u{module.bits_allocated // 8}")
    if module.pixel_element.byte_swapped and module.bits_allocated == 8:
        values = values.view(np.uint16).byteswap().view(np.uint8)
    return DecodedFrame(_eight_bit(_arranged(values, module), module), module.space)


def _arranged(values: npt.NDArray[Any], module: PixelModule) -> npt.NDArray[Any]:
    rows, columns = module.rows, module.columns
    if module.samples == 1:
        return values.reshape(rows, columns)
    if module.chroma_halved:  # Y1 Y2 Cb Cr
        pairs = values.reshape(rows, columns // 2, 4)
        samples = np.empty((rows, columns, 3), np.uint8)
        samples[..., 0] = pairs[..., :2].reshape(rows, columns)
        samples[..., 1] = pairs[..., 2].repeat(2, axis=1)
        samples[..., 2] = pairs[..., 3].repeat(2, axis=1)
        return samples
    if module.by_plane:
        return values.reshape(3, rows, columns).transpose(1, 2, 0)
    return values.reshape(rows, columns, 3)


def _eight_bit(samples: npt.NDArray[Any], module: PixelModule) -> npt.NDArray[Any]:
    if module.palette is not None or (module.bits_stored == 8 and samples.dtype == np.uint8):
        return samples
    return to_8_bit(samples, module.bits_stored)


def _from_sandbox(
    stream: bytes, header: CodeStream | None, module: PixelModule
) -> npt.NDArray[Any]:
    request = {
        "coding": "rle" if header is None else header.coding,
        "rows": module.rows,
        "columns": module.columns,
        "samples": module.samples,
        "bits_allocated": module.bits_allocated,
        "bits_stored": module.bits_stored,
    }
    _check_end(stream, header, module)
    samples = SANDBOX.decode(request, stream)
    size = module.bits_allocated // 8
    if len(samples) != module.rows * module.columns * module.samples * size:
        raise refusal(
            Refusal.DECODE,
            f"a {request['coding']} frame gave {len(samples)} bytes instead of "
            f"{module.rows * module.columns * module.samples * size}",
        )
    values = np.frombuffer(samples, f"<u{size}")
    if module.bits_stored < module.bits_allocated and values.max() >= 1 << module.bits_stored:
        raise refusal(
            Refusal.CODESTREAM_MISMATCH,
            f"a frame holds {values.max()}, which is beyond the {module.bits_stored} bits stated",
        )
    shape = (module.rows, module.columns, 3)[: 2 if module.samples == 1 else 3]
    return values.reshape(shape)


def _check_end(stream: bytes, header: CodeStream | None, module: PixelModule) -> None:
    """Refuse what is cut or longer than any encoder makes it.

    CharLS searches a cut stream for seconds, GDCM fills the missing rows. JPEG 2000 streams of
    real scanners lack the mark, and their decoder notices by itself when data are missing.
    """
    marked = header is not None and header.coding in ("jpeg_ls", "jpeg_lossless")
    if header is not None and marked and not stream.rstrip(b"\0").endswith(_END_OF_IMAGE):
        raise refusal(Refusal.TRUNCATED, f"the {header.coding} frame is cut: it has no end mark")
    if header is None and len(stream) > _RLE_HEADER_BYTES + 2 * module.frame_bytes:
        raise refusal(
            Refusal.DECODE,
            f"an rle frame of {len(stream)} bytes for {module.frame_bytes} bytes of pixels",
        )
