"""What readers and reviewers do beside outlining: pass over, share out, judge, look back."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from sonoloop.errors import ConflictError
from sonoloop.records import (
    Annotation,
    AssignmentProgress,
    Lease,
    Review,
    Skip,
    SkipKind,
    Verdict,
)
from sonoloop.service.images import ImageLibrary
from sonoloop.service.listing import assignment_json, review_json, revision_json, skip_json
from sonoloop.settings import ServerSettings
from sonoloop.store.events import UNKNOWN
from sonoloop.store.store import Store

OPENED: Final = "opened"
"""Strategy that is told of an image a reader chose himself."""


class Readers:
    """The work several readers share; every call is durable when it returns."""

    def __init__(self, store: Store, images: ImageLibrary, settings: ServerSettings) -> None:
        self._store, self._images, self._settings = store, images, settings

    def lend(self, image: str, reader: str) -> Lease:
        """Lend a reader the image he asks for.

        Raises:
            NotFoundError: If there is no such image.
            ConflictError: If another reader holds it, or it does not wait for an answer of his.
        """
        image_id = self._images.record(image).image_id
        lease = self._store.leases.take(
            image_id,
            reader,
            strategy=OPENED,
            reason="You chose this image yourself.",
            seconds=self._settings.lease_s,
        )
        if lease is None:
            held = [one.reader for one in self._store.leases.active() if one.image_id == image_id]
            why = f"{held[0]!r} holds it" if held else "it does not wait for an answer of this one"
            raise ConflictError(f"image {image_id} cannot be lent to {reader!r}: {why}")
        return lease

    def give_back(self, image: str, reader: str) -> bool:
        """End a lease; False when this reader did not hold the image.

        Raises:
            NotFoundError: If there is no such image.
        """
        return self._store.leases.release(self._images.record(image).image_id, reader)

    def leases(self, reader: str | None = None) -> list[Lease]:
        """Leases that have not lapsed, oldest first; of one reader or of all."""
        active = self._store.leases.active()
        return [lease for lease in active if reader is None or lease.reader == reader]

    def skip(self, image: str, reader: str, *, kind: SkipKind, reason: str) -> Skip:
        """Keep that a reader gives no outline, and why; his lease ends.

        Raises:
            NotFoundError: If there is no such image.
        """
        return self._store.skips.add(self._images.record(image).image_id, reader, kind, reason)

    def take_back_skip(self, image: str, reader: str) -> bool:
        """Let the image wait for this reader again; False when he had not passed it over.

        Raises:
            NotFoundError: If there is no such image.
        """
        return self._store.skips.withdraw(self._images.record(image).image_id, reader)

    def assign(
        self, images: Sequence[str], readers: int | Sequence[str], *, actor: str = UNKNOWN
    ) -> list[AssignmentProgress]:
        """Let images wait for so many readers, or for these by name.

        Raises:
            NotFoundError: If one of the images does not exist; nothing is assigned then.
        """
        ids = list(dict.fromkeys(self._images.record(image).image_id for image in images))
        if isinstance(readers, int):
            self._store.assignments.to_any(ids, readers, actor=actor)
        else:
            self._store.assignments.to_readers(ids, readers, actor=actor)
        return [self._store.assignments.progress(image_id) for image_id in ids]

    def review(self, annotation: int, reviewer: str, verdict: Verdict, note: str) -> Review:
        """Accept or reject a reader's newest revision, or take such a verdict back.

        Raises:
            NotFoundError: If there is no such annotation.
            ConflictError: If the verdict makes no sense in its present state.
        """
        decide: dict[Verdict, Callable[..., Review]] = {
            "accept": self._store.reviews.accept,
            "reject": self._store.reviews.reject,
            "reopen": self._store.reviews.reopen,
        }
        return decide[verdict](annotation, reviewer, note=note)

    def waiting(self, limit: int) -> list[Annotation]:
        """Revisions nobody has decided on, oldest first."""
        return self._store.reviews.waiting(limit)

    def past(self, image: str) -> dict[str, Any]:
        """Everything that was said of an image, in the order it was said.

        Raises:
            NotFoundError: If there is no such image.
        """
        image_id = self._images.record(image).image_id
        return {
            "image": image_id,
            "assignment": assignment_json(self._store.assignments.progress(image_id)),
            "revisions": [revision_json(one) for one in self._store.annotations.history(image_id)],
            "reviews": [review_json(one) for one in self._store.reviews.history(image_id)],
            "skips": [skip_json(one) for one in self._store.skips.history(image_id)],
        }
