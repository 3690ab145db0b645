"""Which image comes next, and for whom.

A strategy chooses among the images that wait for an answer of this reader; the store then lends
the image to him, so that no two readers outline the same one at once. What is assigned to a reader
by name comes before what a strategy would choose.

Strategies that need scores rank the images in the background (``service.acquisition``); here only
the head of their queue is looked up. While there is none, images are drawn at random.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias

from sonoloop.active_learning.registry import STRATEGIES as RANKING
from sonoloop.errors import BusyError, NotFoundError
from sonoloop.records import ImageRecord, Lease
from sonoloop.store.store import Store

ATTEMPTS: Final = 100
"""How often others may be quicker before a reader is told to ask again."""

NOT_QUEUED: Final = (
    "Drawn at random: the strategy has ranked no image that waits, for the images are still being "
    "scored."
)


@dataclass(frozen=True, slots=True)
class Choice:
    """An image and why it is the one, as a sentence for the reader."""

    image: ImageRecord
    reason: str


@dataclass(frozen=True, slots=True)
class Handed:
    """An image that was lent to a reader."""

    image: ImageRecord
    lease: Lease

    def as_json(self, *, at: datetime) -> dict[str, Any]:
        """What the reader is told of it: who holds it until when, and why this image."""
        return {
            "reader": self.lease.reader,
            "strategy": self.lease.strategy,
            "reason": self.lease.reason,
            "lease_expires": self.lease.expires_at.isoformat(),
            "lease_seconds": max(0, round((self.lease.expires_at - at).total_seconds())),
        }


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks for an image.

    Attributes:
        reader: His name.
        in_archive: He can only open what lies in the archive, as in a viewer of DICOM.
    """

    reader: str
    in_archive: bool = False


Choose: TypeAlias = Callable[[Store, Asker], Choice | None]
"""From the store and who asks to an image that waits for him; None when none does."""


@dataclass(frozen=True, slots=True)
class Strategy:
    """A way to choose; ``description`` is one line for clients."""

    description: str
    choose: Choose

    def info(self) -> dict[str, Any]:
        """The strategy as ``/info`` lists it."""
        return {"description": self.description, "config": {}}


def _first(store: Store, asker: Asker) -> Choice | None:
    found = store.images.next_unlabelled(reader=asker.reader, in_archive=asker.in_archive)
    return (
        None
        if found is None
        else Choice(found, "Of the images that wait for an answer, known longest.")
    )


def _any(store: Store, asker: Asker) -> ImageRecord | None:
    return store.images.next_unlabelled(
        reader=asker.reader, seed=secrets.randbits(31), in_archive=asker.in_archive
    )


def _random(store: Store, asker: Asker) -> Choice | None:
    found = _any(store, asker)
    return (
        None
        if found is None
        else Choice(found, "Drawn at random from the images that wait for an answer.")
    )


def _queued(name: str) -> Choose:
    def choose(store: Store, asker: Asker) -> Choice | None:
        queued = store.acquisition.best(name, reader=asker.reader, in_archive=asker.in_archive)
        if queued is not None:
            return Choice(queued.record, queued.reason)
        found = _any(store, asker)
        return None if found is None else Choice(found, NOT_QUEUED)

    return choose


STRATEGIES: Final = {
    "random": Strategy("Any image without a label", _random),
    "first": Strategy("The image without a label that is known longest", _first),
} | {
    name: Strategy(ranking.description, _queued(name))
    for name, ranking in RANKING.items()
    if ranking.needs
}


def strategy(name: str) -> Strategy:
    """The strategy of that name.

    Raises:
        NotFoundError: If there is none.
    """
    try:
        return STRATEGIES[name]
    except KeyError:
        known = ", ".join(STRATEGIES)
        raise NotFoundError(f"unknown strategy {name!r:.80} (one of {known})") from None


def hand_out(
    store: Store, name: str, reader: str, *, seconds: float, in_archive: bool = False
) -> Handed | None:
    """Lend the next image to a reader; None when none waits for an answer of his.

    He gives back what was lent to him before, unless it is chosen again: then for longer.

    Args:
        store: Where images and leases are.
        name: Of the strategy.
        reader: Who asks.
        seconds: How long the image is his.
        in_archive: Only images that a viewer of DICOM can open.

    Raises:
        NotFoundError: If there is no strategy of that name.
        BusyError: If others were quicker every time.
    """
    choose, asker = strategy(name).choose, Asker(reader, in_archive)
    for _ in range(ATTEMPTS):
        choice = _assigned(store, asker) or choose(store, asker)
        if choice is None:
            return None
        lease = store.leases.take(
            choice.image.image_id, reader, strategy=name, reason=choice.reason, seconds=seconds
        )
        if lease is not None:
            _give_back_others(store, reader, keep=choice.image.image_id)
            return Handed(choice.image, lease)
    raise BusyError(f"other readers took {ATTEMPTS} images one after another (ask again)")


def _assigned(store: Store, asker: Asker) -> Choice | None:
    found = store.assignments.next_open(asker.reader, in_archive=asker.in_archive)
    return None if found is None else Choice(found, "Assigned to you by name.")


def _give_back_others(store: Store, reader: str, *, keep: str) -> None:
    for lease in store.leases.of(reader):
        if lease.image_id != keep:
            store.leases.release(lease.image_id, reader)
