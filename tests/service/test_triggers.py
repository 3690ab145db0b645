"""Trainings that begin by themselves."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sonoloop.errors import TrainingError
from sonoloop.labels import Pathology
from sonoloop.records import ImageRecord, Job
from sonoloop.service.triggers import LOOK_EVERY, Triggers
from sonoloop.settings import TrainingTriggers
from sonoloop.store import Store
from sonoloop.store.annotations import NewAnnotation


class Clock:
    def __init__(self) -> None:
        self.time = datetime(2026, 11, 20, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def pass_by(self, **time: float) -> None:
        self.time += timedelta(**time)


class Trainer:
    """Writes down what it is asked for; refuses while ``too_few`` says so."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.too_few = False
        self.asked: list[tuple[str, str]] = []

    def start(self, target: str, params: Mapping[str, Any], *, because: str) -> Job:
        self.asked.append((target, because))
        if self.too_few:
            raise TrainingError("too few labels")
        request = {"newest_label": self.store.gates.newest_label(), "params": dict(params)}
        return self.store.jobs.create("train", target, request)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "workspace") as opened:
        yield opened


@pytest.fixture
def trainer(store: Store) -> Trainer:
    return Trainer(store)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def label(store: Store) -> Callable[[int], None]:
    """Labels so many further images."""
    count = 0

    def labelling(more: int) -> None:
        nonlocal count
        for _ in range(more):
            count += 1
            record = ImageRecord(
                image_id=f"i{count}",
                source="folder",
                locator=f"{count}.png",
                frame=0,
                frame_count=1,
                rows=4,
                columns=5,
                spacing_mm=None,
                patient_id=None,
                study_instance_uid=None,
                series_instance_uid=None,
                sop_instance_uid=None,
            )
            store.images.upsert_many([record])
            new = NewAnnotation(
                image_id=f"i{count}",
                tag="final",
                pathology=Pathology.BENIGN,
                birads=None,
                reader="r",
            )
            store.annotations.save(new, np.ones((4, 5), dtype=np.uint8))

    return labelling


def triggers(trainer: Trainer, clock: Clock, **settings: float) -> Triggers:
    chosen = TrainingTriggers.from_conf(settings)
    return Triggers(trainer.store, trainer, chosen, now=clock)  # type: ignore[arg-type]


def end(store: Store, job: Job | None) -> None:
    assert job
    store.jobs.finish(job.job_id, "DONE")


def test_without_settings_nothing_begins(
    trainer: Trainer, clock: Clock, label: Callable[[int], None]
) -> None:
    label(3)
    off = triggers(trainer, clock)

    clock.pass_by(days=30)

    assert not off.is_on
    assert off.look() is None
    assert trainer.asked == []


def test_enough_new_labels_begin_one_training_after_the_other(
    trainer: Trainer, clock: Clock, label: Callable[[int], None]
) -> None:
    found = triggers(trainer, clock, retrain_after_labels=3)
    label(2)
    assert found.look() is None

    label(1)
    clock.pass_by(minutes=1)
    first = found.look()
    clock.pass_by(minutes=1)
    while_it_runs = found.look()
    end(trainer.store, first)
    clock.pass_by(minutes=1)
    second = found.look()
    end(trainer.store, second)
    clock.pass_by(minutes=1)

    assert while_it_runs is None
    assert trainer.asked == [
        ("segmentation", "3 new labels, 3 are enough"),
        ("classification", "3 new labels, 3 are enough"),
    ]
    assert found.look() is None
    assert [state.new_labels for state in found.states()] == [0, 0]


def test_a_label_that_is_changed_counts_again(
    trainer: Trainer, clock: Clock, label: Callable[[int], None], store: Store
) -> None:
    found = triggers(trainer, clock, retrain_after_labels=2)
    label(2)
    end(store, found.look())

    again = NewAnnotation(
        image_id="i1", tag="final", pathology=Pathology.MALIGNANT, birads=None, reader="r"
    )
    for _ in range(2):
        store.annotations.save(again, np.ones((4, 5), dtype=np.uint8))

    assert found.states()[0].new_labels == 1


def test_the_schedule_waits_for_its_hour_and_for_labels(
    trainer: Trainer, clock: Clock, label: Callable[[int], None]
) -> None:
    found = triggers(trainer, clock, retrain_every_h=24)
    label(1)
    clock.pass_by(hours=23)
    early = found.look()
    clock.pass_by(hours=1)

    due = found.look()

    assert early is None
    assert due is not None
    assert trainer.asked == [("segmentation", "1 new labels, and 24 hours have passed")]


def test_without_new_labels_the_schedule_lets_an_hour_pass(trainer: Trainer, clock: Clock) -> None:
    found = triggers(trainer, clock, retrain_every_h=1)

    clock.pass_by(hours=5)

    assert found.look() is None
    state = found.states()[0]
    assert (state.due, state.new_labels) == (None, 0)
    assert state.due_at == datetime(2026, 11, 20, 1, tzinfo=UTC)


def test_too_few_labels_are_not_asked_about_until_there_are_more(
    trainer: Trainer, clock: Clock, label: Callable[[int], None]
) -> None:
    found = triggers(trainer, clock, retrain_after_labels=1)
    trainer.too_few = True
    label(1)
    found.look()
    clock.pass_by(minutes=1)
    found.look()
    refused = len(trainer.asked)
    waits = [state.waits for state in found.states()]

    label(1)
    trainer.too_few = False
    clock.pass_by(minutes=1)

    assert refused == 2
    assert waits == ["too few labels", "too few labels"]
    assert found.look() is not None


def test_labels_are_not_counted_at_every_tick(
    trainer: Trainer, clock: Clock, label: Callable[[int], None]
) -> None:
    found = triggers(trainer, clock, retrain_after_labels=1)
    found.look()
    label(1)

    clock.pass_by(seconds=LOOK_EVERY.total_seconds() / 2)

    assert found.look() is None
    clock.pass_by(seconds=LOOK_EVERY.total_seconds())
    assert found.look() is not None


def test_what_it_waits_for_is_told(
    trainer: Trainer, clock: Clock, label: Callable[[int], None]
) -> None:
    found = triggers(trainer, clock, retrain_after_labels=1)
    label(1)
    found.look()

    told = found.states()[1].as_dict()

    assert told["due"] == "1 new labels, 1 are enough"
    assert told["waits"] == "segmentation is being trained"
    assert told["due_at"] is None
