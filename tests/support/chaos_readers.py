"""Readers who label over HTTP whatever happens to the server, and the book of what they were told.

An interval of a lease is *certain* from the moment the store gave it to the moment its reader sent
whatever ends it: only a server that lends twice can make two certain intervals of one image meet.
"""

import json
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import httpx

from chaos_site import as_png, draw_label

LEASE_S: Final = 8.0
PAUSE_S: Final = 0.02
RETRY_S: Final = 0.1
PATIENCE_S: Final = 60.0


@dataclass
class Lent:
    """An image in a reader's hands: certainly from ``taken`` to ``until`` (seconds, epoch)."""

    image: str
    reader: str
    taken: float
    until: float


@dataclass(frozen=True)
class Acknowledged:
    """A label the server said it had kept; ``seed`` draws it again, ``at`` is when it was told."""

    image: str
    reader: str
    revision: int
    seed: int
    at: float


@dataclass
class Book:
    """What readers were told, written down at once; shared by their threads."""

    images: int
    lent: list[Lent] = field(default_factory=list)
    holding: dict[str, Lent] = field(default_factory=dict)
    labels: list[Acknowledged] = field(default_factory=list)
    labelled: set[str] = field(default_factory=set)
    counts: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def count(self, what: str) -> None:
        """One more of these."""
        with self.changed:
            self.counts[what] = self.counts.get(what, 0) + 1

    def hand(self, lent: Lent) -> None:
        """A reader was lent an image."""
        with self.changed:
            self.lent.append(lent)
            self.holding[lent.reader] = lent

    def let_go(self, reader: str) -> None:
        """A reader is about to send what ends his lease."""
        with self.changed:
            held = self.holding.pop(reader, None)
            if held is not None:
                held.until = min(held.until, time.time())

    def keep(self, label: Acknowledged) -> None:
        """A label was acknowledged."""
        with self.changed:
            self.labels.append(label)
            self.labelled.add(label.image)
            if len(self.labelled) >= self.images:
                self.over.set()
            self.changed.notify_all()

    def wait_for_labels(self, count: int, timeout_s: float) -> bool:
        """True once so many images are labelled."""
        with self.changed:
            return self.changed.wait_for(lambda: len(self.labelled) >= count, timeout_s)


class Caller:
    """Speaks to a server that may be dead for a while: asks again until it answers."""

    def __init__(self, url: str, book: Book) -> None:
        self._http = httpx.Client(base_url=url, timeout=20)
        self._book = book

    def __call__(self, method: str, path: str, **parts: Any) -> httpx.Response:
        """The answer; one that says "soon" is waited for."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                reply = self._http.request(method, path, **parts)
            except httpx.TransportError:
                self._book.count("requests without an answer")
            else:
                if reply.status_code not in (429, 503) or path.startswith("/train"):
                    return reply
                self._book.count("requests told to come again")
            assert time.monotonic() < deadline, f"{method} {path}: nobody answered"
            self._book.over.wait(RETRY_S)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


class Reader(threading.Thread):
    """Labels, skips, drafts, gives up and pauses, by the dice of its own seed."""

    def __init__(self, name: str, url: str, book: Book, seed: int) -> None:
        super().__init__(name=name, daemon=True)
        self._call, self._book = Caller(url, book), book
        self._rng = random.Random(seed)

    def run(self) -> None:
        """Read until everything is labelled."""
        try:
            while not self._book.over.is_set():
                image = self.ask()
                if image is None:
                    self._book.over.wait(5 * PAUSE_S)
                    continue
                self.pause()
                self.answer(image)
        except (AssertionError, KeyError, ValueError, httpx.HTTPError) as error:
            self._book.problems.append(f"{self.name}: {error!r}")
            self._book.over.set()
        finally:
            self._call.close()

    def close(self) -> None:
        """For a reader who was never started."""
        self._call.close()

    def pause(self) -> None:
        """As a reader who looks."""
        self._book.over.wait(self._rng.expovariate(1 / PAUSE_S))

    def ask(self) -> str | None:
        """The next image, or None when nothing waits for this reader."""
        self._book.let_go(self.name)
        reply = self._call("POST", "/activelearning/random", json={"client_id": self.name})
        assert reply.status_code == 200, reply.text
        sample = reply.json()
        if not sample:
            return None
        told = sample["sonoloop"]
        until = datetime.fromisoformat(told["lease_expires"])
        taken = until - timedelta(seconds=LEASE_S)
        self._book.hand(Lent(sample["id"], self.name, taken.timestamp(), until.timestamp()))
        return str(sample["id"])

    def answer(self, image: str) -> None:
        """Mostly a label; now and then something else."""
        dice = self._rng.random()
        if dice < 0.06:
            self._book.count("images given up")
        elif dice < 0.12:
            self.skip(image)
        elif dice < 0.22:
            drafted = self.submit(image, state="draft", base=0)
            self.pause()
            self.submit(image, state="submitted", base=drafted)
        else:
            self.submit(image, state="submitted", base=None)

    def skip(self, image: str) -> None:
        """Leave the image to the others."""
        self._book.let_go(self.name)
        body = {"image": image, "reader": self.name, "reason": "the dice said so"}
        reply = self._call("POST", "/sonoloop/skips", json=body)
        assert reply.status_code == 200, reply.text
        self._book.count("images skipped")

    def submit(self, image: str, *, state: str, base: int | None) -> int:
        """Send a label until it is acknowledged; its revision."""
        seed = self._rng.randrange(2**31)
        params = {
            "reader": self.name,
            "pathology": self._rng.choice(["benign", "malignant"]),
            "state": state,
            "seed": seed,
        } | ({} if base is None else {"base_revision": base})
        if state == "submitted":
            self._book.let_go(self.name)
        reply = self._call(
            "PUT",
            f"/datastore/label?image={image}",
            data={"params": json.dumps(params)},
            files={"label": ("label.png", as_png(draw_label(seed)))},
        )
        revision = self._revision_of(reply, seed)
        if state == "submitted":
            self._book.keep(Acknowledged(image, self.name, revision, seed, time.time()))
        return revision

    def _revision_of(self, reply: httpx.Response, seed: int) -> int:
        told = reply.json()
        if reply.status_code == 409 and told["code"] == "stale_revision":
            # Kept before the server died and could say so; sent again, it was based on itself.
            self._book.count("labels that were kept without an answer")
            return int(told["current"]["revision"])
        assert reply.status_code == 200, reply.text
        return int(told["revision"])


def repeat(every_s: float, book: Book, action: Callable[[], None]) -> threading.Thread:
    """A thread that acts now and then until everything is labelled."""

    def acting() -> None:
        while not book.over.wait(every_s):
            action()

    thread = threading.Thread(target=acting, daemon=True)
    thread.start()
    return thread
