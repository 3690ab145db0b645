"""Whose image it is, carried from the image's header into what is written about it.

Documents are built without names, so that no library can put one into a message, and signed over
at the end. Text becomes UTF-8 (ISO_IR 192), whatever character set the image came in.
"""

from datetime import datetime
from typing import Any, Final

from pydicom import Dataset
from pydicom.multival import MultiValue
from pydicom.uid import UID
from pydicom.valuerep import PersonName

from sonoloop import __version__
from sonoloop.errors import DocumentError
from sonoloop.imaging.dicom_header import PARSE_ERRORS
from sonoloop.imaging.write_dicom import IMPLEMENTATION_UID
from sonoloop.records import ImageRecord

MANUFACTURER: Final = "Sonoloop"
MODEL_NAME: Final = "Sonoloop breast ultrasound annotation"
SERIAL_NUMBER: Final = "0"
EQUIPMENT: Final[dict[str, Any]] = {
    "manufacturer": MANUFACTURER,
    "manufacturer_model_name": MODEL_NAME,
    "software_versions": __version__,
    "device_serial_number": SERIAL_NUMBER,
}
"""Who makes every document, as highdicom asks for it (Enhanced General Equipment)."""

UTF_8: Final = "ISO_IR 192"
RESEARCH: Final = "RESEARCH"
"""Content Qualification (0018,9004): what is written is no clinical document."""

LONG_STRING: Final = 64
"""Of LO. PS3.5 6.2 counts characters, validators count bytes; both are kept."""

_NAME_BYTES: Final = 64  # of a component group of PN, counted likewise

_BLANK: Final = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "StudyID",
    "ReferringPhysicianName",
)
"""Type 2 of the Patient and General Study modules: there, if need be empty."""

_CARRIED: Final = (
    *_BLANK,
    "IssuerOfPatientID",
    "PatientAge",
    "StudyDescription",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
)

_UIDS: Final = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")

LOSSY: Final = (
    "LossyImageCompression",
    "LossyImageCompressionRatio",
    "LossyImageCompressionMethod",
)
PLANE: Final = ("FrameOfReferenceUID", "ImagePositionPatient", "ImageOrientationPatient")
_NEEDED: Final = (
    "Rows",
    "Columns",
    "SeriesNumber",
    "InstanceNumber",
    "Laterality",
    "ImageLaterality",
    "PatientOrientation",
    "InstitutionName",
    *LOSSY,
    *PLANE,
)

EXPLICIT_LITTLE_ENDIAN: Final = "1.2.840.10008.1.2.1"


def checked_header(header: Dataset, record: ImageRecord) -> Dataset:
    """What documents need of an image's header, parsed.

    Args:
        header: Of the image; it is left as it is.
        record: The image it should be of.

    Raises:
        DocumentError: If a value cannot be parsed, a UID is missing or no UID, or UIDs or size are
            not those of the record.
    """
    known = Dataset()
    for keyword in (*_UIDS, *_NEEDED, *_CARRIED):
        try:
            element = header.get_item(keyword) and header[keyword]
        except PARSE_ERRORS as error:
            raise DocumentError(
                f"{keyword} of the image cannot be parsed: {type(error).__name__}"
            ) from error
        if element is not None and not element.is_empty:
            known.add(element)
    _check(known, record)
    return known


def _check(header: Dataset, record: ImageRecord) -> None:
    for keyword in _UIDS:
        value = text_of(header, keyword)
        if not UID(value).is_valid:
            raise DocumentError(f"{keyword} of the image is {value[:70]!r}, which is no UID")
    if header.SOPInstanceUID != record.sop_instance_uid:
        raise DocumentError(
            f"the header is of image {header.SOPInstanceUID}, the reading of "
            f"{record.sop_instance_uid}"
        )
    shape = (header.get("Rows"), header.get("Columns"))
    if shape != (record.rows, record.columns):
        raise DocumentError(
            f"the header tells {shape[0]}x{shape[1]} pixels, the image had "
            f"{record.rows}x{record.columns} (scan the studies again)"
        )


def blank_image(header: Dataset) -> Dataset:
    """The image as documents may know it while they are built: what it is, but not whose."""
    image = Dataset()
    for keyword in _BLANK:
        setattr(image, keyword, "")
    for keyword in _UIDS:
        setattr(image, keyword, str(header[keyword].value))
    image.Rows, image.Columns = int(header.Rows), int(header.Columns)
    image.Modality = "US"
    return image


def sign_over(document: Dataset, header: Dataset, assessed_at: datetime) -> None:
    """Give a document its patient, its study and its times.

    Times are local, as those of the study are: one offset from UTC would speak for all of them.
    """
    document.SpecificCharacterSet = UTF_8
    for keyword in _CARRIED:
        text = text_of(header, keyword)
        if text or keyword in _BLANK:
            setattr(document, keyword, PersonName(text) if "Name" in keyword else text)
    when = assessed_at.astimezone()
    document.InstanceCreationDate = document.ContentDate = when.strftime("%Y%m%d")
    document.InstanceCreationTime = document.ContentTime = when.strftime("%H%M%S.%f")
    for equipment in document.get("ContributingEquipmentSequence", ()):
        equipment.ContributionDateTime = when.strftime("%Y%m%d%H%M%S.%f")
    document.ContentQualification = RESEARCH
    document.file_meta.ImplementationClassUID = IMPLEMENTATION_UID
    document.file_meta.ImplementationVersionName = f"SONOLOOP_{__version__}"[:16]


def is_ours(dataset: Dataset) -> bool:
    """Whether this program wrote a document: by its maker, since a PACS may renew the file's head.

    Args:
        dataset: A segmentation or a report.
    """
    return bool(dataset.get("Manufacturer") == MANUFACTURER)


def text_of(header: Dataset, keyword: str) -> str:
    """An attribute of the image as text, as the file has it; empty where it is absent."""
    value = header.get(keyword)
    if isinstance(value, MultiValue):
        return "\\".join(str(one) for one in value)
    return "" if value is None else str(value)


def person_name(reader: str) -> str:
    """A reader's name as DICOM can hold it; ``Family^Given`` stays as it is.

    Example:
        >>> person_name("Dr. A=B")
        'Dr. A B^'
    """
    plain = "".join(c if c.isprintable() and c not in "\\=" else " " for c in reader)
    cut = within(plain, _NAME_BYTES - 1)
    return cut if "^" in cut else f"{cut}^"


def within(text: str, size: int) -> str:
    """As much of a text as ``size`` bytes of UTF-8 hold."""
    return text.encode()[:size].decode(errors="ignore").strip()
