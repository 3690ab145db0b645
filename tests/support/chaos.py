"""The chaos test: readers label while trainings run and the server is killed, again and again."""

import contextlib
import os
import random
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np

from chaos_readers import LEASE_S, Acknowledged, Book, Caller, Lent, Reader, repeat
from chaos_server import HALVES, is_whole
from chaos_site import TASKS, KillableServer, draw_label, draw_studies, ship_models
from chaos_worker import OVERLAPS
from sonoloop.service.training import process_of
from sonoloop.store.store import Store

GHOSTS: Final = 3
"""Readers who are lent an image and never come back."""
EPOCHS: Final = 5
PATIENCE_S: Final = 240.0


@dataclass(frozen=True)
class Outcome:
    """What happened, and what should not have."""

    figures: dict[str, object]
    violations: list[str]

    def lines(self) -> str:
        """The figures, one a line."""
        return "\n".join(f"  {name}: {value}" for name, value in self.figures.items())


def run(folder: Path, *, readers: int, images: int, kills: int, seed: int) -> Outcome:
    """Label everything while the server is killed so many times, then look at what is left."""
    draw_studies(folder / "studies", images=images, seed=seed)
    ship_models(folder / "shipped")
    book, rng = Book(images), random.Random(seed)
    server = KillableServer.over(folder, lease_s=LEASE_S, log=folder / "log")
    violations: list[str] = []
    began = time.monotonic()
    try:
        server.start()
        with working(server.url, book, readers=readers, seed=seed):
            for kill in range(1, kills + 1):
                book.wait_for_labels(images * kill // (kills + 1), PATIENCE_S)
                book.over.wait(rng.uniform(0, 0.05))
                server.end(signal.SIGKILL)
                violations += look_while_dead(folder, book, worker_too=kill % 2 == 0)
                server.start()
            if not book.wait_for_labels(images, PATIENCE_S):
                violations.append(f"only {len(book.labelled)} of {images} images were labelled")
        seconds = time.monotonic() - began
        violations += finish_training(Caller(server.url, book))
        server.end(signal.SIGTERM)
    finally:
        server.close()
    figures = {"readers": readers, "images": images, "server killed": server.kills}
    return look_at_the_end(folder, book, figures | {"seconds": round(seconds, 1)}, violations)


@contextlib.contextmanager
def working(url: str, book: Book, *, readers: int, seed: int) -> Iterator[None]:
    """Readers at work, and somebody for each model who always wants it trained anew."""
    for number in range(GHOSTS):
        vanish(url, book, f"ghost-{number}")
    crew = [Reader(f"reader-{n}", url, book, seed * 1000 + n) for n in range(readers)]
    for reader in crew:
        reader.start()
    caller = Caller(url, book)

    def train(task: str) -> None:
        reply = caller("POST", f"/train/{task}", json={"max_epochs": EPOCHS})
        if reply.status_code == 200:
            book.count("trainings asked for")

    trainers = [repeat(0.4, book, lambda task=task: train(task)) for task in TASKS]  # type: ignore[misc]
    try:
        yield
    finally:
        book.over.set()
        for thread in [*crew, *trainers]:
            thread.join(PATIENCE_S)


def finish_training(caller: Caller) -> list[str]:
    """Let one training end as it should, also where the kills left none the time for it."""
    caller("POST", f"/train/{TASKS[0]}", json={"max_epochs": EPOCHS})
    deadline = time.monotonic() + PATIENCE_S
    while "DONE" not in [job["status"] for job in caller("GET", "/train/?all=true").json()]:
        if time.monotonic() > deadline:
            return ["no training came to an end"]
        time.sleep(0.1)  # the training is another process: there is no event to wait for
    caller("DELETE", "/train/")
    return []


def vanish(url: str, book: Book, name: str) -> None:
    """A reader takes an image along; only time gives it back."""
    ghost = Reader(name, url, book, 0)
    ghost.ask()
    ghost.close()


def look_while_dead(folder: Path, book: Book, *, worker_too: bool) -> list[str]:
    """What a server that was just killed has left; may end the training's process as well."""
    with book.changed:
        held, acknowledged = list(book.holding.values()), list(book.labels)
    with Store.open(folder / "workspace") as store:
        now = time.time()
        active = {lease.image_id: lease.reader for lease in store.leases.active()}
        wrong = [
            f"the lease of {lent.image} by {lent.reader} is lost ({active.get(lent.image)} has it)"
            for lent in held
            if lent.until > now + 0.5 and active.get(lent.image) != lent.reader
        ]
        if worker_too:
            kill_worker(store, book)
        return wrong + lost_labels(store, acknowledged)


def kill_worker(store: Store, book: Book) -> None:
    """A power cut does not stop at the server."""
    for job in store.jobs.active("train"):
        process = process_of(job)
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
                book.count("training processes killed")


def lost_labels(store: Store, acknowledged: list[Acknowledged]) -> list[str]:
    """Labels that were acknowledged and are not there as they were sent."""
    wrong = []
    queued = {entry.annotation_id for entry in store.outbox.list(limit=None)}
    for label in acknowledged:
        kept = {one.revision: one for one in store.annotations.history(label.image)}
        found = kept.get(label.revision)
        if found is None or (found.reader, found.state) != (label.reader, "submitted"):
            wrong.append(f"revision {label.revision} of {label.image} by {label.reader} is lost")
            continue
        if found.annotation_id not in queued:
            wrong.append(f"revision {label.revision} of {label.image} is not in the outbox")
        sent = draw_label(int(found.info["seed"]))
        if label.seed != found.info["seed"] or not np.array_equal(
            store.annotations.mask(found), sent
        ):
            wrong.append(f"revision {label.revision} of {label.image} is not what was sent")
    return wrong


def lent_twice(book: Book) -> list[str]:
    """Images that were certainly in two hands at once, or lent after they were labelled."""
    by_image: dict[str, list[Lent]] = {}
    for lent in book.lent:
        by_image.setdefault(lent.image, []).append(lent)
    wrong = []
    for image, leases in by_image.items():
        leases.sort(key=lambda lent: lent.taken)
        for one, other in pairwise(leases):
            if one.reader != other.reader and other.taken < one.until:
                wrong.append(f"{image} was lent to {one.reader} and {other.reader} at once")
        done = min((label.at for label in book.labels if label.image == image), default=np.inf)
        wrong += [f"{image} was lent when labelled" for lent in leases if lent.taken > done]
    return wrong


def look_at_the_end(
    folder: Path, book: Book, figures: dict[str, object], violations: list[str]
) -> Outcome:
    """Compare what readers were told with what is in the workspace."""
    workspace = folder / "workspace"
    wrong = violations + book.problems + lent_twice(book)
    with Store.open(workspace) as store:
        wrong += lost_labels(store, book.labels)
        wrong += damaged(store)
        models = store.models.list()
        jobs = store.jobs.recent("train", 1000)
        wrong += [f"model {m.model_id} is not whole" for m in models if not is_whole(m.directory)]
        ended = [job.status for job in jobs]
        revisions = store.annotations.count()
    for name in (HALVES, OVERLAPS):
        if (workspace / name).exists():
            wrong.append(f"{name}: {(workspace / name).read_text().split()}")
    figures |= {
        "labels acknowledged": len(book.labels),
        "images labelled": len(book.labelled),
        "images labelled by two readers": len(book.labels) - len(book.labelled),
        "revisions kept": revisions,
        "leases": len(book.lent),
        "trainings": {status: ended.count(status) for status in sorted(set(ended))},
        "models published": len(models) - len(TASKS),
    }
    return Outcome(figures | dict(sorted(book.counts.items())), wrong)


def damaged(store: Store) -> list[str]:
    """What is not whole in the store itself."""
    wrong = []
    labelled = set(store.images.labelled_ids())
    for image in store.images.list():
        history = store.annotations.history(image.image_id)
        if [one.revision for one in history] != list(range(1, len(history) + 1)):
            wrong.append(f"revisions of {image.image_id} have gaps")
        answered = any(one.in_force and one.state == "submitted" for one in history)
        if answered != (image.image_id in labelled):
            wrong.append(f"{image.image_id} counts as labelled: {not answered}")
    with store._database.reading() as session:
        check = session.connection().exec_driver_sql("PRAGMA integrity_check").scalar()
    return wrong if check == "ok" else [*wrong, f"the database is damaged: {check}"]
