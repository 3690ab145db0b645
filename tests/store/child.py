"""Another process at the same workspace; says ``ready`` and begins when it is told to.

child.py save WORKSPACE FIRST COUNT   saves annotations FIRST, FIRST + 1 ..., acknowledging each
child.py revise WORKSPACE IMAGE       saves for the reader "a" from no revision, and is told
child.py lease WORKSPACE IMAGE        takes the image for a reader of its own
child.py job WORKSPACE                creates a training of the segmenter
child.py open WORKSPACE               opens the workspace and counts its images
child.py nursery WORKSPACE            for every number it is told, forks a process that opens the
                                      workspace and saves from there on until it is killed
"""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from sonoloop.errors import JobConflictError, StaleRevisionError
from sonoloop.store import NewAnnotation, Store

URL = os.environ.get("DATABASE_URL")
THREADS = 2
NEVER_ENDING = 1_000_000


def say(*words: object) -> None:
    # One write a line: a line is there whole or not at all, whenever the process dies.
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def save(store: Store, first: int, count: int) -> None:
    ids = store.images.list()

    def one(number: int) -> None:
        image = ids[number % len(ids)]
        mask = np.random.default_rng(number).integers(
            0, 2, (image.rows, image.columns), dtype=np.uint8
        )
        new = NewAnnotation(image_id=image.image_id, reader=f"r{number}")
        saved = store.annotations.save(new, mask)
        say("saved", number, image.image_id, saved.revision)

    def every_second(start: int) -> None:
        for number in range(start, first + count, THREADS):
            one(number)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(every_second, range(first, first + THREADS)))


def create_job(store: Store) -> None:
    try:
        say("won", store.jobs.create("train", "segmentation", {}).job_id)
    except JobConflictError:
        say("lost")


def revise(store: Store, image_id: str) -> None:
    try:
        new = NewAnnotation(image_id=image_id, reader="a", base_revision=0)
        say("kept", store.annotations.save(new, None).revision)
    except StaleRevisionError as error:
        say("stale", error.kept.revision, error.current.revision)


def lease(store: Store, image_id: str) -> None:
    reader = str(os.getpid())
    taken = store.leases.take(image_id, reader, strategy="random", reason="any", seconds=60)
    say("taken" if taken else "held", reader)


def raise_savers(workspace: Path) -> None:
    # Forked, not started: importing takes a hundred times as long as what is to be tested.
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            with Store.open(workspace, url=URL) as store:
                say("ready", os.getpid())
                save(store, int(line), NEVER_ENDING)
        os.waitpid(pid, 0)
        say("dead")


def main(task: str, workspace: str, *arguments: str) -> None:
    if task == "nursery":
        raise_savers(Path(workspace))
        return
    if task == "open":
        say("ready")
        sys.stdin.readline()
    with Store.open(Path(workspace), url=URL) as store:
        if task == "open":
            say("opened", store.images.count())
            return
        say("ready")
        sys.stdin.readline()
        if task == "job":
            create_job(store)
        elif task == "save":
            save(store, *map(int, arguments))
        else:
            {"revise": revise, "lease": lease}[task](store, *arguments)


main(*sys.argv[1:])
