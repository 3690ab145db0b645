"""The parts of the dashboard's snapshot that stand on the store alone."""

import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeAlias

from sonoloop import __version__
from sonoloop.errors import ModelError
from sonoloop.labels import PATHOLOGIES
from sonoloop.networks.card import read_card
from sonoloop.records import Job, ModelRecord, ModelTask
from sonoloop.service.board_work import failed_entries, leases, quality, queue
from sonoloop.service.inference import TASKS
from sonoloop.service.info import InfoSources
from sonoloop.store.gates import GateResult
from sonoloop.store.overview import ImageCounts, ReadingCount
from sonoloop.store.store import Store

Part: TypeAlias = Callable[[], Any]

DAYS: Final = 14
"""Days whose answers are drawn, and over which the pace is measured."""
FIGURES: Final[dict[ModelTask, str]] = {"segmentation": "dice", "classification": "auc"}
"""Validation figure by which a model of a task is judged."""
UNTOLD: Final = "untold"
"""Stands for a reader's answer without a pathology."""
VERSIONS: Final = 50
"""Newest versions of a task that are shown."""


def parts(sources: InfoSources) -> dict[str, Part]:
    """Entries of the snapshot and what makes them."""
    store = sources.store
    return {
        "server": lambda: server(sources),
        "labelling": lambda: labelling(store),
        "models": lambda: {task: model(store, task) for task in TASKS},
        "queue": lambda: queue(store),
        "leases": lambda: leases(store),
        "quality": lambda: quality(store),
        "outbox": lambda: sources.outbox() | {"entries": failed_entries(store)},
    }


def signs(sources: InfoSources) -> tuple[Any, ...]:
    """What the store does not know and the snapshot shows."""
    source, archive = sources.source_state(), sources.outbox()["archive"]
    state = (source.state, source.problem, archive["reachable"], archive["problem"])
    return sources.inference.state, *state, sources.refused()


def server(sources: InfoSources) -> dict[str, Any]:
    """How the server is."""
    inference, source = sources.inference, sources.source_state()
    return {
        "version": __version__,
        "pipeline": {"state": inference.state, "problem": inference.failure},
        "source": {"state": source.state, "problem": source.problem},
        "refused": sources.refused(),
    }


def labelling(store: Store, *, now: datetime | None = None) -> dict[str, Any]:
    """How far the labelling is, and who said what."""
    readings = store.overview.readings()
    return {
        "progress": _progress(store.overview.images(), readings, now or datetime.now(UTC)),
        "readers": _readers(readings),
    }


def _progress(
    images: ImageCounts, readings: Sequence[ReadingCount], now: datetime
) -> dict[str, Any]:
    """How far it is, how much was done a day, and how long it will take at that pace.

    Labels that were imported are no work of that day.
    """
    by_day = Counter[str]()
    for reading in readings:
        by_day[reading.day] += reading.count if reading.in_force and not reading.imported else 0
    days = [(now.date() - timedelta(days=back)).isoformat() for back in reversed(range(DAYS))]
    worked = [by_day[day] for day in days if by_day[day]]
    a_day = sum(worked) / len(worked) if worked else None
    return {
        "total": images.total,
        "labelled": images.labelled,
        "begun": images.begun,
        "wanted": images.wanted,
        "days": [{"day": day, "answers": by_day[day]} for day in days],
        "answers_a_working_day": a_day,
        "working_days_left": images.wanted / a_day if a_day else None,
    }


def _readers(readings: Sequence[ReadingCount]) -> list[dict[str, Any]]:
    """Answers that count, of each reader and class; who said most comes first."""
    by_reader: dict[str, list[ReadingCount]] = defaultdict(list)
    for reading in readings:
        by_reader[reading.reader].append(reading)
    rows = [_reader(name, counts) for name, counts in by_reader.items()]
    return sorted(rows, key=lambda row: (-row["answers"], row["reader"]))


