"""Files that must be refused, with the right codes; also used by ``scripts/input_table``."""

import functools
import importlib
import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pydicom
from PIL import Image
from pydicom.config import IGNORE
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

build: Any = importlib.import_module("good_inputs")

GREY, RGB = build.GREY, build.RGB


@dataclass(frozen=True)
class Bad:
    """A file and the refusal codes that describe it."""

    content: bytes
    codes: frozenset[str]
    suffix: str = ".dcm"
    frame: int = 0


def bad(content: bytes, *codes: str, suffix: str = ".dcm", frame: int = 0) -> Bad:
    return Bad(content, frozenset(codes), suffix, frame)


def changed(change: Callable[[Dataset], None], pixels: Any = None, **settings: Any) -> bytes:
    """A valid file with something done to its data set."""
    ds = build.dataset(GREY if pixels is None else pixels, **settings)
    change(ds)
    content: bytes = build.saved(ds)
    return content


def setting(**values: Any) -> Callable[[Dataset], None]:
    """A change that sets attributes."""

    def change(ds: Dataset) -> None:
        for keyword, value in values.items():
            tag = tag_for_keyword(keyword) or 0
            ds[tag] = DataElement(tag, dictionary_VR(tag), value, validation_mode=IGNORE)

    return change


def without(*keywords: str) -> Callable[[Dataset], None]:
    """A change that removes attributes."""

    def change(ds: Dataset) -> None:
        for keyword in keywords:
            delattr(ds, keyword)

    return change


def relabelled(content: bytes, syntax: str) -> bytes:
    """A file that claims another transfer syntax."""
    start = content.find(b"\x02\x00\x10\x00UI") + 6
    end = start + 2 + struct.unpack("<H", content[start : start + 2])[0]
    value = syntax.encode() + b"\0" * (len(syntax) % 2)
    return content[:start] + struct.pack("<H", len(value)) + value + content[end:]


def labelled(syntax: str) -> bytes:
    """A baseline JPEG that claims another transfer syntax."""
    return relabelled(build.saved(build.dataset(GREY, jpeg_quality=90)), syntax)


def resized(stream: bytes, rows: int, columns: int, markers: bytes = b"\xc0\xc1\xc2") -> bytes:
    """A JPEG whose frame header claims another size."""
    start = next(k for m in markers if (k := stream.find(bytes([0xFF, m]))) >= 0)
    return stream[: start + 5] + struct.pack(">HH", rows, columns) + stream[start + 9 :]


def framed(stream: bytes, syntax: Any, pixels: Any = None) -> bytes:
    """A valid header around any code stream."""
    ds = build.dataset(GREY if pixels is None else pixels)
    content: bytes = build.saved(build.with_frames(ds, [stream], syntax))
    return content


def compressed(syntax: Any) -> bytes:
    """The code stream of the grey picture."""
    ds = build.dataset(GREY)
    ds.compress(syntax)
    return next(pydicom.encaps.generate_frames(ds.PixelData, number_of_frames=1))


