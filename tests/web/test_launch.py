"""Starting and ending the server process."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from sonoloop.errors import ConfigError
from sonoloop.settings import PipelineSettings, ServerSettings
from sonoloop.web.launch import address_of, bind, refuse_public, serve

LIB = Path(__file__).parents[2] / "lib"

SERVE = """
import sys
from pathlib import Path
from sonoloop.settings import PipelineSettings, ServerSettings
from sonoloop.web.launch import serve
studies, workspace, port = sys.argv[1:4]
serve(studies, Path(workspace), ServerSettings(port=int(port)), PipelineSettings(),
    shipped_models=None, announce=lambda address: print(address, flush=True))
"""

UNWANTED = "torch monai monailabel mlflow pandas sklearn ignite highdicom"


@pytest.fixture
def run_server(
    tmp_path: Path, sample_studies: Path
) -> Iterator[Callable[[], tuple[subprocess.Popen[str], str]]]:
    """Starts a server process on the sample studies; gives it and its address."""
    started: list[subprocess.Popen[str]] = []

    def running() -> tuple[subprocess.Popen[str], str]:
        process = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(sample_studies), str(tmp_path / "workspace"), "0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(LIB)},
        )
        started.append(process)
        assert process.stdout is not None
        return process, process.stdout.readline().strip()

    yield running
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.parametrize("module", ["sonoloop.web.app", "sonoloop.cli.main"])
def test_the_server_imports_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print(*set('{UNWANTED}'.split()) & set(sys.modules))"

    found = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(LIB)},
    )

    assert found.stdout.split() == []


def test_it_says_its_address_when_it_answers_and_ends_in_good_order(
    run_server: Callable[[], tuple[subprocess.Popen[str], str]], tmp_path: Path
) -> None:
    began = time.monotonic()
    process, address = run_server()
    seconds = time.monotonic() - began

    info = httpx.get(f"{address}/info/").json()
    assert info["datastore"]["total"] > 20
    assert info["models"] == {}
    megabytes = psutil.Process(process.pid).memory_info().rss / 2**20
    assert megabytes < 400
    assert seconds < 60
    process.send_signal(signal.SIGTERM)

    assert process.wait(20) == 0
    log = (tmp_path / "workspace" / "logs" / "server.log").read_text()
    assert "studies scanned" in log
    assert "closed the workspace" in log


def test_a_window_that_watches_does_not_hold_up_the_end(
    run_server: Callable[[], tuple[subprocess.Popen[str], str]],
) -> None:
    process, address = run_server()

    with httpx.stream("GET", f"{address}/sonoloop/board/stream", timeout=60) as answer:
        lines = answer.iter_lines()
        first = next(lines)
        process.send_signal(signal.SIGTERM)
        list(lines)  # raises where the server cuts the answer off instead of ending it

    assert first.startswith("retry")
    assert process.wait(20) == 0


def test_a_second_server_on_the_workspace_is_refused(
    run_server: Callable[[], tuple[subprocess.Popen[str], str]],
) -> None:
    first, _ = run_server()

    second, address = run_server()

    assert address == ""
    assert second.wait(20) == 1
    assert second.stderr is not None
    assert f"in use by another server, process {first.pid}" in second.stderr.read()


def test_a_taken_port_is_told_in_a_sentence(tmp_path: Path, sample_studies: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        settings = ServerSettings(port=other.getsockname()[1])

        with pytest.raises(ConfigError, match=r"cannot listen at 127\.0\.0\.1 port .* in use"):
            serve(str(sample_studies), tmp_path / "workspace", settings, PipelineSettings())
    assert not (tmp_path / "workspace").exists()


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.7", "::", "example.org"])  # noqa: S104
def test_a_public_address_is_refused_without_accounts_and_proxy(host: str) -> None:
    with pytest.raises(ConfigError, match="can be reached from other machines"):
        refuse_public(host, behind_proxy=False, has_accounts=lambda: False)
    refuse_public(host, behind_proxy=True, has_accounts=lambda: False)
    refuse_public(host, behind_proxy=False, has_accounts=lambda: True)


def test_an_unknown_host_is_told() -> None:
    with pytest.raises(ConfigError, match=r"host 'nowhere.invalid' is unknown"):
        bind("nowhere.invalid", 0)


def test_the_address_is_one_a_browser_can_open() -> None:
    with bind("0.0.0.0", 0) as listener:  # noqa: S104
        assert address_of(listener) == f"http://127.0.0.1:{listener.getsockname()[1]}"
