"""One scan at work: what was known before, and what it found until now."""

from collections.abc import Callable, Collection, Iterable
from typing import Final, Literal

from sonoloop.errors import ImageReadError
from sonoloop.pacs.port import ScanSummary
from sonoloop.records import ImageRecord
from sonoloop.store.records import Refusal
from sonoloop.store.store import Store

DUPLICATE: Final = "duplicate_uid"

RETRIED: Final = frozenset({DUPLICATE, "unreadable"})
"""Refusals for reasons that lie outside the file: they may end while the file stays the same."""

State = tuple[int, int]
"""Size in bytes and modification time in ns of a file; zeros where there is none."""


class Scan:
    """Compares what a source holds with what the store knows, and keeps count.

    Attributes:
        store: Where images are registered.
        known: State of every available file of the source before the scan, by locator.
        added: Images registered for the first time.
        updated: Known images that were registered anew.
        annotations: Annotations registered from tables.
    """

    def __init__(self, store: Store, source: Literal["folder", "dicomweb"]) -> None:
        self.store = store
        self.source: Literal["folder", "dicomweb"] = source
        self.known = store.images.by_locator(source)
        self.added = self.updated = self.annotations = 0
        self._before = {refusal.locator: refusal for refusal in store.images.refusals()}
        self._news: list[Refusal] = []
        self._standing: set[str] = set()
        self._owners: dict[str, str] = {}
        self._there: Collection[str] = ()
        self._claimed: set[str] = set()

    def has_news(self, locator: str, state: State, *, trust_refusals: bool) -> bool:
        """Whether a file must be looked at; False when it is known, or refused, and unchanged.

        Args:
            locator: The file.
            state: As it is now.
            trust_refusals: False looks again at what was refused: the program may have learnt to
                read it. Duplicates are always looked at again, since the other may have gone,
                and so are files that could not be opened.
        """
        if self.known.get(locator) == state:
            return False
        refusal = self._before.get(locator)
        if refusal is None or not trust_refusals or refusal.code in RETRIED:
            return True
        if (refusal.size, refusal.mtime_ns) != state:
            return True
        self._standing.add(locator)
        return False

    def expect_claims(self, changed: Collection[str], there: Collection[str]) -> None:
        """Prepare :meth:`claim`: what changed files held before counts no more.

        Args:
            changed: Locators about to be looked at.
            there: Locators of all files of the source, or those known to be there.
        """
        owners = self.store.images.locators_by_uid(self.source).items()
        dropped = set(changed)
        self._owners = {uid: locator for uid, locator in owners if locator not in dropped}
        self._there = there

    def claim(self, uid: str, locator: str) -> None:
        """Give an instance to a file, unless another file that is there has it.

        Raises:
            ImageReadError: With code ``duplicate_uid``.
        """
        owner = self._owners.get(uid, locator)
        if owner != locator and (owner in self._there or owner in self._claimed):
            raise ImageReadError(
                DUPLICATE, f"{locator!r} holds the same SOP instance as {owner!r}, which is kept"
            )
        self._owners[uid] = locator
        self._claimed.add(locator)

    def register(self, records: list[ImageRecord], *, replacing: list[str]) -> None:
        """Register images; what files in ``replacing`` held before and hold no more has gone."""
        added = self.store.images.upsert_many(records, replacing=replacing)
        if replacing and not records:
            self.store.images.mark_gone(self.source, replacing)
        self.added += added
        self.updated += len(records) - added

    def refuse(self, refusals: Iterable[Refusal]) -> None:
        """Keep refusals; those that stood before with the same words are not told again."""
        for refusal in refusals:
            self._standing.add(refusal.locator)
            if self._before.get(refusal.locator) != refusal:
                self._news.append(refusal)

    def keep_refusals(self, of: Callable[[str], bool]) -> None:
        """Let earlier refusals of what was not looked at stand; ``of`` tells by the locator."""
        self._standing.update(filter(of, self._before))

    def finish(self, gone: Collection[str]) -> ScanSummary:
        """Say what has gone, write down the refusals, and sum up."""
        images = self.store.images
        removed = images.mark_gone(self.source, gone)
        removed += images.mark_other_sources_gone(self.source)
        images.record_refusals(self._news)
        images.clear_refusals(self._before.keys() - self._standing)
        return ScanSummary(
            added=self.added,
            updated=self.updated,
            removed=removed,
            annotations=self.annotations,
            refused=tuple(self._news),
        )
