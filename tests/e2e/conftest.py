"""Real servers in processes of their own, with real models, spoken to over HTTP."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import psutil
import pytest
import requests
from monailabel.client import MONAILabelClient
from PIL import Image

from sonoloop.datasets.layouts import read_dataset
from sonoloop.inference.shipped import SHIPPED_MODELS
from sonoloop.networks.card import CARD_FILE
from sonoloop.records import LabelledImage
from sonoloop.service.inference import TASKS

CHECKOUT = Path(__file__).parents[2]
APP_DIR = CHECKOUT / "apps" / "breast_ultrasound"
BIN = Path(sys.executable).parent
START_S = 600.0
TRAIN_S = 600.0
POLL_S = 0.1
NO_WAY_OUT = "http://127.0.0.1:9"
"""Nothing listens there: whoever would download something fails."""


@dataclass
class Server:
    """A server that answers.

    Attributes:
        log: What it wrote to its terminal.
    """

    process: subprocess.Popen[bytes]
    url: str
    workspace: Path
    log: Path

    def client(self, folder: Path) -> Any:
        """MONAI Label's client; what it downloads goes to ``folder``."""
        return MONAILabelClient(self.url, tmpdir=str(folder), client_id="reader-1")

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Ask it to end; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@pytest.fixture(scope="session")
def until() -> Callable[..., Any]:
    """Waits for a condition with a deadline; what it came to."""

    def waiting(condition: Callable[[], Any], *, timeout_s: float, what: str) -> Any:
        deadline = time.monotonic() + timeout_s
        while not (found := condition()):
            assert time.monotonic() < deadline, f"waited {timeout_s} s: {what}"
            time.sleep(POLL_S)
        return found

    return waiting


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two small models with random weights, compiled; SONOLOOP_TEST_MODELS names made ones."""
    if made := os.environ.get("SONOLOOP_TEST_MODELS"):
        return Path(made)
    folder = tmp_path_factory.mktemp("tiny-models")
    command = [sys.executable, str(Path(__file__).with_name("make_models.py")), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=START_S)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="session")
def served_models(request: pytest.FixtureRequest) -> Path:
    """The shipped models; tiny ones in a checkout that ships none."""
    if all((SHIPPED_MODELS / task / CARD_FILE).is_file() for task in TASKS):
        return SHIPPED_MODELS
    tiny: Path = request.getfixturevalue("tiny_models")
    return tiny


@pytest.fixture(scope="module")
def start_server(
    tmp_path_factory: pytest.TempPathFactory, until: Callable[..., Any]
) -> Iterator[Callable[..., Server]]:
    """Starts servers and kills those that a test leaves."""
    started: list[Server] = []

    def starting(
        studies: Path | str,
        workspace: Path,
        *,
        models: Path,
        how: Literal["sonoloop", "monailabel"] = "sonoloop",
    ) -> Server:
        port = _free_port()
        commands = {
            "sonoloop": ["sonoloop", "serve", "--workspace", str(workspace)],
            "monailabel": [
                *("monailabel", "start_server", "--app", str(APP_DIR)),
                *("--conf", "workspace", str(workspace)),
            ],
        }
        program, *arguments = commands[how]
        folder = tmp_path_factory.mktemp("server")
        log = folder / "log"
        with log.open("wb") as stream:
            process = subprocess.Popen(
                [str(BIN / program), *arguments, "--studies", str(studies), "--port", str(port)],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env=_environment(models),
            )
        server = Server(process, f"http://127.0.0.1:{port}", workspace, log)
        started.append(server)
        until(lambda: _answers(server), timeout_s=START_S, what="the server does not answer")
        return server

    yield starting
    for server in started:
        server.kill()


def _answers(server: Server) -> bool:
    assert server.process.poll() is None, server.log.read_text()
    try:
        return requests.get(f"{server.url}/info/", timeout=10).ok
    except requests.ConnectionError:
        return False


def _environment(models: Path) -> dict[str, str]:
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), NO_WAY_OUT)
    local = {"no_proxy": "127.0.0.1,localhost", "NO_PROXY": "127.0.0.1,localhost"}
    return {**os.environ, **proxies, **local, "SONOLOOP_SHIPPED_MODELS": str(models)}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def workers() -> Iterator[Callable[[str], list[psutil.Process]]]:
    """Finds the processes that do a training; kills those that a test leaves."""
    asked: list[str] = []

    def finding(job_id: str) -> list[psutil.Process]:
        asked.append(job_id)
        found = []
        for process in psutil.process_iter(["cmdline", "status"]):
            command = process.info["cmdline"] or []
            if command[-2:] == ["--job", job_id] and process.info["status"] != "zombie":
                found.append(process)
        return found

    yield finding
    for job_id in set(asked):
        for process in finding(job_id):
            process.kill()


@pytest.fixture(scope="session")
def sample_truth() -> dict[str, LabelledImage]:
    """What is known of every sample image, by image id."""
    return {item.image_id: item for item in read_dataset(CHECKOUT / "sample-data" / "truth").images}


@pytest.fixture
def label_first(
    submit: Callable[..., dict[str, Any]], sample_truth: dict[str, LabelledImage]
) -> Callable[[Any, int], list[str]]:
    """Submits the truth of the sample images that come first; their ids."""

    def labelling(client: Any, count: int) -> list[str]:
        ids = []
        for _ in range(count):
            sample = client.next_sample("first", {})
            submit(client, sample, sample_truth[sample["id"]])
            ids.append(sample["id"])
        return ids

    return labelling


@pytest.fixture
def submit(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Submits the truth of an image as a reader would, through MONAI Label's client."""

    def submitting(client: Any, sample: dict[str, Any], truth: LabelledImage) -> dict[str, Any]:
        mask = np.zeros((sample["rows"], sample["columns"]), dtype=np.uint8)
        for path in truth.mask_paths:
            mask |= (np.asarray(Image.open(path).convert("L")) > 0).astype(np.uint8)
        file = tmp_path / "label.png"
        Image.fromarray(mask).save(file)
        params = {"label_info": [{"name": "lesion", "idx": 1}], "pathology": truth.pathology}
        reply: dict[str, Any] = client.save_label(sample["id"], str(file), params=params)
        return reply

    return submitting


