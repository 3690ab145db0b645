"""What is looked after while a server runs."""

import threading

import pytest

from sonoloop.errors import StoreError
from sonoloop.service import caretaker
from sonoloop.service.caretaker import Caretaker


def broken() -> None:
    raise StoreError("the disk is away")


def test_one_thing_that_fails_holds_up_no_other(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(caretaker, "TICK_S", 0.01)
    monkeypatch.setattr(caretaker, "CLEAN_UP_S", 0.0)
    looked, swept, told = threading.Event(), threading.Event(), threading.Event()
    made = Caretaker([broken, looked.set], rarely=[broken, swept.set], last=told.set)

    made.start()
    seen = [event.wait(20) for event in (looked, swept, told)]
    made.close()

    assert seen == [True] * 3
    assert "the disk is away" in caplog.text


def test_what_is_done_rarely_waits_for_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caretaker, "TICK_S", 0.01)
    done: list[str] = []
    often = threading.Semaphore(0)
    made = Caretaker([often.release], rarely=[lambda: done.append("rarely")], last=lambda: None)

    made.start()
    for _ in range(5):
        assert often.acquire(timeout=20)
    made.close()

    assert done == []
