"""Another process at the same workspace; says ``ready`` and begins when it is told to.

child.py save WORKSPACE FIRST COUNT   saves annotations FIRST, FIRST + 1 ..., acknowledging each
child.py job WORKSPACE                creates a training of the segmenter
child.py open WORKSPACE               opens the workspace and counts its images
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from sonoloop.errors import JobConflictError
from sonoloop.store import NewAnnotation, Store

THREADS = 2


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


def main(task: str, workspace: str, *numbers: str) -> None:
    if task == "open":
        say("ready")
        sys.stdin.readline()
    with Store.open(Path(workspace)) as store:
        if task == "open":
            say("opened", store.images.count())
            return
        say("ready")
        sys.stdin.readline()
        if task == "job":
            create_job(store)
        else:
            save(store, *map(int, numbers))


main(*sys.argv[1:])
