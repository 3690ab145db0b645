"""The documents of one reading: a segmentation, when there is a lesion, and a report.

Each image (and each frame of a cine) has one series of segmentations and one of reports; a
revision is a new instance of both, whose number counts up. Series keep their UIDs, lesions their
tracking UIDs. An instance's UID depends on all it says, so the same reading made twice is the same
instance, and another never has its UID.
"""

from dataclasses import dataclass
from typing import Literal

from pydicom import Dataset

from sonoloop.errors import DocumentError
from sonoloop.geometry import Mask
from sonoloop.records import InstanceAddress
from sonoloop.reporting.reading import Reading

Geometry = Literal["synthetic", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentOptions:
    """What is written, and how.

    Attributes:
        segmentation: Write the DICOM SEG.
        report: Write the DICOM SR.
        geometry: ``synthetic`` gives images without a frame of reference an invented one, which
            viewers need to show a segmentation; ``none`` leaves it out, as the standard allows.
        organization: Who vouches for final reports (VerifyingOrganization).
    """

    segmentation: bool = True
    report: bool = True
    geometry: Geometry = "synthetic"
    organization: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrackedLesion:
    """One lesion of a reading, as it is known over its revisions.

    Attributes:
        segment: Its number in the segmentation, from 1.
        tracking_uid: The same in SEG and SR, and over revisions.
        tracking_id: The same for people, such as ``Lesion 1``.
        mask: (H, W), True on the lesion.
    """

    segment: int
    tracking_uid: str
    tracking_id: str
    mask: Mask


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One DICOM file.

    Attributes:
        data: The file, with preamble.
        sop_class_uid: Segmentation Storage or Comprehensive 3D SR Storage.
        number: InstanceNumber; later revisions have higher ones.
    """

    data: bytes
    address: InstanceAddress
    sop_class_uid: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Documents:
    """What is said of one image, as DICOM.

    Attributes:
        segmentation: None when there is no lesion, or none is wanted.
        report: None when none is wanted.
        lesions: In the order of the segments.
    """

    segmentation: Document | None
    report: Document | None
    lesions: tuple[TrackedLesion, ...]

    @property
    def number(self) -> int:
        """InstanceNumber of both; 0 when there is neither."""
        return max((one.number for one in (self.segmentation, self.report) if one), default=0)

    @property
    def all(self) -> tuple[Document, ...]:
        """What there is, the segmentation first: the report refers to it."""
        return tuple(one for one in (self.segmentation, self.report) if one)


def documents_for(
    header: Dataset,
    reading: Reading,
    *,
    previous: Documents | None = None,
    options: DocumentOptions | None = None,
) -> Documents:
    """The documents of a reading.

    Args:
        header: What DICOM says of the image, without its pixels; of a cine, of the whole of it.
        reading: What is said of it.
        previous: Documents of the revision before, if there was one: from the call that made
            them, or from :func:`read_documents`.
        options: What is written; the defaults write everything.

    Raises:
        DocumentError: If the header is not that of the reading's image, or too broken to refer to.
    """
    raise DocumentError("documents are not written yet")


def read_documents(segmentation: bytes | None, report: bytes | None) -> Documents:
    """Documents this module wrote, from their files; what ``previous`` is made of.

    Raises:
        DocumentError: If a file is none of ours.
    """
    raise DocumentError("documents are not read yet")
