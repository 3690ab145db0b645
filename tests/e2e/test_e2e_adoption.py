"""A server that dies while a training runs, and the next one, which takes the training up."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

SAMPLES = Path(__file__).parents[2] / "sample-data" / "studies"
LABELS = 8
FIRST_EPOCH_S = 600.0

pytestmark = pytest.mark.slow


@pytest.fixture
def start(start_server: Callable[..., Any], tiny_models: Path, tmp_path: Path) -> Callable[[], Any]:
    """Starts a server, always on the same workspace."""
    return lambda: start_server(SAMPLES, tmp_path / "workspace", models=tiny_models)


def test_a_killed_server_leaves_its_training_to_the_next(
    start: Callable[[], Any],
    label_first: Callable[[Any, int], list[str]],
    until: Callable[..., Any],
    workers: Callable[[str], list[psutil.Process]],
    tmp_path: Path,
) -> None:
    first = start()
    client = first.client(tmp_path)
    label_first(client, LABELS)
    endless = {"max_epochs": 10_000, "early_stop_patience": 10_000, "tracking": "none"}
    job = client.train_start("segmentation", endless)["id"]
    until(lambda: epoch_of(client) >= 1, timeout_s=FIRST_EPOCH_S, what="no epoch was reported")

    first.kill()
    (worker,) = workers(job)
    second = start()
    client = second.client(tmp_path)
    adopted = client.train_status()
    reached = epoch_of(client)
    until(lambda: epoch_of(client) > reached, timeout_s=120, what="no further epoch")
    again = requests.post(f"{second.url}/train/segmentation", json={}, timeout=30)
    at_work = workers(job)
    stopped = client.train_stop()

    assert (adopted["id"], adopted["status"]) == (job, "RUNNING")
    assert reached >= 1
    assert again.status_code == 429
    assert "already" in again.json()["detail"]
    assert [process.pid for process in at_work] == [worker.pid]
    assert (stopped["id"], stopped["status"]) == (job, "STOPPED")
    until(lambda: not workers(job), timeout_s=30, what="the worker lives on")
    assert client.info()["datastore"]["completed"] == LABELS


def epoch_of(client: Any) -> int:
    """Epochs that the training has finished, as ``/info`` tells."""
    stats = client.info()["train_stats"].get("segmentation", {})
    return int(stats.get("epoch", 0))
