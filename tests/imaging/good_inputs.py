"""Readable files with the grey image that must come out; also used by ``scripts/input_table``."""

import functools
import io
import struct
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gdcm
import jpeg_ls
import numpy as np
import numpy.typing as npt
import pydicom
from openjpeg.utils import encode_array
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    JPEG2000,
    UID,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from sonoloop.imaging.write_dicom import UltrasoundDicom, stable_uid, write_ultrasound_dicom

ROWS, COLUMNS = 96, 128  # not square, so that a transposed image is noticed
Pixels = npt.NDArray[np.uint8]
JPEG_LOSSLESS = UID("1.2.840.10008.1.2.4.57")
JPEG_LOSSLESS_SV1 = UID("1.2.840.10008.1.2.4.70")


@dataclass(frozen=True)
class Good:
    """A file and what reading it must give.

    ``tolerance`` is the greatest mean difference in grey levels: 0 for lossless encodings.
    """

    content: bytes
    grey: Pixels
    tolerance: float = 0.0
    flags: frozenset[str] = frozenset()
    suffix: str = ".dcm"
    frame: int = 0


def scan(rows: int = ROWS, columns: int = COLUMNS, seed: int = 0) -> Pixels:
    """A picture that looks like ultrasound to a codec: smooth, dark round the edge."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 255, (rows // 8 + 2, columns // 8 + 2), dtype=np.uint8)
    fine = np.array(Image.fromarray(coarse).resize((columns, rows), Image.Resampling.BICUBIC))
    fine[:8] = fine[:, :8] = fine[:, -12:] = 0
    fine[2:6, 20:60:3] = 255  # text
    return fine


def coloured(grey: Pixels) -> Pixels:
    """The scan as RGB with a red and a blue patch of flow."""
    rgb = np.stack([grey] * 3, axis=-1)
    rgb[40:60, 40:60] = (200, 30, 20)
    rgb[60:70, 60:80] = (20, 40, 220)
    return rgb


def luma(rgb: Pixels) -> Pixels:
    """ITU-R BT.601, written out."""
    return np.asarray(np.rint(rgb @ np.array([0.299, 0.587, 0.114])), dtype=np.uint8)


def to_ybr(rgb: Pixels) -> Pixels:
    return np.asarray(Image.fromarray(rgb).convert("YCbCr"))


def dataset(pixels: Pixels, *, cine: bool = False, **settings: Any) -> Dataset:
    """A valid ultrasound data set to be changed by the caller."""
    uids = {
        f"{level}_instance_uid": stable_uid("test", level) for level in ("sop", "series", "study")
    }
    values: dict[str, Any] = {**uids, "patient_id": "P1", "study_date": "20240131", **settings}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "image.dcm"
        write_ultrasound_dicom(path, pixels, UltrasoundDicom(**values), cine=cine)
        return pydicom.dcmread(io.BytesIO(path.read_bytes()))


def saved(ds: Dataset, syntax: UID | None = None) -> bytes:
    """The file of a data set, nothing checked; its native pixels are not re-encoded."""
    if syntax is not None:
        ds.file_meta.TransferSyntaxUID = syntax
    else:
        syntax = ds.file_meta.TransferSyntaxUID
    ds.preamble = bytes(128)
    stream = io.BytesIO()
    pydicom.dcmwrite(
        stream,
        ds,
        implicit_vr=syntax == ImplicitVRLittleEndian,
        little_endian=syntax != ExplicitVRBigEndian,
        force_encoding=True,
    )
    return stream.getvalue()


def with_frames(ds: Dataset, frames: list[bytes], syntax: UID, *, table: bool = True) -> Dataset:
    """The data set with these code streams as its pixels."""
    ds.add_new(0x7FE00010, "OB", encapsulate(frames, has_bot=table))
    ds["PixelData"].is_undefined_length = True
    ds.file_meta.TransferSyntaxUID = syntax
    return ds


def jpeg(pixels: Pixels, *, quality: int = 95, subsampling: str = "4:4:4") -> bytes:
    stream = io.BytesIO()
    options = {"subsampling": subsampling} if pixels.ndim == 3 else {}
    Image.fromarray(pixels).save(stream, "JPEG", quality=quality, **options)
    return stream.getvalue()


def rgb_jpeg(pixels: Pixels) -> bytes:
    """A JPEG whose components are R, G and B and whose Adobe marker says so."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=95, keep_rgb=True)
    return stream.getvalue()


