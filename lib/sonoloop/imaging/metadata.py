"""The header of an image from DICOM JSON metadata (PS3.18 F), judged as a file's header is."""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydicom.datadict import tag_for_keyword

from sonoloop.imaging.calibration import calibration_of
from sonoloop.imaging.dicom import check_sop_class, identity_of, stated_flags
from sonoloop.imaging.image import ImageHeader
from sonoloop.imaging.pixel_module import dimensions_of
from sonoloop.imaging.vocabulary import sorted_flags


@dataclass(frozen=True, slots=True)
class JsonAttributes:
    """Attributes of one DICOM JSON object, asked for by keyword; what is malformed is absent."""

    attributes: Mapping[str, Any]

    def raw(self, keyword: str) -> bytes | None:
        """The values as text in bytes, or None when there is none."""
        values = self._values(keyword)
        return "\\".join(map(str, values)).encode() or None

    def number(self, keyword: str, form: str) -> float | None:
        """The only value, or None when there is none or it does not fit :mod:`struct` ``form``."""
        values = self._values(keyword)
        if len(values) != 1 or isinstance(values[0], bool):
            return None
        try:
            value = float(values[0])
            struct.pack(form, value if form in "fd" else int(value))
        except (TypeError, ValueError, OverflowError, struct.error):
            return None
        return value

    def short(self, keyword: str) -> int | None:
        """One unsigned 16-bit number, or None."""
        number = self.number(keyword, "H")
        return None if number is None else int(number)

    def text(self, keyword: str) -> str | None:
        """Values joined as files join them, or None when there is none."""
        values = self._values(keyword)
        return "\\".join(map(str, values)).strip("\0 ") or None

    def items(self, keyword: str) -> Iterator["JsonAttributes"]:
        """Items of a sequence; none when it is absent."""
        for item in self._values(keyword):
            if isinstance(item, Mapping):
                yield JsonAttributes(item)

    def _values(self, keyword: str) -> list[Any]:
        attribute = self.attributes.get(f"{tag_for_keyword(keyword) or 0:08X}")
        values = attribute.get("Value") if isinstance(attribute, Mapping) else None
        if not isinstance(values, list):
            return []
        return [_plain(value) for value in values if value is not None]


def _plain(value: Any) -> Any:
    """A text without what no file or database holds: half a surrogate, a null in the middle."""
    if not isinstance(value, str):
        return value
    return value.encode(errors="replace").decode().rstrip("\0").replace("\0", "?")


def read_metadata(metadata: Mapping[str, Any]) -> ImageHeader:
    """What the metadata of one instance say; how its pixels are stored they do not.

    Args:
        metadata: DICOM JSON object, as ``/metadata`` of a DICOMweb service lists them.

    Raises:
        ImageReadError: If this is no two-dimensional ultrasound image, a UID is none, or its
            size is missing or absurd.
    """
    elements = JsonAttributes(metadata)
    check_sop_class(elements)
    identity = identity_of(elements)
    rows, columns, frame_count = dimensions_of(elements)
    calibration = calibration_of(elements, (rows, columns))
    return ImageHeader(
        rows=rows,
        columns=columns,
        frame_count=frame_count,
        spacing_mm=calibration.spacing_mm,
        identity=identity,
        flags=sorted_flags((*calibration.flags, *stated_flags(elements))),
        source_format="dicom",
    )
