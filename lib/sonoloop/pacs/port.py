"""What every source of studies can do."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

from pydicom import Dataset

from sonoloop.records import ImageRecord
from sonoloop.records import InstanceAddress as InstanceAddress
from sonoloop.store.records import Refusal
from sonoloop.store.store import Store

ScanProgress: TypeAlias = Callable[[int, int], None]
"""Called with how many files of how many have been looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanSummary:
    """What one look at a source changed.

    Attributes:
        added: Images registered for the first time.
        updated: Known images whose file changed, moved or came back.
        removed: Images whose file has gone; their annotations stay.
        annotations: Annotations registered from ``annotations.csv``.
        refused: Files (and rows of ``annotations.csv``) newly refused, with the reason; all that
            stand are in ``store.images.refusals()``.
    """

    added: int = 0
    updated: int = 0
    removed: int = 0
    annotations: int = 0
    refused: tuple[Refusal, ...] = ()


class StudySource(Protocol):
    """A folder or a PACS."""

    def scan(self, store: Store, progress: ScanProgress | None = None) -> ScanSummary:
        """Look for images that are new, changed or gone, and tell the store.

        Raises:
            PacsError: If the PACS cannot be asked; what was found until then is kept.
        """
        ...

    def scan_news(self, store: Store) -> ScanSummary | None:
        """Look only at what the source itself says is new, which costs little.

        Returns:
            None when it says that nothing is, or when it is of a kind that does not say.

        Raises:
            PacsError: If the PACS cannot be asked.
        """
        ...

    def path_of(self, record: ImageRecord) -> Path:
        """A local file with the pixels of an image, fetched when they are remote.

        Raises:
            NotFoundError: If the image has left the source.
            PacsError: If the PACS cannot be asked.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveState:
    """Whether an archive answers.

    Attributes:
        reachable: False after a failure, until something succeeds again.
        problem: What went wrong last, as a sentence; None while all is well.
        since: When it became so, in seconds since the epoch.
    """

    reachable: bool
    problem: str | None
    since: float


class DicomArchive(Protocol):
    """Where DICOM instances are read from and written to: a folder, or a PACS by DICOMweb.

    Every method raises :class:`~sonoloop.errors.PacsError` when the archive cannot be asked.
    """

    def header(self, record: ImageRecord) -> Dataset:
        """What DICOM says of an image, without its pixels; of a cine, of the whole of it.

        Raises:
            NotFoundError: If the image is no DICOM or has left.
        """
        ...

    def instances(self, study: str, modality: Literal["SEG", "SR", "US"]) -> list[InstanceAddress]:
        """The instances of a modality in a study; empty where there is no such study."""
        ...

    def retrieve(self, address: InstanceAddress) -> bytes:
        """One instance as a DICOM file, byte for byte as it is kept.

        Raises:
            NotFoundError: If there is none.
        """
        ...

    def store(self, study: str, instances: Sequence[bytes]) -> None:
        """Keep DICOM files in a study; durable when this returns, to the archive's own word.

        Raises:
            InstanceRefusedError: If the archive refuses one; trying again is no use.
        """
        ...

    @property
    def state(self) -> ArchiveState:
        """Whether the archive answered when it was last asked."""
        ...


class StudyArchive(StudySource, DicomArchive, Protocol):
    """A folder or a PACS with all that it can do."""