@pytest.fixture
def publish_held(until: Callable[..., Any]) -> Callable[[str], str]:
    """Publishes the newest segmenter, which the gate holds; its id, once it serves.

    A handful of labels is no evidence for the gate, so an engineer must.
    """

    def publishing(url: str) -> str:
        versions = requests.get(f"{url}/sonoloop/models", timeout=30).json()["segmentation"]
        newest = versions["versions"][0]
        assert newest["gate"]["verdict"] == "held", newest
        assert "not enough evidence" in newest["gate"]["reason"]
        word = {"model_id": newest["model_id"], "actor": "test", "reason": "closes the loop"}
        answer = requests.post(f"{url}/sonoloop/models/segmentation/publish", json=word, timeout=60)
        answer.raise_for_status()
        until(
            lambda: _serving(url) == newest["model_id"],
            timeout_s=START_S,
            what="the new model is not served",
        )
        return str(newest["model_id"])

    return publishing


def _serving(url: str) -> str | None:
    told = requests.get(f"{url}/info/", timeout=30).json()
    model: str | None = told["sonoloop"]["model_ids"].get("segmentation")
    return model


@pytest.fixture
def train_one_epoch(
    until: Callable[..., Any], publish_held: Callable[[str], str]
) -> Callable[[Any], str]:
    """Trains the segmenter for one epoch and publishes it; the id of the model that serves then."""

    def training(client: Any) -> str:
        client.train_start("segmentation", {"max_epochs": 1, "tracking": "none"})
        until(
            lambda: not client.train_status(check_if_running=True),
            timeout_s=TRAIN_S,
            what="the training does not end",
        )
        status = client.train_status()
        assert status["status"] == "DONE", status["details"]
        return publish_held(client.get_server_url())

    return training