def _reader(name: str, counts: Sequence[ReadingCount]) -> dict[str, Any]:
    classes = dict.fromkeys([*map(str, PATHOLOGIES), UNTOLD], 0)
    timed, seconds = 0, 0.0
    for reading in counts:
        if reading.in_force:
            classes[str(reading.pathology or UNTOLD)] += reading.count
            timed, seconds = timed + reading.timed, seconds + reading.seconds
    return {
        "reader": name,
        "answers": sum(classes.values()),
        "classes": classes,
        "drafts": sum(count.count for count in counts if count.state == "draft"),
        "conflicting": sum(count.count for count in counts if count.state == "conflicting"),
        "seconds_an_image": seconds / timed if timed else None,
        "last_day": max(count.day for count in counts),
    }


def model(store: Store, task: ModelTask) -> dict[str, Any]:
    """Versions of a task's model, newest first, and whether the serving one may be replaced."""
    newest = store.models.list(task)[: -VERSIONS - 1 : -1]
    gates = {result.model_id: result for result in reversed(store.gates.list(task))}
    pin = store.models.pins().get(task)
    served = {publication.model_id for publication in store.models.history(task)}
    return {
        "versions": [
            version(record, gates.get(record.model_id)) | {"served": record.model_id in served}
            for record in newest
        ],
        "pinned": pin and pin.as_dict(),
        "way_back": store.models.way_back(task),
    }


def version(record: ModelRecord, gate: GateResult | None) -> dict[str, Any]:
    """One version: where it comes from, how many labels, how good, what the gate said."""
    trained = [
        part.get("train", {}).get("images") for part in _by_member(_trained_on(record.directory))
    ]
    figures = [
        part.get("validation", {}).get(FIGURES[record.task]) for part in _by_member(record.metrics)
    ]
    return {
        "model_id": record.model_id,
        "architecture": record.architecture,
        "parent_id": record.parent_id,
        "created_at": record.created_at.isoformat(),
        "serving": record.serving,
        "labels": max(filter(None, trained), default=None),
        "figure": FIGURES[record.task],
        "validation": None if None in figures else statistics.mean(figures),
        "gate": gate and _gate(gate),
    }


def _by_member(told: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What a card tells, once; of an ensemble, whose card tells it by member, once for each."""
    if told.keys() & {"train", "validation"}:
        return [told]
    return [part for part in told.values() if isinstance(part, Mapping)] or [told]


def _gate(result: GateResult) -> dict[str, Any]:
    leading = result.figures[0] if result.figures else {}
    return {
        "verdict": result.verdict,
        "reason": result.reason,
        "against": result.against,
        "candidate": leading.get("candidate"),
        "difference": leading.get("difference"),
        "ci95": leading.get("ci95"),
        "patients": leading.get("patients"),
    }


@lru_cache(maxsize=1024)
def _trained_on(directory: Path) -> dict[str, Any]:
    """What a model's card says of its data; a version never changes, so once is enough."""
    try:
        return dict(read_card(directory).data)
    except ModelError:
        return {}


def trainings(store: Store) -> dict[str, Any]:
    """The latest training of each task, with its curve."""
    jobs = [job for task in TASKS if (job := store.jobs.latest("train", task))]
    return {job.target: _training(job) for job in jobs}


def _training(job: Job) -> dict[str, Any]:
    told = job.progress
    numbers = ("epoch", "total_epochs", "loss", "metric", "best_metric", "seconds", "eta_seconds")
    return {
        "job_id": job.job_id,
        "status": job.status,
        "figure": FIGURES[job.target] if job.target in TASKS else "",
        **{name: told.get(name) for name in numbers},
        "curve": told.get("curve") or {"loss": [], "metric": []},
        "started_at": job.started_at and job.started_at.isoformat(),
        "ended_at": job.ended_at and job.ended_at.isoformat(),
        "last_line": job.details[-1] if job.details else "",
    }
