"""Decoding where a crash, an endless loop or a memory bomb does no harm: in a process that waits.

Which codec runs where, and why:

* JPEG (baseline, extended, progressive) is decoded in this process by Pillow, as PNG and TIFF are:
  no crash in 150 mutated streams, its size is known from the checked header, and it is what cines
  are made of, so every millisecond counts.
* JPEG lossless (python-gdcm: aborts on 2 of 150 mutants), JPEG-LS (pyjpegls: once took 5 s), JPEG
  2000 (pylibjpeg-openjpeg) and RLE (pylibjpeg-rle: unpacks as much as the stream says) go to a
  child with limits on memory and processor time.

A child per image would cost 0.2 s for its start; a waiting one costs the transport of the pixels
(figures in ``docs/inputs.md``). Children start when first needed, end after a minute without work,
end with this process, and are replaced when they die.
"""

import atexit
import json
import logging
import os
import socket
import subprocess
import sys
import threading
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from sonoloop.imaging.vocabulary import Refusal, refusal

_SCRIPT: Final = Path(__file__).with_name("sandbox_worker.py")
_TIMEOUT_S: Final = 20.0  # the child's limit is processor time; this one is for a stopped child
_IDLE_S: Final = 60.0
_MOST_WORKERS: Final = 4

_logger = logging.getLogger(__name__)


class _WorkerLostError(Exception):
    """The child died or hung; ``idle`` when it had gone before the request reached it."""

    def __init__(self, *, idle: bool) -> None:
        self.idle = idle
        super().__init__("decoder process lost")


class _Worker:
    """One child and the socket to it."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", str(_SCRIPT), str(theirs.fileno()), str(_IDLE_S)],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            )
        self._connection = Connection(ours.detach())

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, request: dict[str, Any], stream: bytes) -> bytes:
        """The samples, or what the child says is wrong.

        Raises:
            ValueError: The child's words.
            _WorkerLostError: If it did not answer.
        """
        try:
            self._connection.send_bytes(json.dumps(request).encode())
            self._connection.send_bytes(stream)
            if not self._connection.poll(_TIMEOUT_S):
                raise EOFError
            answer = json.loads(self._connection.recv_bytes())
            if "error" not in answer:
                return self._connection.recv_bytes()
        except (EOFError, OSError) as error:
            self.end()
            raise _WorkerLostError(idle=self._process.returncode == 0) from error
        raise ValueError(answer["error"])

    def end(self) -> None:
        """Close the socket, which ends a waiting child, and kill one that does not wait."""
        self._connection.close()
        try:
            self._process.wait(0.5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Sandbox:
    """A few children, each decoding one frame at a time. Safe to use from many threads."""

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self._idle: list[_Worker] = []
        self._lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(min(_MOST_WORKERS, os.cpu_count() or 1))

    def forget(self) -> None:
        """In a forked child: the workers and their sockets belong to the parent."""
        self._reset()

    def decode(self, request: dict[str, Any], stream: bytes) -> bytes:
        """Samples of one frame; see :mod:`sonoloop.imaging.sandbox_worker` for the request.

        Raises:
            ImageReadError: If the stream cannot be decoded within the limits.
        """
        with self._slots:
            try:
                return self._ask(request, stream)
            except ValueError as error:
                raise refusal(
                    Refusal.DECODE, f"the {request['coding']} frame is corrupt: {error}"
                ) from error
            except _WorkerLostError as error:
                _logger.warning("decoder of %s frames ended and is replaced", request["coding"])
                raise refusal(
                    Refusal.DECODE,
                    f"the {request['coding']} frame is corrupt: its decoder crashed or went "
                    "beyond its limits",
                ) from error

    def close(self) -> None:
        """End the waiting children."""
        with self._lock:
            workers, self._idle = self._idle, []
        for worker in workers:
            worker.end()

    def _ask(self, request: dict[str, Any], stream: bytes) -> bytes:
        while True:
            worker, fresh = self._take()
            try:
                return worker.ask(request, stream)
            except _WorkerLostError as error:
                if fresh or not error.idle:
                    raise
            finally:
                if worker.alive:
                    with self._lock:
                        self._idle.append(worker)

    def _take(self) -> tuple[_Worker, bool]:
        with self._lock:
            while self._idle:
                worker = self._idle.pop()
                if worker.alive:
                    return worker, False
                worker.end()
        return _Worker(), True


SANDBOX: Final = Sandbox()
"""The one of this process."""

atexit.register(SANDBOX.close)
os.register_at_fork(after_in_child=SANDBOX.forget)
