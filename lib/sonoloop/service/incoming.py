"""An image file a client sends: checked by reading it before anything else happens."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sonoloop.geometry import SpacingMm
from sonoloop.imaging.image import ImageHeader, UltrasoundImage
from sonoloop.imaging.read import IMAGE_SUFFIXES, read_header, read_image
from sonoloop.service.volumes import volume_as_png, volume_extension


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedImage:
    """An image that was written and read back.

    Attributes:
        path: The file, in the folder asked for.
        image: Its first frame.
        spacing_mm: (row, column), as the file or the volume it was sent in tells; None when it
            tells none.
    """

    path: Path
    header: ImageHeader
    image: UltrasoundImage
    spacing_mm: SpacingMm | None


def receive_image(data: bytes, filename: str, folder: Path, *, stem: str) -> ReceivedImage:
    """Write ``data`` as ``<folder>/<stem><suffix>`` and read it.

    Args:
        data: The file.
        folder: Where to write it.
        filename: As the client calls it; only its suffix is used.
        stem: A safe name.

    Raises:
        ImageReadError: If it is not an image this package can read; the file is removed again.
    """
    volume = volume_extension(filename)
    path = folder / f"{stem}{'.png' if volume else image_suffix(filename)}"
    try:
        spacing_mm = volume_as_png(data, volume, path) if volume else None
        if not volume:
            path.write_bytes(data)
        header = read_header(path)
        image = read_image(path)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    spacing_mm = header.spacing_mm or spacing_mm
    image = dataclasses.replace(image, spacing_mm=spacing_mm)
    return ReceivedImage(path=path, header=header, image=image, spacing_mm=spacing_mm)


def image_suffix(filename: str) -> str:
    """The suffix of an image file by its name; ``.dcm`` for any other.

    Viewers send DICOM without a suffix, and what is none is refused when it is read.
    """
    suffix = PurePosixPath(filename.replace("\\", "/")).suffix.lower()
    return suffix if suffix in IMAGE_SUFFIXES else ".dcm"
