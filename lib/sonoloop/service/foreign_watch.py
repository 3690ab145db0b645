"""Segmentations of other programs, taken while the server looks for new studies."""

import logging
from typing import TYPE_CHECKING, Final

from sonoloop.errors import PacsError, SonoloopError, StoreError
from sonoloop.pacs.port import DicomArchive
from sonoloop.settings import ForeignMode
from sonoloop.store.store import Store

if TYPE_CHECKING:
    from sonoloop.service.foreign import ForeignSummary

logger = logging.getLogger(__name__)

STUDIES_A_LOOK: Final = 20
"""So that a large PACS is not asked for a thousand studies at once; they take turns."""

GIVE_UP_AFTER: Final = 3
"""Studies in a row that fail: then the archive is away rather than one of them broken."""


class ForeignWatch:
    """Looks into some studies after every look for new ones; used by one thread.

    Args:
        store: Whose images the segmentations may lie on.
        archive: Where they are.
        mode: ``off`` never looks.
    """

    def __init__(self, store: Store, archive: DicomArchive, mode: ForeignMode) -> None:
        self._store, self._archive, self._mode = store, archive, mode
        self._last = ""
        self._read: set[str] = set()

    def look(self) -> None:
        """Take what is new in the studies whose turn it is; a failure is logged, and no end."""
        if self._mode == "off":
            return
        # Brings libraries along that most servers do without.
        from sonoloop.service.foreign import ForeignSummary

        summary = ForeignSummary()
        try:
            self._take(summary)
        except SonoloopError as error:
            logger.warning("segmentations of others cannot be looked for: %s", error)
        waiting = {one.locator for one in summary.refused if one.code == "unknown_image"}
        self._read |= summary.read - waiting
        if summary.annotations or summary.refused:
            logger.info(
                "segmentations of others: %d annotations, %d not taken",
                summary.annotations,
                len(summary.refused),
            )

    def _take(self, summary: "ForeignSummary") -> None:
        from sonoloop.service.foreign import images_by_study, import_study

        images = images_by_study(self._store)
        keys = self._store.annotations.import_keys()
        failed = 0
        for study in self._turn(sorted(images)):
            self._last = study  # whatever comes of it: the next have their turn
            try:
                import_study(
                    self._store,
                    self._archive,
                    study,
                    images[study],
                    summary,
                    keys=keys,
                    trusted=self._mode == "trusted",
                    leave_out=self._read,
                )
            except (PacsError, StoreError) as error:
                failed += 1
                if failed == GIVE_UP_AFTER:
                    raise
                logger.warning("segmentations of others cannot be looked for: %s", error)
            else:
                failed = 0

    def _turn(self, studies: list[str]) -> list[str]:
        """The next so many after the last one of before, from the start again at the end."""
        later = [study for study in studies if study > self._last]
        return (later + studies)[: min(STUDIES_A_LOOK, len(studies))]