def without_markers(stream: bytes) -> bytes:
    """A JPEG that does not say what its components are: no JFIF, no Adobe, numbers 1 to 3."""
    kept, position = bytearray(stream[:2]), 2
    while stream[position + 1] != 0xDA:
        length = struct.unpack(">H", stream[position + 2 : position + 4])[0]
        segment = bytearray(stream[position : position + 2 + length])
        if segment[1] in (0xC0, 0xC1, 0xC2):
            for number in range(segment[9]):
                segment[10 + 3 * number] = number + 1
        if segment[1] not in (0xE0, 0xEE):
            kept += segment
        position += 2 + length
    scan_header = bytearray(stream[position : position + 14])
    for number in range(scan_header[4]):
        scan_header[5 + 2 * number] = number + 1
    return bytes(kept + scan_header + stream[position + 14 :])


def jpeg_lossless(pixels: npt.NDArray[Any], bits: int = 8) -> bytes:
    """A code stream of JPEG lossless, first-order prediction, made by GDCM."""
    ds = dataset(np.zeros(pixels.shape, np.uint8))
    ds.BitsAllocated = 8 * pixels.dtype.itemsize
    ds.BitsStored, ds.HighBit = bits, bits - 1
    ds.add_new(0x7FE00010, "OB" if ds.BitsAllocated == 8 else "OW", pixels.tobytes())
    with tempfile.TemporaryDirectory() as folder:
        source, target = str(Path(folder) / "in.dcm"), str(Path(folder) / "out.dcm")
        Path(source).write_bytes(saved(ds))
        reader, change, writer = (
            gdcm.ImageReader(),
            gdcm.ImageChangeTransferSyntax(),
            gdcm.ImageWriter(),
        )
        reader.SetFileName(source)
        assert reader.Read()
        kind = gdcm.TransferSyntax.GetTSType(str(JPEG_LOSSLESS_SV1))
        change.SetTransferSyntax(gdcm.TransferSyntax(kind))
        change.SetInput(reader.GetImage())
        assert change.Change()
        writer.SetFileName(target)
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        assert writer.Write()
        return next(
            pydicom.encaps.generate_frames(pydicom.dcmread(target).PixelData, number_of_frames=1)
        )


def jpeg2000(pixels: npt.NDArray[Any], bits: int = 8, **options: Any) -> bytes:
    """A JPEG 2000 code stream; colour is transformed unless ``use_mct=False``."""
    kind = 2 if pixels.ndim == 2 else 1
    stream = encode_array(pixels, bits_stored=bits, photometric_interpretation=kind, **options)
    return bytes(stream)


