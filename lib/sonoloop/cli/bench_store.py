"""Measurements of ``sonoloop bench store``: what a reader waits for as the pool grows."""

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

import numpy as np
from matplotlib.figure import Figure

from sonoloop.active_learning.candidates import Proposal
from sonoloop.cli.timing import spread
from sonoloop.evaluation.plots.style import BLUE, DPI, GREY, ORANGE, SKY, tidy
from sonoloop.geometry import LabelMap
from sonoloop.records import ImageRecord
from sonoloop.service.strategies import hand_out
from sonoloop.store import NewAnnotation, Store
from sonoloop.store.dump import DumpedRow
from sonoloop.store.images import random_key

SHAPE: Final = (400, 500)
"""Rows and columns of every image; the masks that are saved have as many."""

RANKED: Final = "entropy"
"""A strategy whose proposals wait in a queue that was made in the background."""

STRATEGIES: Final = ("first", "random", RANKED)
LEASE_S: Final = 600.0
WARM_UP: Final = 3

NEXT_TARGET_MS: Final = 50.0
SAVE_TARGET_MS: Final = 30.0
START_TARGET_S: Final = 8.0

T = TypeVar("T")
Figures: TypeAlias = dict[str, Any]
Cost: TypeAlias = tuple[float, float]
"""Seconds on the wall, and of the processor."""


def image_id(number: int) -> str:
    """Id of the image of that number, from 0."""
    return f"1.2.826.0.1.{number:06d}"


class Filling:
    """Rows of a workspace in the midst of its work.

    The first half of the images is labelled. Of the others each waits for two readers, and half of
    them, those known longest, have the answer of the first reader, who may not be shown them again:
    all of these must be passed over for the image that he is to get first.
    """

    def __init__(self, size: int, readers: Sequence[str]) -> None:
        self._size, self._readers = size, readers
        self._image, self._annotation = _samples()

    def rows(self, table: str) -> Iterator[DumpedRow]:
        """Rows of that table, as ``Dump.load`` takes them."""
        if table == "images":
            yield from (self._image_row(number) for number in range(self._size))
        if table == "annotations":
            yield from (self._answer_row(n) for n in range(self._size) if self._has_answer(n))

    def _is_labelled(self, number: int) -> bool:
        return number < self._size // 2

    def _has_answer(self, number: int) -> bool:
        return number < self._size * 3 // 4

    def _image_row(self, number: int) -> DumpedRow:
        name = image_id(number)
        return self._image | {
            "id": number + 1,
            "image_id": name,
            "locator": f"{name}.dcm",
            "sop_instance_uid": name,
            "series_instance_uid": f"{name}.1",
            "patient_id": f"p{number // 2}",
            "random_key": random_key(name),
            "labelled": self._is_labelled(number),
            "readers_wanted": 1 if self._is_labelled(number) else 2,
            "readers_done": int(self._has_answer(number)),
        }

    def _answer_row(self, number: int) -> DumpedRow:
        labelled = self._is_labelled(number)
        reader = self._readers[number % len(self._readers)] if labelled else self._readers[0]
        return self._annotation | {"id": number + 1, "image": number + 1, "reader": reader}


def _samples() -> tuple[DumpedRow, DumpedRow]:
    """A row of an image and one of an annotation, as the store itself writes them."""
    record = ImageRecord(
        image_id="1", source="folder", locator="1.dcm", frame=0, frame_count=1, rows=SHAPE[0],
        columns=SHAPE[1], spacing_mm=(0.1, 0.1), patient_id="p", study_instance_uid=None,
        series_instance_uid=None, sop_instance_uid=None,
    )  # fmt: skip
    with (
        tempfile.TemporaryDirectory(prefix="sonoloop-bench-") as folder,
        Store.open(Path(folder)) as store,
    ):
        store.images.upsert_many([record])
        store.annotations.save(NewAnnotation(image_id="1", reader="r"), None)
        with store.dump.snapshot() as snapshot:
            return next(snapshot.rows("images")), next(snapshot.rows("annotations"))


def outline(seed: int) -> LabelMap:
    """A mask with one ellipse, (rows, columns) uint8, its own for every seed."""
    rng = np.random.default_rng(seed)
    rows, columns = np.indices(SHAPE)
    centre, radii = rng.uniform(120, 280, 2), rng.uniform(30, 90, 2)
    away = ((rows - centre[0]) / radii[0]) ** 2 + ((columns - centre[1]) / radii[1]) ** 2
    inside: LabelMap = (away <= 1).astype(np.uint8)
    return inside