def _truncated() -> dict[str, Bad]:
    raw = build.saved(build.dataset(GREY))
    jpeg = build.saved(build.dataset(GREY, jpeg_quality=90))
    header = len(raw) - GREY.size
    cuts = {
        "131": bad(raw[:131], "unknown_format"),
        "132": bad(raw[:132], "truncated"),
        "200": bad(raw[:200], "truncated"),
        "800": bad(raw[:800], "truncated", "no_pixel_data"),
        "before_pixels": bad(raw[: header - 12], "no_pixel_data"),
        "in_pixel_header": bad(raw[: header - 3], "truncated"),
        "at_pixels": bad(raw[:header], "truncated"),
        "half": bad(raw[: len(raw) // 2], "truncated"),
        "last_byte": bad(raw[:-1], "truncated"),
    }
    stream = build.jpeg(GREY)
    cuts |= {
        "jpeg_half": bad(jpeg[: len(jpeg) // 2], "truncated"),
        "jpeg_delimiter": bad(jpeg[:-8], "truncated"),
        "jpeg_stream": bad(framed(stream[: len(stream) // 2], JPEGBaseline8Bit), "truncated"),
        "jpeg2000_stream": bad(framed(build.jpeg2000(GREY)[:-900], JPEG2000Lossless), "decode"),
        "rle_stream": bad(framed(compressed(RLELossless)[:2000], RLELossless), "decode"),
        "jpeg_ls_stream": bad(
            framed(compressed(JPEGLSLossless)[:2000], JPEGLSLossless), "truncated"
        ),
        "jpeg_lossless_stream": bad(
            framed(build.jpeg_lossless(GREY)[:2000], build.JPEG_LOSSLESS_SV1), "truncated"
        ),
        "cine": bad(
            changed(setting(NumberOfFrames=9), np.stack([GREY] * 8), cine=True), "truncated"
        ),
    }
    return {f"truncated_{name}": value for name, value in cuts.items()}


def _not_ultrasound() -> dict[str, Bad]:
    us3d, ct = "1.2.840.10008.5.1.4.1.1.6.2", "1.2.840.10008.5.1.4.1.1.2"
    capture = {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7", "Modality": "CT"}
    return {
        "empty": bad(b"", "empty"),
        "64_bytes": bad(bytes(64), "unknown_format"),
        "zeros": bad(bytes(10_000), "unknown_format"),
        "text": bad(b"patient list\n" * 100, "unknown_format"),
        "gif": bad(build.picture(Image.fromarray(GREY), "GIF"), "unknown_format", suffix=".png"),
        "noise_after_dicm": bad(
            bytes(128) + b"DICM" + np.random.default_rng(0).bytes(5000),
            "malformed",
            "truncated",
            "transfer_syntax",
        ),
        "ct": bad(changed(setting(SOPClassUID=ct, Modality="CT")), "sop_class"),
        "enhanced_us_volume": bad(changed(setting(SOPClassUID=us3d)), "sop_class"),
        "secondary_capture_of_ct": bad(changed(setting(**capture)), "sop_class"),
        "no_class": bad(changed(without("SOPClassUID")), "sop_class"),
        "no_pixel_data": bad(changed(without("PixelData")), "no_pixel_data"),
        "float_pixel_data": bad(changed(_float_pixels), "no_pixel_data"),
        "uid_traversal": bad(changed(setting(SOPInstanceUID="../../etc/passwd")), "bad_uid"),
        "uid_missing": bad(changed(without("SeriesInstanceUID")), "bad_uid"),
        "uid_too_long": bad(changed(setting(StudyInstanceUID="1." + "2" * 70)), "bad_uid"),
    }


def _float_pixels(ds: Dataset) -> None:
    del ds.PixelData
    ds.add_new(0x7FE00008, "OF", GREY.astype("<f4").tobytes())


def _pixel_module() -> dict[str, Bad]:
    high = setting(BitsAllocated=32, BitsStored=32, HighBit=31)
    palette = {"PhotometricInterpretation": "PALETTE COLOR"}
    short = build.with_palette(GREY, build.tinted()[:200], bits=16)
    short.add_new("RedPaletteColorLookupTableDescriptor", "US", [256, 0, 16])
    lie = build.dataset(RGB[:, :-1])
    lie.PhotometricInterpretation = "YBR_FULL_422"
    return {
        "no_rows": bad(changed(without("Rows")), "pixel_module"),
        "no_photometric": bad(changed(without("PhotometricInterpretation")), "pixel_module"),
        "no_bits": bad(changed(without("BitsAllocated")), "pixel_module"),
        "no_samples": bad(changed(without("SamplesPerPixel")), "pixel_module"),
        "32_bits": bad(changed(high), "pixel_module"),
        "signed": bad(changed(setting(PixelRepresentation=1)), "pixel_module"),
        "odd_high_bit": bad(changed(setting(HighBit=3)), "pixel_module"),
        "rgb_of_one_sample": bad(changed(setting(PhotometricInterpretation="RGB")), "pixel_module"),
        "hsv": bad(changed(setting(PhotometricInterpretation="HSV"), RGB), "photometric"),
        "ybr_rct_uncompressed": bad(
            changed(setting(PhotometricInterpretation="YBR_RCT"), RGB), "photometric"
        ),
        "ybr_422_odd_columns": bad(build.saved(lie), "pixel_module"),
        "ybr_422_of_three_bytes": bad(
            changed(setting(PhotometricInterpretation="YBR_FULL_422"), RGB), "pixel_module"
        ),
        "longer_than_described": bad(changed(setting(Rows=64)), "pixel_module"),
        "columns_shorter": bad(changed(setting(Columns=120)), "pixel_module"),
        "palette_absent": bad(changed(setting(**palette)), "palette"),
        "palette_short": bad(build.saved(short), "palette"),
        "tiny": bad(build.saved(build.dataset(GREY[:16, :16])), "dimensions"),
        "huge_native": bad(changed(setting(Rows=65535, Columns=65535)), "dimensions"),
        "huge_jpeg": bad(
            changed(setting(Rows=65535, Columns=65535), jpeg_quality=90), "dimensions"
        ),
        "huge_frame_count": bad(changed(setting(NumberOfFrames=2_000_000_000)), "dimensions"),
        "negative_frame_count": bad(changed(setting(NumberOfFrames=-1)), "dimensions"),
        "frame_beyond": bad(build.saved(build.dataset(GREY)), "frame", frame=1),
        "frame_negative": bad(build.saved(build.dataset(GREY)), "frame", frame=-1),
    }


def _transfer_syntaxes() -> dict[str, Bad]:
    zipped = zlib.compressobj(1, wbits=-15)
    bomb = b"".join(zipped.compress(bytes(2**20)) for _ in range(64)) + zipped.flush()
    native = build.saved(build.dataset(GREY))
    deflated = relabelled(native, DeflatedExplicitVRLittleEndian)
    none = build.dataset(GREY)
    del none.file_meta.TransferSyntaxUID
    stream = io.BytesIO()
    none.preamble = bytes(128)
    pydicom.dcmwrite(stream, none, implicit_vr=False, little_endian=True)
    return {
        "syntax_mpeg4": bad(labelled("1.2.840.10008.1.2.4.102"), "transfer_syntax"),
        "syntax_htj2k": bad(labelled("1.2.840.10008.1.2.4.201"), "transfer_syntax"),
        "syntax_jpip": bad(labelled("1.2.840.10008.1.2.4.94"), "transfer_syntax"),
        "syntax_jpegxl": bad(labelled("1.2.840.10008.1.2.4.112"), "transfer_syntax"),
        "syntax_private": bad(labelled("1.3.46.670589.33.1.4.1"), "transfer_syntax"),
        "syntax_missing": bad(stream.getvalue(), "transfer_syntax"),
        "syntax_deflate_bomb": bad(deflated[:340] + bomb, "transfer_syntax"),
        "jpeg_called_jpeg2000": bad(labelled(JPEG2000Lossless), "codestream"),
        "jpeg_called_rle": bad(labelled(RLELossless), "decode"),
        "jpeg2000_called_jpeg": bad(framed(build.jpeg2000(GREY), JPEGBaseline8Bit), "codestream"),
        "native_called_jpeg": bad(relabelled(native, JPEGBaseline8Bit), "encapsulation"),
        "jpeg_called_native": bad(labelled(ExplicitVRLittleEndian), "encapsulation"),
    }


def _code_streams() -> dict[str, Bad]:
    jpeg, j2k, jls = build.jpeg(GREY), build.jpeg2000(GREY), compressed(JPEGLSLossless)
    size = j2k.find(b"\xff\x51") + 6
    big = j2k[:size] + struct.pack(">2I", 40_000, 40_000) + j2k[size + 8 :]
    scan = jpeg[jpeg.find(b"\xff\xda") :]
    many_scans = jpeg[:-2] + scan[:-2] * 200 + b"\xff\xd9"
    cine = build.dataset(np.stack([GREY] * 4), cine=True)
    odd = build.with_frames(cine, [jpeg[:600], jpeg[600:]] * 3, JPEGBaseline8Bit, table=False)
    none = build.with_frames(build.dataset(GREY), [jpeg], JPEGBaseline8Bit, table=False)
    none.PixelData = none.PixelData[:8]
    rle = compressed(RLELossless)
    runs = struct.pack("<16I", 1, 64, *[0] * 14) + b"\x81\x00" * 2**21
    wrong = "codestream_mismatch"
    return {
        "jpeg_claims_40000": bad(framed(resized(jpeg, 40_000, 40_000), JPEGBaseline8Bit), wrong),
        "jpeg_claims_64": bad(framed(resized(jpeg, 64, 64), JPEGBaseline8Bit), wrong),
        "jpeg_of_three_in_grey": bad(framed(build.jpeg(RGB), JPEGBaseline8Bit), wrong),
        "jpeg_of_one_in_rgb": bad(framed(jpeg, JPEGBaseline8Bit, RGB), wrong),
        "jpeg_scan_bomb": bad(framed(many_scans, JPEGBaseline8Bit), "codestream"),
        "jpeg_12_bit": bad(
            framed(
                jpeg.replace(b"\xff\xc0\x00\x0b\x08", b"\xff\xc1\x00\x0b\x0c"), JPEGBaseline8Bit
            ),
            wrong,
        ),
        "jpeg_arithmetic": bad(
            framed(jpeg.replace(b"\xff\xc0\x00\x0b", b"\xff\xc9\x00\x0b"), JPEGBaseline8Bit),
            "codestream",
        ),
        "jpeg_no_header": bad(framed(b"\xff\xd8\xff\xd9", JPEGBaseline8Bit), "codestream"),
        "jpeg2000_claims_40000": bad(framed(big, JPEG2000Lossless), wrong),
        "jpeg_ls_claims_64": bad(framed(resized(jls, 64, 64, b"\xf7"), JPEGLSLossless), wrong),
        "jpeg_lossless_claims_64": bad(
            framed(resized(build.jpeg_lossless(GREY), 64, 64, b"\xc3"), build.JPEG_LOSSLESS_SV1),
            wrong,
        ),
        "jpeg_ls_cut_and_ended": bad(framed(jls[:2000] + b"\xff\xd9", JPEGLSLossless), "decode"),
        "jpeg2000_cut_and_ended": bad(framed(j2k[:-900] + b"\xff\xd9", JPEG2000Lossless), "decode"),
        "rle_run_bomb": bad(framed(runs, RLELossless), "decode"),
        "rle_segments_beyond": bad(framed(rle[:4] + b"\xff" * 8 + rle[12:], RLELossless), "decode"),
        "fragments_do_not_divide": bad(build.saved(odd), "encapsulation"),
        "no_fragment": bad(build.saved(none), "no_pixel_data"),
    }


def _headers() -> dict[str, Bad]:
    raw = build.saved(build.dataset(GREY))
    start = raw.find(b"\x08\x00\x05\x00CS")
    element = b"\x09\x00\x11\x10LO\x00\x00"
    nested = b"".join(
        b"\x09\x00\x11\x10SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
        for _ in range(5000)
    )
    return {
        "header_of_a_million_elements": bad(
            raw[:start] + element * 1_000_000 + raw[start:], "malformed"
        ),
        "header_nested_5000_deep": bad(raw[:start] + nested + raw[start:], "malformed"),
        "header_long_sequence": bad(changed(_long_sequence), "malformed"),
    }


def _long_sequence(ds: Dataset) -> None:
    item = Dataset()
    item.add_new(0x00091010, "OB", bytes(80 * 2**20))
    ds.add_new(0x00091011, "SQ", Sequence([item]))
    ds[0x00091011].is_undefined_length = True


def _pictures() -> dict[str, Bad]:
    grey = Image.fromarray(GREY)
    png, bmp, jpeg = (build.picture(grey, kind) for kind in ("PNG", "BMP", "JPEG"))
    tiff = build.picture(grey, "TIFF")
    lzw = build.picture(grey, "TIFF", compression="tiff_lzw")
    first = struct.unpack("<I", tiff[4:8])[0]
    following = first + 2 + 12 * struct.unpack("<H", tiff[first : first + 2])[0]
    circle = tiff[:following] + struct.pack("<I", first) + tiff[following + 4 :]
    beyond = tiff[:4] + struct.pack("<I", 10**9) + tiff[8:]
    flipped = bytearray(png)
    flipped[len(png) // 2] ^= 0xFF
    cmyk = build.picture(grey.convert("CMYK"), "JPEG")
    small = build.picture(grey.crop((0, 0, 16, 16)), "PNG")
    huge = png[:16] + struct.pack(">II", 50_000, 50_000) + png[24:]
    huge = huge[:29] + struct.pack(">I", zlib.crc32(huge[12:29])) + huge[33:]
    black_and_white = Image.fromarray((GREY > 99).astype(np.uint8))
    black_and_white.putpalette([0, 0, 0, 255, 255, 255])
    two = build.picture(black_and_white, "BMP")
    wide_bmp = bmp[:18] + struct.pack("<ii", 60_000, 60_000) + bmp[26:]
    floating = build.picture(Image.fromarray(GREY.astype(np.float32)), "TIFF")
    deep = build.picture(Image.fromarray(GREY.astype(np.int32)), "TIFF")
    table: dict[str, tuple[bytes, str, tuple[str, ...]]] = {
        "png_half": (png[: len(png) // 2], ".png", ("truncated",)),
        "png_no_end": (png[:-12], ".png", ("truncated",)),
        "png_flipped_bit": (bytes(flipped), ".png", ("decode",)),
        "png_claims_50000": (huge, ".png", ("dimensions",)),
        "png_noise": (png[:8] + bytes(500), ".png", ("decode", "malformed")),
        "png_tiny": (small, ".png", ("dimensions",)),
        "jpeg_picture_half": (jpeg[: len(jpeg) // 2], ".jpg", ("truncated",)),
        "jpeg_picture_claims_60000": (resized(jpeg, 60_000, 60_000), ".jpg", ("dimensions",)),
        "jpeg_cmyk": (cmyk, ".jpg", ("pixel_format",)),
        "bmp_half": (bmp[: len(bmp) // 2], ".bmp", ("truncated",)),
        "bmp_claims_60000": (wide_bmp, ".bmp", ("dimensions",)),
        "bmp_two_colours": (two, ".bmp", ("pixel_format",)),
        "tiff_half": (lzw[: len(lzw) // 2], ".tif", ("truncated", "decode", "malformed")),
        "tiff_circle": (circle, ".tif", ("dimensions",)),
        "tiff_beyond": (beyond, ".tif", ("truncated",)),
        "tiff_float": (floating, ".tif", ("pixel_format",)),
        "tiff_32_bit": (deep, ".tif", ("pixel_format",)),
        "tiff_page_beyond": (tiff, ".tif", ("frame",)),
    }
    return {
        name: bad(content, *codes, suffix=suffix, frame=int(name.endswith("page_beyond")))
        for name, (content, suffix, codes) in table.items()
    }


@functools.cache
def bad_inputs() -> dict[str, Bad]:
    """Every input that must be refused, by name."""
    makers = (
        _truncated,
        _not_ultrasound,
        _pixel_module,
        _transfer_syntaxes,
        _code_streams,
        _headers,
        _pictures,
    )
    return {name: value for make in makers for name, value in make().items()}