def wide(pixels: Pixels, bits: int) -> npt.NDArray[np.uint16]:
    """The scan with ``bits`` bits a sample."""
    return (pixels.astype(np.uint32) * ((1 << bits) - 1) // 255).astype(np.uint16)


def narrow(pixels: npt.NDArray[np.uint16], bits: int) -> Pixels:
    return np.asarray(np.floor(pixels / ((1 << bits) - 1) * 255 + 0.5), dtype=np.uint8)


def deep(values: npt.NDArray[np.uint16], bits: int) -> Dataset:
    """A data set of more than 8 bits a sample."""
    ds = dataset(np.zeros(values.shape, np.uint8))
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, bits, bits - 1
    ds.add_new(0x7FE00010, "OW", values.astype("<u2").tobytes())
    return ds


def with_palette(
    indices: Pixels, table: npt.NDArray[np.uint16], *, bits: int, first: int = 0
) -> Dataset:
    """A PALETTE COLOR data set; ``table`` is (N, 3) of ``bits`` bits."""
    ds = dataset(indices)
    ds.PhotometricInterpretation = "PALETTE COLOR"
    for column, colour in enumerate(("Red", "Green", "Blue")):
        entries = table[:, column].astype("<u2" if bits == 16 else np.uint8).tobytes()
        descriptor = [len(table) % 65536, first, bits]
        ds.add_new(f"{colour}PaletteColorLookupTableDescriptor", "US", descriptor)
        ds.add_new(f"{colour}PaletteColorLookupTableData", "OW", entries)
    return ds


def tinted() -> npt.NDArray[np.uint16]:
    """256 colours, slightly brown, of 16 bits."""
    ramp = np.arange(256) * 257
    return np.stack([ramp, ramp * 19 // 20, ramp * 9 // 10], axis=1).astype(np.uint16)


def picture(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


GREY = scan()
RGB = coloured(GREY)
_OVERLAY = frozenset({"color_overlay"})
_LOSSY = frozenset({"lossy"})
_DEEP = frozenset({"scaled_from_16_bit"})


def _native() -> dict[str, Good]:
    inverted = dataset(255 - GREY)
    inverted.PhotometricInterpretation = "MONOCHROME1"
    planes = dataset(RGB)
    planes.PlanarConfiguration = 1
    planes.PixelData = RGB.transpose(2, 0, 1).tobytes()
    ybr, halved = dataset(to_ybr(RGB)), dataset(RGB)
    ybr.PhotometricInterpretation, halved.PhotometricInterpretation = "YBR_FULL", "YBR_FULL_422"
    full = to_ybr(RGB)
    pairs = np.stack([full[:, 0::2, 0], full[:, 1::2, 0], full[:, 0::2, 1], full[:, 0::2, 2]], -1)
    halved.PixelData = pairs.tobytes()
    swapped = dataset(GREY)
    swapped.add_new(0x7FE00010, "OW", GREY.view("<u2").byteswap().tobytes())
    big_deep = deep(wide(GREY, 12).byteswap(), 12)
    old, capture = dataset(GREY), dataset(RGB)
    old.SOPClassUID = "1.2.840.10008.5.1.4.1.1.6"
    capture.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    y = np.asarray(full[..., 0])
    return {
        "native_mono": Good(saved(dataset(GREY)), GREY),
        "native_mono1": Good(saved(inverted), GREY),
        "native_implicit": Good(saved(dataset(GREY), ImplicitVRLittleEndian), GREY),
        "native_big_endian_ob": Good(saved(dataset(GREY), ExplicitVRBigEndian), GREY),
        "native_big_endian_ow": Good(saved(swapped, ExplicitVRBigEndian), GREY),
        "native_16_bit": Good(saved(deep(wide(GREY, 16), 16)), GREY, flags=_DEEP),
        "native_12_bit": Good(
            saved(deep(wide(GREY, 12), 12)), narrow(wide(GREY, 12), 12), flags=_DEEP
        ),
        "native_12_bit_big_endian": Good(
            saved(big_deep, ExplicitVRBigEndian), narrow(wide(GREY, 12), 12), flags=_DEEP
        ),
        "native_rgb": Good(saved(dataset(RGB)), luma(RGB), flags=_OVERLAY),
        "native_rgb_planes": Good(saved(planes), luma(RGB), flags=_OVERLAY),
        "native_ybr_full": Good(saved(ybr), y, flags=_OVERLAY),
        "native_ybr_full_422": Good(saved(halved), y, flags=_OVERLAY),
        "native_retired_class": Good(saved(old), GREY),
        "native_secondary_capture": Good(saved(capture), luma(RGB), flags=_OVERLAY),
        "native_cine": Good(
            saved(dataset(np.stack([scan(seed=k) for k in range(5)]), cine=True)),
            scan(seed=3),
            frame=3,
        ),
    }


def _palettes() -> dict[str, Good]:
    table = tinted()
    grey = luma((table >> 8).astype(np.uint8)[GREY])
    ramp16 = np.stack([np.arange(256)] * 3, axis=1).astype(np.uint16)
    short = np.stack([np.arange(0, 200)] * 3, axis=1).astype(np.uint16)
    segmented = dataset(GREY)
    segmented.PhotometricInterpretation = "PALETTE COLOR"
    for colour in ("Red", "Green", "Blue"):
        segmented.add_new(f"{colour}PaletteColorLookupTableDescriptor", "US", [256, 0, 16])
        # one discrete entry of 0, then a linear run of 255 entries to 65535
        segments = struct.pack("<6H", 0, 1, 0, 1, 255, 65535)
        segmented.add_new(f"Segmented{colour}PaletteColorLookupTableData", "OW", segments)
    return {
        "palette_16_bit": Good(saved(with_palette(GREY, table, bits=16)), grey),
        "palette_8_bit": Good(saved(with_palette(GREY, ramp16, bits=8)), GREY),
        "palette_8_bit_called_16": Good(saved(with_palette(GREY, ramp16, bits=16)), GREY),
        "palette_offset": Good(
            saved(with_palette(GREY, short, bits=8, first=10)),
            (GREY.astype(int) - 10).clip(0, 199).astype(np.uint8),
        ),
        "palette_segmented": Good(saved(segmented), GREY, tolerance=0.5),
        "palette_big_endian": Good(
            saved(with_palette(GREY, table.byteswap(), bits=16), ExplicitVRBigEndian), grey
        ),
    }


def compressed(
    pixels: npt.NDArray[Any], syntax: UID, ds: Dataset | None = None, **how: Any
) -> bytes:
    ds = ds or dataset(pixels)
    ds.compress(syntax, **how)
    return saved(ds)


def _called(ds: Dataset, photometric: str) -> Dataset:
    ds.PhotometricInterpretation = photometric
    return ds


def _lossless() -> dict[str, Good]:
    deep12, grey12 = wide(GREY, 12), narrow(wide(GREY, 12), 12)
    lossless_rgb = dataset(RGB)
    palette = with_palette(GREY, tinted(), bits=16)
    luma_of_palette = luma((tinted() >> 8).astype(np.uint8)[GREY])
    interleaved = {
        f"jpeg_ls_rgb_interleave_{mode}": Good(
            saved(
                with_frames(
                    dataset(RGB),
                    [
                        bytes(
                            jpeg_ls.encode_buffer(
                                (RGB.transpose(2, 0, 1) if mode == 0 else RGB).tobytes(),
                                rows=ROWS,
                                columns=COLUMNS,
                                samples_per_pixel=3,
                                bits_stored=8,
                                interleave_mode=mode,
                            )
                        )
                    ],
                    JPEGLSLossless,
                )
            ),
            luma(RGB),
            flags=_OVERLAY,
        )
        for mode in (0, 1, 2)
    }
    return {
        "rle_mono": Good(compressed(GREY, RLELossless), GREY),
        "rle_rgb": Good(compressed(RGB, RLELossless), luma(RGB), flags=_OVERLAY),
        "rle_12_bit": Good(compressed(deep12, RLELossless, deep(deep12, 12)), grey12, flags=_DEEP),
        "rle_palette": Good(compressed(GREY, RLELossless, palette), luma_of_palette),
        "jpeg_ls_mono": Good(compressed(GREY, JPEGLSLossless), GREY),
        "jpeg_ls_12_bit": Good(
            compressed(deep12, JPEGLSLossless, deep(deep12, 12)), grey12, flags=_DEEP
        ),
        **interleaved,
        "jpeg2000_mono": Good(
            saved(with_frames(dataset(GREY), [jpeg2000(GREY)], JPEG2000Lossless)), GREY
        ),
        "jpeg2000_rgb": Good(
            saved(_called(with_frames(dataset(RGB), [jpeg2000(RGB)], JPEG2000Lossless), "YBR_RCT")),
            luma(RGB),
            flags=_OVERLAY,
        ),
        "jpeg2000_untransformed_rgb": Good(
            saved(with_frames(dataset(RGB), [jpeg2000(RGB, use_mct=False)], JPEG2000Lossless)),
            luma(RGB),
            flags=_OVERLAY,
        ),
        "jpeg2000_untransformed_ybr": Good(
            saved(
                _called(
                    with_frames(
                        dataset(RGB), [jpeg2000(to_ybr(RGB), use_mct=False)], JPEG2000Lossless
                    ),
                    "YBR_FULL",
                )
            ),
            np.asarray(to_ybr(RGB)[..., 0]),
            flags=_OVERLAY,
        ),
        "jpeg2000_12_bit": Good(
            saved(with_frames(deep(deep12, 12), [jpeg2000(deep12, 12)], JPEG2000Lossless)),
            grey12,
            flags=_DEEP,
        ),
        "jpeg_lossless_sv1_mono": Good(
            saved(with_frames(dataset(GREY), [jpeg_lossless(GREY)], JPEG_LOSSLESS_SV1)), GREY
        ),
        "jpeg_lossless_mono": Good(
            saved(with_frames(dataset(GREY), [jpeg_lossless(GREY)], JPEG_LOSSLESS)), GREY
        ),
        "jpeg_lossless_sv1_rgb": Good(
            saved(with_frames(lossless_rgb, [jpeg_lossless(RGB)], JPEG_LOSSLESS_SV1)),
            luma(RGB),
            flags=_OVERLAY,
        ),
        "jpeg_lossless_sv1_12_bit": Good(
            saved(with_frames(deep(deep12, 12), [jpeg_lossless(deep12, 12)], JPEG_LOSSLESS_SV1)),
            grey12,
            flags=_DEEP,
        ),
    }


def _baseline(stream: bytes, photometric: str) -> bytes:
    ds = dataset(RGB)
    ds.PhotometricInterpretation = photometric
    return saved(with_frames(ds, [stream], JPEGBaseline8Bit))


def _lossy() -> dict[str, Good]:
    mislabelled = _OVERLAY | {"jpeg_ybr_labelled_rgb"}
    cine = np.stack([scan(seed=k) for k in range(4)])
    streams = [jpeg(frame) for frame in cine]
    split = dataset(cine, cine=True)
    pieces = [piece for s in streams for piece in (s[: len(s) // 4 * 2], s[len(s) // 4 * 2 :])]
    no_table = with_frames(split, pieces, JPEGBaseline8Bit, table=False)
    offsets = np.cumsum(
        [0, *(sum(len(p) + len(p) % 2 + 8 for p in pieces[k : k + 2]) for k in (0, 2, 4))]
    )
    with_table = with_frames(dataset(cine, cine=True), pieces, JPEGBaseline8Bit, table=False)
    body = with_table.PixelData[8:]
    with_table.PixelData = (
        struct.pack("<HHI", 0xFFFE, 0xE000, 16) + struct.pack("<4I", *offsets.tolist()) + body
    )
    wrong_table = with_frames(dataset(cine, cine=True), pieces, JPEGBaseline8Bit, table=False)
    wrong_table.PixelData = struct.pack("<HHI4I", 0xFFFE, 0xE000, 16, 0, 7, 14, 21) + body
    near = dataset(GREY)
    near.compress(JPEGLSNearLossless, jls_error=2)
    j2k = with_frames(dataset(RGB), [jpeg2000(RGB, compression_ratios=[4])], JPEG2000)
    colour = luma(RGB)
    return {
        "jpeg_mono": Good(saved(dataset(GREY, jpeg_quality=95)), GREY, tolerance=1, flags=_LOSSY),
        "jpeg_ybr_422": Good(
            saved(dataset(RGB, jpeg_quality=95)), colour, tolerance=1, flags=_OVERLAY | _LOSSY
        ),
        "jpeg_ybr_420": Good(
            _baseline(jpeg(RGB, subsampling="4:2:0"), "YBR_FULL_422"),
            colour,
            tolerance=1,
            flags=_OVERLAY,
        ),
        "jpeg_jfif_labelled_rgb": Good(
            _baseline(jpeg(RGB), "RGB"), colour, tolerance=1, flags=mislabelled
        ),
        "jpeg_adobe_rgb": Good(
            _baseline(rgb_jpeg(RGB), "RGB"), colour, tolerance=1, flags=_OVERLAY
        ),
        "jpeg_unmarked_422_labelled_rgb": Good(
            _baseline(without_markers(jpeg(RGB, subsampling="4:2:2")), "RGB"),
            colour,
            tolerance=1,
            flags=mislabelled,
        ),
        "jpeg_unmarked_444_labelled_rgb": Good(
            _baseline(without_markers(jpeg(RGB)), "RGB"), colour, tolerance=1, flags=mislabelled
        ),
        "jpeg_unmarked_true_rgb": Good(
            _baseline(without_markers(rgb_jpeg(RGB)), "RGB"), colour, tolerance=1, flags=_OVERLAY
        ),
        "jpeg_unmarked_444_ybr": Good(
            _baseline(without_markers(jpeg(RGB)), "YBR_FULL"), colour, tolerance=1, flags=_OVERLAY
        ),
        "jpeg_called_lossless": Good(
            saved(with_frames(dataset(GREY), [jpeg(GREY)], JPEG_LOSSLESS_SV1)), GREY, tolerance=1
        ),
        "jpeg_cine_fragments": Good(saved(no_table), cine[2], tolerance=1, frame=2),
        "jpeg_cine_offset_table": Good(saved(with_table), cine[2], tolerance=1, frame=2),
        "jpeg_cine_wrong_table": Good(saved(wrong_table), cine[2], tolerance=1, frame=2),
        "jpeg_ls_near_lossless": Good(saved(near), GREY, tolerance=2),
        "jpeg2000_lossy_rgb": Good(
            saved(_called(j2k, "YBR_ICT")), colour, tolerance=3, flags=_OVERLAY
        ),
    }


def _pictures() -> dict[str, Good]:
    grey, rgb = Image.fromarray(GREY), Image.fromarray(RGB)
    alpha = np.full((ROWS, COLUMNS, 4), 255, np.uint8)
    alpha[..., :3] = GREY[..., np.newaxis]
    alpha[-10:, :, 3] = 0
    on_black = GREY.copy()
    on_black[-10:] = 0
    deep16 = Image.fromarray(wide(GREY, 16))
    exif = Image.Exif()
    exif[0x0112] = 6
    pages = [Image.fromarray(scan(seed=k)) for k in range(3)]
    tiff = {"save_all": True, "append_images": pages[1:]}
    rotated = frozenset({"exif_orientation_ignored"})
    return {
        "png_grey": Good(picture(grey, "PNG"), GREY, suffix=".png"),
        "png_1_bit": Good(
            picture(Image.fromarray(GREY > 99), "PNG"),
            ((GREY > 99) * 255).astype(np.uint8),
            suffix=".png",
        ),
        "png_rgb": Good(picture(rgb, "PNG"), luma(RGB), flags=_OVERLAY, suffix=".png"),
        "png_palette": Good(picture(grey.convert("P"), "PNG"), GREY, suffix=".png"),
        "png_16_bit": Good(picture(deep16, "PNG"), GREY, flags=_DEEP, suffix=".png"),
        "png_alpha": Good(
            picture(Image.fromarray(alpha), "PNG"),
            on_black,
            flags=frozenset({"transparency_flattened"}),
            suffix=".png",
        ),
        "png_grey_alpha": Good(
            picture(Image.fromarray(alpha).convert("LA"), "PNG"),
            on_black,
            flags=frozenset({"transparency_flattened"}),
            suffix=".png",
        ),
        "jpeg_picture": Good(jpeg(GREY), GREY, tolerance=1, suffix=".jpg"),
        "jpeg_picture_rgb": Good(jpeg(RGB), luma(RGB), tolerance=1, flags=_OVERLAY, suffix=".jpg"),
        "jpeg_picture_rotated": Good(
            picture(grey, "JPEG", quality=95, exif=exif), GREY, 1, rotated, suffix=".jpg"
        ),
        "jpeg_picture_progressive": Good(
            picture(grey, "JPEG", quality=95, progressive=True), GREY, tolerance=1, suffix=".jpg"
        ),
        "bmp": Good(picture(grey, "BMP"), GREY, suffix=".bmp"),
        "bmp_rgb": Good(picture(rgb, "BMP"), luma(RGB), flags=_OVERLAY, suffix=".bmp"),
        "tiff": Good(picture(grey, "TIFF"), GREY, suffix=".tif"),
        "tiff_lzw_rgb": Good(
            picture(rgb, "TIFF", compression="tiff_lzw"), luma(RGB), flags=_OVERLAY, suffix=".tif"
        ),
        "tiff_deflate": Good(
            picture(grey, "TIFF", compression="tiff_adobe_deflate"), GREY, suffix=".tif"
        ),
        "tiff_16_bit": Good(picture(deep16, "TIFF"), GREY, flags=_DEEP, suffix=".tif"),
        "tiff_16_bit_white_is_zero": Good(
            picture(deep16, "TIFF", tiffinfo={262: 0}), 255 - GREY, flags=_DEEP, suffix=".tif"
        ),
        "tiff_page_2": Good(
            picture(pages[0], "TIFF", **tiff), scan(seed=2), suffix=".tif", frame=2
        ),
        "png_called_dcm": Good(picture(grey, "PNG"), GREY, suffix=".dcm"),
    }


@functools.cache
def good_inputs() -> dict[str, Good]:
    """Every readable input by name."""
    makers: tuple[Callable[[], dict[str, Good]], ...] = (
        _native,
        _palettes,
        _lossless,
        _lossy,
        _pictures,
    )
    return {name: good for make in makers for name, good in make().items()}