def measure_size(workspace: Path, size: int, *, calls: int, readers: Sequence[str]) -> Figures:
    """What calls cost in a workspace of ``size`` images.

    Args:
        workspace: Empty folder; filled with images that have no files.
        size: Images.
        calls: Next samples, each with the label that follows, per strategy.
        readers: Who asks, in turns.
    """
    began = time.perf_counter()
    with Store.open(workspace) as store:
        store.dump.load(Filling(size, readers).rows)
        _rank(store)
    fill_s = time.perf_counter() - began
    began = time.perf_counter()
    with Store.open(workspace) as store:
        hand_out(store, "first", readers[0], seconds=LEASE_S)
        start_s = time.perf_counter() - began
        figures: Figures = {"images": size, "fill_s": fill_s, "start_s": start_s, "next": {}}
        saves: list[Cost] = []
        for strategy in STRATEGIES:
            nexts, saved = _loop(store, strategy, calls=calls, readers=readers)
            figures["next"][strategy] = _told(nexts)
            saves += saved
        figures["save"] = _told(saves)
    return figures


def _rank(store: Store) -> None:
    """A queue of every image that waits, as the ranking in the background would leave it."""
    waiting = store.images.unlabelled_ids()
    order = np.random.default_rng(0).permutation(len(waiting))
    proposals = [
        Proposal(image_id=waiting[place], score=1 - rank / len(waiting), reason="Doubtful outline.")
        for rank, place in enumerate(order)
    ]
    store.acquisition.set_queue(RANKED, "bench", proposals, labels=len(waiting))


def _loop(
    store: Store, strategy: str, *, calls: int, readers: Sequence[str]
) -> tuple[list[Cost], list[Cost]]:
    """Cost of next samples and of the saves that follow; readers take turns."""
    nexts, saves = [], []
    for turn in range(calls + WARM_UP):
        reader, mask = readers[turn % len(readers)], outline(turn)
        handed, asking = _clocked(partial(hand_out, store, strategy, reader, seconds=LEASE_S))
        if handed is None:
            break
        new = NewAnnotation(image_id=handed.image.image_id, reader=reader, base_revision=0)
        _, saving = _clocked(partial(store.annotations.save, new, mask))
        if turn >= WARM_UP:
            nexts.append(asking)
            saves.append(saving)
    return nexts, saves


def _clocked(call: Callable[[], T]) -> tuple[T, Cost]:
    began, worked = time.perf_counter(), time.process_time()
    answer = call()
    return answer, (time.perf_counter() - began, time.process_time() - worked)


def _told(costs: Sequence[Cost]) -> Figures:
    """Wall times, and the processor's part of them, which a busy machine changes little."""
    cpu = spread([cpu for _, cpu in costs])
    return spread([wall for wall, _ in costs]) | {"cpu_p95_ms": cpu["p95_ms"]}


def measure(
    sizes: Sequence[int], *, calls: int, readers: int, folder: Path, say: Callable[[str], None]
) -> Figures:
    """All figures of one run.

    Args:
        sizes: Images of each workspace.
        calls: Next samples and saves per strategy and size.
        readers: Who takes turns.
        folder: Where the workspaces are made; on the disk that is to be measured.
        say: Told what is being done.
    """
    names = [f"r{number}" for number in range(readers)]
    load_before, rows = os.getloadavg()[0], []
    for size in sizes:
        say(f"{size:,} images ...")
        with tempfile.TemporaryDirectory(prefix="bench-store-", dir=folder) as workspace:
            rows.append(measure_size(Path(workspace), size, calls=calls, readers=names))
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "load_before": load_before,
        "load_after": os.getloadavg()[0],
        "readers": readers,
        "calls": calls,
        "rows": rows,
    }


def write_figures(figures: Figures, folder: Path) -> list[Path]:
    """Figures as JSON and as a picture; the files written."""
    folder.mkdir(parents=True, exist_ok=True)
    table, picture = folder / "store.json", folder / "store.png"
    table.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    cost_plot(figures["rows"]).savefig(picture)
    return [table, picture]


def cost_plot(rows: Sequence[Figures]) -> Figure:
    """95th percentiles of next sample and save against the size of the workspace."""
    figure = Figure(figsize=(6.4, 4.2), dpi=DPI, layout="constrained")
    axis = figure.subplots()
    sizes = [row["images"] for row in rows]
    for strategy, colour in zip(STRATEGIES, (BLUE, SKY, GREY), strict=True):
        heights = [row["next"][strategy]["p95_ms"] for row in rows]
        axis.plot(sizes, heights, marker="o", color=colour, label=f"next sample, {strategy}")
    saves = [row["save"]["p95_ms"] for row in rows]
    axis.plot(sizes, saves, marker="s", color=ORANGE, label="save label")
    axis.axhline(NEXT_TARGET_MS, color=BLUE, linestyle=":", linewidth=0.9)
    axis.axhline(SAVE_TARGET_MS, color=ORANGE, linestyle=":", linewidth=0.9)
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.legend(fontsize=8)
    tidy(
        axis,
        title="Cost against size; dotted: targets at 100,000 images",
        x="images in the workspace, half of them labelled",
        y="95th percentile, ms",
    )
    return figure
