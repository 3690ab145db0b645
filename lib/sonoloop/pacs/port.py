"""What every source of studies can do."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

from sonoloop.records import ImageRecord
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

    def path_of(self, record: ImageRecord) -> Path:
        """A local file with the pixels of an image, fetched when they are remote.

        Raises:
            NotFoundError: If the image has left the source.
            PacsError: If the PACS cannot be asked.
        """
        ...
