"""Threads that go on after errors nobody foresaw."""

import logging
import threading

import pytest

from sonoloop.service.steady import SteadyThread


def test_a_loop_that_returns_ends_its_thread() -> None:
    thread = SteadyThread("quiet", lambda: None)
    thread.start()
    thread.join(10)

    assert not thread.is_alive()


def test_a_loop_is_begun_anew_after_an_error_and_the_error_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    runs: list[int] = []
    through = threading.Event()

    def loop() -> None:
        runs.append(len(runs))
        if len(runs) < 3:
            raise KeyError("nobody foresaw this")
        through.set()

    thread = SteadyThread("outbox", loop, first_pause_s=0.01)
    with caplog.at_level(logging.ERROR):
        thread.start()
        assert through.wait(10)
    thread.join(10)

    assert runs == [0, 1, 2]
    assert [record.getMessage() for record in caplog.records] == [
        "outbox ended unexpectedly, begins anew"
    ] * 2
    assert all(record.exc_info for record in caplog.records)


def test_it_can_be_ended_while_it_pauses() -> None:
    failed = threading.Event()

    def loop() -> None:
        failed.set()
        raise KeyError("again and again")

    thread = SteadyThread("outbox", loop, first_pause_s=600)
    thread.start()
    assert failed.wait(10)
    thread.join(10)

    assert not thread.is_alive()
