"""Processes that outlive the server: started in a session of their own, known by pid and start.

A pid alone does not name a process, for pids are given again; together with the start time it
does, also after the server itself was restarted.
"""

import contextlib
import logging
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from sonoloop.errors import TrainingError

logger = logging.getLogger(__name__)

NICENESS: Final = 10
START_TOLERANCE_S: Final = 1.0
"""Start times of one process, read twice, differ by less (the kernel counts in hundredths)."""
POLL_S: Final = 0.05
DATABASE_VARIABLE: Final = "SONOLOOP_DATABASE"
"""Address of the database for a process of ours; arguments would show its password."""
THREAD_CAPS: Final = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)


@dataclass(frozen=True, slots=True)
class ProcessId:
    """One process for good.

    Attributes:
        pid: As the system numbers it.
        started: Its start, in seconds since the epoch.
    """

    pid: int
    started: float


def database_environment(url: str | None) -> dict[str, str]:
    """What tells a process of ours which database the server has; None is the workspace's own.

    Example:
        >>> database_environment("postgresql://db.example/sonoloop")
        {'SONOLOOP_DATABASE': 'postgresql://db.example/sonoloop'}
    """
    return {DATABASE_VARIABLE: url or ""}


def database_url() -> str | None:
    """The database a process of ours was told, or None for the workspace's own."""
    return os.environ.get(DATABASE_VARIABLE) or None


def spawn(
    command: Sequence[str], *, log_path: Path, threads: int, environment: Mapping[str, str]
) -> tuple[subprocess.Popen[bytes], ProcessId]:
    """A niced process in a session of its own, its output appended to ``log_path``.

    Args:
        command: Program and arguments.
        log_path: Where its output goes.
        threads: Cap on the threads of its numeric libraries.
        environment: Variables on top of our own.

    Raises:
        TrainingError: If it cannot be started.
    """
    variables = dict(os.environ) | dict.fromkeys(THREAD_CAPS, str(threads)) | dict(environment)
    try:
        with log_path.open("ab") as log:
            child = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=variables,
                start_new_session=True,
            )
    except OSError as error:
        raise TrainingError(f"the worker cannot be started: {error.strerror}") from error
    with contextlib.suppress(psutil.Error):  # it may have ended already; its exit tells the rest
        psutil.Process(child.pid).nice(NICENESS)
    return child, identify(child.pid)


def identify(pid: int) -> ProcessId:
    """``pid`` with its start time; now, when the process is gone already."""
    try:
        return ProcessId(pid, psutil.Process(pid).create_time())
    except psutil.Error:
        return ProcessId(pid, time.time())


def is_alive(process: ProcessId) -> bool:
    """True while exactly this process runs; a dead one that nobody has reaped does not."""
    try:
        found = psutil.Process(process.pid)
        same = abs(found.create_time() - process.started) < START_TOLERANCE_S
        return bool(same and found.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def find_by_arguments(arguments: Sequence[str]) -> ProcessId | None:
    """A living process whose command line ends with ``arguments``, or None."""
    wanted = list(arguments)
    for process in psutil.process_iter(["cmdline", "create_time"]):
        command = process.info["cmdline"] or []
        if command[-len(wanted) :] == wanted and process.info["create_time"]:
            found = ProcessId(process.pid, process.info["create_time"])
            if is_alive(found):
                return found
    return None


def stop_group(process: ProcessId, *, grace_s: float) -> None:
    """End a process started by :func:`spawn` and everything it started.

    SIGTERM first, so that it can write a checkpoint; SIGKILL for what is left after ``grace_s``
    seconds. Does nothing when the process is gone.
    """
    if not is_alive(process):
        return
    _signal_group(process.pid, signal.SIGTERM)
    deadline = time.monotonic() + grace_s
    while is_alive(process) and time.monotonic() < deadline:
        time.sleep(POLL_S)
    _signal_group(process.pid, signal.SIGKILL)
    while is_alive(process):
        time.sleep(POLL_S)


def _signal_group(pid: int, number: int) -> None:
    # The leader of the session gave the group its number; the group may outlive it.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def tail(path: Path, *, lines: int, max_bytes: int = 16384) -> list[str]:
    """The last lines of a text file, oldest first; none when there is no such file."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - max_bytes))
            text = file.read().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return []
    return [line.rstrip() for line in text.splitlines() if line.strip()][-lines:]
