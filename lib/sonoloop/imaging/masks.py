"""Masks and images as files that viewers exchange: PNG, NRRD and NIfTI, in both directions.

Contract: NRRD and NIfTI hold (W, H, 1) voxels and ``voxel[i, j, 0]`` is the pixel of row ``j`` and
column ``i``. The index order decides; affines of files read are not looked at, because viewers
write back what they loaded. What is written points rows down and columns left-to-right in LPS.
Equal input gives equal bytes (no time stamps).
"""

import gzip
import io
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from sonoloop.errors import InvalidRequestError, LabelReadError
from sonoloop.geometry import LabelMap, Mask, SpacingMm
from sonoloop.imaging import nrrd
from sonoloop.imaging.frames import PICTURE_ERRORS, check_bitmap
from sonoloop.imaging.image import UltrasoundImage
from sonoloop.imaging.inflate import gunzip_up_to

LABEL_EXTENSIONS: Final = (".seg.nrrd", ".nii.gz", ".nrrd", ".nii", ".png")
"""What :func:`encode_label_map` writes, longest first."""

_PICTURES: Final = {".png": "PNG", ".bmp": "BMP", ".tif": "TIFF", ".tiff": "TIFF"}
_READABLE: Final = tuple(dict.fromkeys((*LABEL_EXTENSIONS, *_PICTURES)))
_UNKNOWN_SPACING: Final = (1.0, 1.0)
_GZIP_LEVEL: Final = 1  # label maps shrink 100-fold at any level; higher ones only cost time


