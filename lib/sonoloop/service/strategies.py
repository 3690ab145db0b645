"""Which image comes next.

A strategy chooses among the images nobody has labelled. Images handed to one client lately are
kept from the others for a while, so that two readers do not outline the same lesion; when nothing
else is left they are handed out all the same.
"""

import secrets
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from sonoloop.errors import NotFoundError
from sonoloop.records import ImageRecord
from sonoloop.store.images import Images

LEASE_S: Final = 600.0

Choose: TypeAlias = Callable[[Images, Collection[str]], ImageRecord | None]


@dataclass(frozen=True, slots=True)
class Strategy:
    """A way to choose.

    Attributes:
        description: One line for clients.
        choose: From the images and the ids to avoid to the next image, or None.
    """

    description: str
    choose: Choose

    def info(self) -> dict[str, Any]:
        """The strategy as ``/info`` lists it."""
        return {"description": self.description, "config": {}}


def _first(images: Images, exclude: Collection[str]) -> ImageRecord | None:
    return images.next_unlabelled(exclude=exclude)


def _random(images: Images, exclude: Collection[str]) -> ImageRecord | None:
    return images.next_unlabelled(seed=secrets.randbits(31), exclude=exclude)


STRATEGIES: Final = {
    "random": Strategy("Any image without a label", _random),
    "first": Strategy("The image without a label that is known longest", _first),
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


class Leases:
    """Who was handed which image, for a while and in memory: a courtesy, not a lock."""

    def __init__(self, *, lease_s: float = LEASE_S) -> None:
        self._lease_s = lease_s
        self._held: dict[str, tuple[str, float]] = {}
        self._lock = threading.Lock()

    def hand_out(self, image_id: str, client: str) -> None:
        """Note that ``client`` was handed the image now."""
        with self._lock:
            self._held[image_id] = (client, time.monotonic() + self._lease_s)

    def give_back(self, image_id: str) -> None:
        """Forget who holds the image, for instance because it is labelled now."""
        with self._lock:
            self._held.pop(image_id, None)

    def of_others(self, client: str) -> frozenset[str]:
        """Images that other clients were handed lately."""
        now = time.monotonic()
        with self._lock:
            self._held = {
                image_id: (holder, until)
                for image_id, (holder, until) in self._held.items()
                if until > now
            }
            return frozenset(
                image_id for image_id, (holder, _) in self._held.items() if holder != client
            )


def next_image(images: Images, leases: Leases, name: str, *, client: str) -> ImageRecord | None:
    """The next image for ``client``, or None when every image is labelled.

    A client that does not say who it is holds nothing.

    Raises:
        NotFoundError: If there is no strategy of that name.
    """
    choose = strategy(name).choose
    record = choose(images, leases.of_others(client)) or choose(images, frozenset())
    if record and client:
        leases.hand_out(record.image_id, client)
    return record
