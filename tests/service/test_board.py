"""The snapshot of the dashboard: kept ready, made anew when something changes."""

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sonoloop.errors import StoreError
from sonoloop.service.board import OLDEST_S, REST, Board, Live
from sonoloop.store import Store


class Clock:
    """Stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Counting:
    """A part that counts how often it was made, and takes ``cost_s`` of the clock's time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.made = 0
        self.cost_s = 0.0
        self.finished = threading.Event()

    def __call__(self) -> int:
        self.made += 1
        self._clock.now += self.cost_s
        self.finished.set()
        return self.made


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "workspace") as opened:
        yield opened


@pytest.fixture
def change(store: Store) -> Callable[[], Any]:
    """Writes something, whatever it is."""
    return lambda: store.images.record_refusal("x.dcm", "truncated", "too short")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def part(clock: Clock) -> Counting:
    return Counting(clock)


@pytest.fixture
def board(store: Store, part: Counting, clock: Clock) -> Board:
    return Board(store, {"part": part}, clock=clock)


def test_it_is_made_once_until_something_changes(
    board: Board, part: Counting, change: Callable[[], Any]
) -> None:
    assert [board.get().text for _ in range(3)] == ['{"part": 1}'] * 3

    change()

    assert board.get().text == '{"part": 2}'
    assert part.made == 2


def test_what_other_processes_change_is_seen_after_a_while(
    board: Board, part: Counting, clock: Clock
) -> None:
    board.get()

    clock.now += OLDEST_S + 1

    assert board.get().text == '{"part": 2}'


def test_a_dear_snapshot_keeps_nobody_waiting_and_is_made_again_after_a_rest(
    board: Board, part: Counting, clock: Clock, change: Callable[[], Any]
) -> None:
    part.cost_s = 0.5
    board.get()
    change()

    part.finished.clear()
    assert board.get().text == '{"part": 1}'
    clock.now += REST * 0.5 + 0.1
    assert board.get().text == '{"part": 1}'
    assert part.finished.wait(10)

    assert part.made == 2


def test_a_part_that_fails_is_told_and_holds_up_no_other(store: Store) -> None:
    def failing() -> Any:
        raise StoreError("the disk is full")

    board = Board(store, {"bad": failing, "good": lambda: 7})

    assert json.loads(board.get().text) == {"bad": {"problem": "the disk is full"}, "good": 7}


def test_the_same_content_has_the_same_version(store: Store, change: Callable[[], Any]) -> None:
    board = Board(store, {"part": lambda: "same"})
    before = board.get()

    change()

    assert board.get() == before


def test_a_slow_board_shows_something_else_first(store: Store, part: Counting) -> None:
    board = Board(store, {"part": part}, at_first={"part": None})

    assert board.get().text == '{"part": null}'
    assert part.finished.wait(10)


def test_trainings_are_looked_at_once_a_second(store: Store, clock: Clock) -> None:
    live = Live(store, clock=clock)
    before = live.get()
    job = store.jobs.create("train", "segmentation", {})

    assert live.get() is before
    clock.now += 1
    told = json.loads(live.get().text)["trainings"]["segmentation"]

    assert (told["job_id"], told["status"], told["figure"]) == (job.job_id, "SUBMITTED", "dice")
    assert told["curve"] == {"loss": [], "metric": []}


def test_a_training_is_told_with_its_curve(store: Store) -> None:
    job = store.jobs.create("train", "classification", {})
    store.jobs.start(job.job_id, None, None)
    curve = {"loss": [[0.5, 0.7]], "metric": [[1, 0.8]]}
    store.jobs.heartbeat(job.job_id, {"epoch": 1, "total_epochs": 3, "curve": curve}, "epoch 1/3")

    told = json.loads(Live(store).get().text)["trainings"]["classification"]

    assert (told["epoch"], told["total_epochs"], told["curve"]) == (1, 3, curve)
    assert told["last_line"] == "epoch 1/3"
    assert told["figure"] == "auc"