def encode_label_map(
    label_map: LabelMap | Mask,
    extension: str,
    spacing_mm: SpacingMm | None,
    *,
    for_display: bool = False,
    compress: bool = True,
) -> bytes:
    """Bytes of a label file.

    Args:
        label_map: (H, W) uint8 or bool, 0 is background.
        extension: One of ``LABEL_EXTENSIONS``.
        spacing_mm: (row, column); None writes 1.0, since NRRD and NIfTI demand a number.
        for_display: PNG only: stretch the values so that the highest label is white.
        compress: NRRD only: gzip the voxels. OHIF wants them raw.

    Raises:
        InvalidRequestError: If the extension is not one of ours.

    Example:
        >>> mask = np.zeros((2, 3), dtype=np.uint8)
        >>> mask[0, 2] = 1
        >>> data = encode_label_map(mask, ".nrrd", (0.1, 0.2))
        >>> decode_label_map(data, "mask.nrrd", shape=(2, 3)).tolist()
        [[0, 0, 1], [0, 0, 0]]
    """
    labels = np.ascontiguousarray(label_map, dtype=np.uint8)
    if extension == ".png":
        highest = int(labels.max(initial=0))
        return _png(labels * np.uint8(255 // highest) if for_display and highest else labels)
    if extension == ".seg.nrrd":
        fields = nrrd.segment_fields(labels)
        return nrrd.encode(labels, spacing_mm or _UNKNOWN_SPACING, fields, compress=compress)
    return _encode_volume(labels, extension, spacing_mm, compress=compress)


def encode_image(image: UltrasoundImage, extension: str) -> bytes:
    """Bytes of the grey image on its own grid.

    Args:
        image: Its ``spacing_mm`` of None is written as 1.0, since NRRD and NIfTI demand a number.
        extension: ``.png``, ``.nrrd``, ``.nii`` or ``.nii.gz``.

    Raises:
        InvalidRequestError: If the extension is not one of these.
    """
    if extension == ".png":
        return _png(image.pixels)
    return _encode_volume(image.pixels, extension, image.spacing_mm, compress=True)


def decode_label_map(
    data: bytes, filename: str, *, shape: tuple[int, int], max_label: int = 255
) -> LabelMap:
    """The label map in a file a client sent.

    Args:
        data: The file.
        filename: Its extension tells the format; nothing else of it is used.
        shape: (H, W) of the image the label belongs to.
        max_label: Highest value that means something. A picture whose only values are 0 and 255
            is a mask as drawing programs save it, and is read as 0 and 1.

    Returns:
        (H, W) uint8.

    Raises:
        LabelReadError: If the file is unreadable, of another size, or holds values that are no
            labels.
    """
    extension = _extension_of(filename, _READABLE)
    if extension is None:
        raise LabelReadError(
            f"cannot read a label of extension {_tail(filename)!r} (one of {', '.join(_READABLE)})"
        )
    if extension in _PICTURES:
        voxels = _from_black_and_white(_read_picture(data, _PICTURES[extension], shape))
    elif extension.endswith(".nrrd"):
        voxels = nrrd.decode(data, shape)
    else:
        voxels = _read_nifti(data, shape)
    return _checked_labels(voxels, shape, max_label)


def _png(pixels: npt.NDArray[np.uint8]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", compress_level=_GZIP_LEVEL)
    return stream.getvalue()


def _encode_volume(
    pixels: npt.NDArray[np.uint8], extension: str, spacing_mm: SpacingMm | None, *, compress: bool
) -> bytes:
    spacing = spacing_mm or _UNKNOWN_SPACING
    if extension == ".nrrd":
        return nrrd.encode(pixels, spacing, {}, compress=compress)
    if extension == ".nii":
        return _nifti(pixels, spacing)
    if extension == ".nii.gz":
        return gzip.compress(_nifti(pixels, spacing), _GZIP_LEVEL, mtime=0)
    raise InvalidRequestError(
        f"cannot write files of extension {extension!r} (one of {', '.join(LABEL_EXTENSIONS)})"
    )


def _nifti(pixels: npt.NDArray[np.uint8], spacing_mm: SpacingMm) -> bytes:
    import nibabel  # half a second to import, and most servers never need it

    row_mm, column_mm = spacing_mm
    affine = np.diag([-column_mm, -row_mm, 1.0, 1.0])  # NIfTI is RAS: LPS has the signs turned
    volume: Any = nibabel.Nifti1Image  # the package has types for half of its calls only
    volume = volume(pixels.T[:, :, np.newaxis], affine)
    volume.header.set_xyzt_units("mm")
    return bytes(volume.to_bytes())


def _read_nifti(data: bytes, shape: tuple[int, int]) -> npt.NDArray[Any]:
    import nibabel
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError
    from nibabel.wrapstruct import WrapStructError

    height, width = shape
    raw = gunzip_up_to(data, height * width * 8 + 2**20) if data[:2] == b"\x1f\x8b" else data
    try:
        volume = nibabel.Nifti1Image.from_bytes(raw)
        return _plane(volume.shape, shape, "NIfTI", lambda: np.asanyarray(volume.dataobj))
    except LabelReadError:
        raise
    except (
        ImageFileError,
        HeaderDataError,
        WrapStructError,
        OSError,
        ValueError,
        TypeError,
        EOFError,
        OverflowError,  # of a place in the file beyond what an address can say
    ) as error:
        raise LabelReadError(f"unreadable NIfTI label: {_first_line(error)}") from error


def _plane(
    sizes: tuple[int, ...], shape: tuple[int, int], kind: str, load: Callable[[], Any]
) -> npt.NDArray[Any]:
    """The (H, W) plane of a (W, H[, 1...]) volume, loaded only after its size was found right."""
    expected = (shape[1], shape[0])
    if tuple(sizes[:2]) != expected or any(size != 1 for size in sizes[2:]):
        raise LabelReadError(
            f"{kind} label of {'x'.join(map(str, sizes))} voxels does not fit the image of "
            f"{expected[0]}x{expected[1]} pixels (width x height)"
        )
    return np.asarray(load()).reshape(expected, order="F").T


def _read_picture(data: bytes, kind: str, shape: tuple[int, int]) -> npt.NDArray[Any]:
    height, width = shape
    try:
        with Image.open(io.BytesIO(data), formats=(kind,)) as picture:
            if picture.size != (width, height):
                raise LabelReadError(
                    f"label of {picture.size[0]}x{picture.size[1]} pixels does not fit the image "
                    f"of {width}x{height} (width x height)"
                )
            check_bitmap(picture, data[:32])
            coloured = picture.mode in ("LA", "PA", "RGBA", "RGB")
            values = np.asarray(picture.convert("RGBA") if coloured else picture)
    except LabelReadError:
        raise
    except PICTURE_ERRORS as error:  # an ImageReadError of ours is a ValueError, too
        raise LabelReadError(f"unreadable {kind} label: {_first_line(error)}") from error
    if values.ndim == 2:
        return values.astype(np.uint8) if values.dtype == np.bool_ else values
    return _grey_of(values)


def _grey_of(colours: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The one channel of an opaque grey picture saved as (H, W, 4) colours."""
    red, green, blue, alpha = np.moveaxis(colours, 2, 0)
    if np.any(red != green) or np.any(red != blue) or np.any(alpha != 255):
        raise LabelReadError(
            "label picture is coloured or transparent (save it as grey, each label its number)"
        )
    return np.asarray(red)


def _from_black_and_white(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if np.any((values != 0) & (values != 255)):
        return values
    return np.asarray(values == 255, dtype=np.uint8)


def _checked_labels(voxels: npt.NDArray[Any], shape: tuple[int, int], max_label: int) -> LabelMap:
    if voxels.shape != shape:
        raise LabelReadError(
            f"label of shape {voxels.shape} does not fit the image of shape {shape} (H, W)"
        )
    if voxels.dtype.kind not in "buif":
        raise LabelReadError(f"label voxels are {voxels.dtype}, not whole numbers")
    wrong = (voxels < 0) | (voxels > max_label)
    if voxels.dtype.kind == "f":
        wrong |= ~np.isfinite(voxels) | (voxels != np.rint(voxels))
    if wrong.any():
        values = np.unique(voxels[wrong])[:5].tolist()
        raise LabelReadError(
            f"label holds {values} in {int(wrong.sum())} pixels "
            f"(whole numbers from 0 to {max_label} are labels)"
        )
    return np.ascontiguousarray(voxels, dtype=np.uint8)


def _extension_of(filename: str, known: tuple[str, ...]) -> str | None:
    name = filename.lower()
    return next((extension for extension in known if name.endswith(extension)), None)


def _tail(filename: str) -> str:
    return "." + filename.rpartition(".")[2][:12] if "." in filename else ""


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:160]
