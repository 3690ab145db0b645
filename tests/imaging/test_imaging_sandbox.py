"""The decoding process: a crash or a hang of it is a refusal, and the next image is read."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sonoloop.errors import ImageReadError
from sonoloop.imaging import sandbox
from sonoloop.imaging.sandbox import Sandbox

Write = Callable[..., Path]


@pytest.fixture
def box() -> Iterator[Sandbox]:
    own = Sandbox()
    yield own
    own.close()


@pytest.fixture
def request_and_stream(builders: Any) -> tuple[dict[str, Any], bytes]:
    rows, columns = builders.GREY.shape
    request = {"coding": "jpeg2000", "rows": rows, "columns": columns, "samples": 1}
    return request | {"bits_allocated": 8, "bits_stored": 8}, builders.jpeg2000(builders.GREY)


def kill_waiting(box: Sandbox, how: signal.Signals) -> None:
    for worker in box._idle:
        os.kill(worker._process.pid, how)
        if how == signal.SIGKILL:
            worker._process.wait(10)


def test_one_child_serves_many_frames(box: Sandbox, request_and_stream: Any, builders: Any) -> None:
    answers = [box.decode(*request_and_stream) for _ in range(3)]

    assert answers == [builders.GREY.tobytes()] * 3
    assert len(box._idle) == 1


def test_a_child_that_died_while_waiting_is_replaced(
    box: Sandbox, request_and_stream: Any, builders: Any
) -> None:
    box.decode(*request_and_stream)
    kill_waiting(box, signal.SIGKILL)

    assert box.decode(*request_and_stream) == builders.GREY.tobytes()


def test_a_child_that_does_not_answer_is_killed_and_the_frame_refused(
    box: Sandbox, request_and_stream: Any, builders: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    box.decode(*request_and_stream)
    kill_waiting(box, signal.SIGSTOP)
    monkeypatch.setattr(sandbox, "_TIMEOUT_S", 0.2)

    with pytest.raises(ImageReadError, match="decode: the jpeg2000 frame is corrupt: its decoder"):
        box.decode(*request_and_stream)
    monkeypatch.undo()
    assert box.decode(*request_and_stream) == builders.GREY.tobytes()


def test_a_child_without_work_ends_and_the_next_frame_gets_a_new_one(
    box: Sandbox, request_and_stream: Any, builders: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "_IDLE_S", 0.1)
    box.decode(*request_and_stream)
    idle = box._idle[0]

    assert idle._process.wait(20) == 0
    assert box.decode(*request_and_stream) == builders.GREY.tobytes()
    assert box._idle != [idle]


def test_an_error_of_the_codec_is_told_and_the_child_lives_on(
    box: Sandbox, request_and_stream: Any
) -> None:
    request, stream = request_and_stream

    with pytest.raises(ImageReadError, match="failed to decode"):
        box.decode(request, stream[:-900])
    assert len(box._idle) == 1
    assert box._idle[0].alive


def test_the_memory_of_a_child_is_limited(box: Sandbox, builders: Any) -> None:
    stream = builders.jpeg2000(np.zeros((64, 64), np.uint8))
    size = stream.find(b"\xff\x51") + 6
    sides = (40_000).to_bytes(4) * 2
    bomb = stream[:size] + sides + stream[size + 8 :]
    bomb = bomb[: size + 16] + sides + bomb[size + 24 :]  # one tile of that size

    with pytest.raises(ImageReadError, match="decode: the jpeg2000 frame is corrupt"):
        box.decode({"coding": "jpeg2000", "bits_allocated": 8}, bomb)


def test_many_threads_share_the_children(
    box: Sandbox, request_and_stream: Any, builders: Any
) -> None:
    answers: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: answers.append(box.decode(*request_and_stream)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers == [builders.GREY.tobytes()] * 8
    assert len(box._idle) <= (os.cpu_count() or 1)


def test_a_forked_process_starts_children_of_its_own(box: Sandbox, request_and_stream: Any) -> None:
    box.decode(*request_and_stream)
    parents = list(box._idle)
    box.forget()

    assert box._idle == []
    for worker in parents:
        assert worker.alive
        worker.end()


def test_children_end_with_the_process_that_started_them(builders: Any, write: Write) -> None:
    path = write(builders.good_inputs()["jpeg2000_mono"].content)
    program = (
        "import sys, pathlib; from sonoloop.imaging.read import read_image;"
        "from sonoloop.imaging.sandbox import SANDBOX;"
        "read_image(pathlib.Path(sys.argv[1])); print(SANDBOX._idle[0]._process.pid)"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True
    )

    assert not Path(f"/proc/{int(run.stdout)}").exists()
