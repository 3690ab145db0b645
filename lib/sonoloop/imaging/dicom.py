"""Ultrasound DICOM to one grey frame: what is checked, in which order.

Transfer syntax, header, SOP class, UIDs, description of the pixels, calibration, code stream - and
only then a decoder. PS3.3 A.6 and A.7 are the ultrasound objects; Secondary Capture counts when it
says that it is ultrasound.
"""

from dataclasses import dataclass
from typing import BinaryIO, Final

import numpy as np
import numpy.typing as npt
from pydicom.config import IGNORE
from pydicom.uid import UID

from sonoloop.imaging.calibration import Calibration, calibration_of
from sonoloop.imaging.dicom_header import Attributes, parse_file
from sonoloop.imaging.frames import (
    READABLE_SYNTAXES,
    check_code_stream,
    decode_frame,
    read_code_stream,
)
from sonoloop.imaging.grey import has_colour, luminance
from sonoloop.imaging.image import ImageHeader, ImageIdentity, UltrasoundImage
from sonoloop.imaging.pixel_module import PixelModule, pixel_module
from sonoloop.imaging.vocabulary import Flag, Refusal, refusal, sorted_flags

_ULTRASOUND: Final = (
    "1.2.840.10008.5.1.4.1.1.6.1",
    "1.2.840.10008.5.1.4.1.1.3.1",  # multi-frame
    "1.2.840.10008.5.1.4.1.1.6",  # retired
    "1.2.840.10008.5.1.4.1.1.3",  # multi-frame, retired
)
_SECONDARY_CAPTURE: Final = (
    "1.2.840.10008.5.1.4.1.1.7",
    "1.2.840.10008.5.1.4.1.1.7.2",
    "1.2.840.10008.5.1.4.1.1.7.4",
)


@dataclass(frozen=True, slots=True)
class _Header:
    identity: ImageIdentity
    module: PixelModule
    calibration: Calibration
    flags: tuple[Flag, ...]


def read_dicom_header(file: BinaryIO, size: int) -> ImageHeader:
    """What the file says of itself; of a compressed one, the first frame's header is checked too.

    Raises:
        ImageReadError: If the file is not a readable ultrasound image.
    """
    header = _header(file, size)
    module = header.module
    if module.transfer_syntax.is_compressed:
        check_code_stream(read_code_stream(file, module, 0), module)
    return ImageHeader(
        rows=module.rows,
        columns=module.columns,
        frame_count=module.frame_count,
        spacing_mm=header.calibration.spacing_mm,
        identity=header.identity,
        flags=sorted_flags(header.flags),
        source_format="dicom",
    )


def read_dicom(file: BinaryIO, size: int, frame: int) -> UltrasoundImage:
    """One frame of the file.

    Raises:
        ImageReadError: If the file is not a readable ultrasound image or has no such frame.
    """
    header = _header(file, size)
    module = header.module
    if not 0 <= frame < module.frame_count:
        raise refusal(
            Refusal.FRAME, f"there is no frame {frame} (frames are 0 to {module.frame_count - 1})"
        )
    decoded = decode_frame(file, module, frame)
    if module.palette is not None:
        pixels, coloured = _through_palette(decoded.samples, module.palette)
    else:
        pixels = luminance(decoded.samples, decoded.space)
        coloured = has_colour(decoded.samples, decoded.space)
    if module.inverted:
        pixels = 255 - pixels
    pixels.setflags(write=False)
    overlay = (Flag.COLOR_OVERLAY,) if coloured else ()
    return UltrasoundImage(
        pixels=pixels,
        frame=frame,
        frame_count=module.frame_count,
        spacing_mm=header.calibration.spacing_mm,
        region=header.calibration.region,
        identity=header.identity,
        flags=sorted_flags((*header.flags, *decoded.flags, *overlay)),
        source_format="dicom",
    )


def _header(file: BinaryIO, size: int) -> _Header:
    parsed = parse_file(file, size, READABLE_SYNTAXES)
    elements = parsed.elements
    check_sop_class(elements)
    identity = identity_of(elements)
    module = pixel_module(parsed)
    calibration = calibration_of(elements, (module.rows, module.columns))
    flags = (*module.flags, *calibration.flags, *stated_flags(elements))
    return _Header(identity, module, calibration, flags)


def stated_flags(elements: Attributes) -> tuple[Flag, ...]:
    """Flags for what the image says, or fails to say, of itself."""
    flags = []
    if elements.text("BurnedInAnnotation") != "NO":
        flags.append(Flag.BURNED_IN_ANNOTATION)
    if elements.text("LossyImageCompression") == "01":
        flags.append(Flag.LOSSY)
    return tuple(flags)


def check_sop_class(elements: Attributes) -> None:
    """Refuse what is no two-dimensional ultrasound image.

    Raises:
        ImageReadError: With code ``sop_class``.
    """
    sop_class = elements.text("SOPClassUID")
    if sop_class in _ULTRASOUND:
        return
    if sop_class in _SECONDARY_CAPTURE and elements.text("Modality") == "US":
        return
    name = "none" if sop_class is None else UID(sop_class[:80], IGNORE).name
    raise refusal(Refusal.SOP_CLASS, f"SOP class {name!r} is no two-dimensional ultrasound image")


def identity_of(elements: Attributes) -> ImageIdentity:
    """Who and what the image belongs to.

    Raises:
        ImageReadError: If one of its three UIDs is missing or is none.
    """
    uids = {}
    for level in ("SOP", "Series", "Study"):
        value = elements.text(f"{level}InstanceUID")
        if value is None or not UID(value, IGNORE).is_valid:
            raise refusal(
                Refusal.BAD_UID,
                f"{level}InstanceUID {(value or '')[:70]!r} is no UID (digits, dots; at most 64)",
            )
        uids[f"{level.lower()}_instance_uid"] = value
    return ImageIdentity(
        **uids,
        patient_id=elements.text("PatientID"),
        modality=elements.text("Modality") or "US",
        study_date=elements.text("StudyDate"),
    )


def _through_palette(
    indices: npt.NDArray[np.uint8], palette: npt.NDArray[np.uint8]
) -> tuple[npt.NDArray[np.uint8], bool]:
    """Luminance of palette indices, and whether the picture is coloured."""
    grey = luminance(palette[np.newaxis], "rgb")[0]
    indices = np.minimum(indices, len(palette) - 1)
    return grey[indices], has_colour(palette[indices[::2, ::2]], "rgb")
