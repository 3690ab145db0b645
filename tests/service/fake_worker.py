"""Stands in for ``sonoloop.service.worker``: behaves as its first argument says."""

import argparse
import dataclasses
import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType
from typing import Any

from sonoloop.service.processes import database_url
from sonoloop.store.store import Store
from sonoloop.training.progress import Curve, Progress

MOST_BEATS = 2400  # two minutes: a worker whose test failed does not stay for ever


def train(store: Store, job_id: str) -> None:
    job = store.jobs.get(job_id)
    epochs = job.request["settings"]["max_epochs"]
    for epoch in range(1, epochs + 1):
        progress = {"epoch": epoch, "total_epochs": epochs, "best_metric": epoch / epochs}
        store.jobs.heartbeat(job_id, progress, f"epoch {epoch} of {epochs}")
    publish(store, job_id, job.target)


def publish(store: Store, job_id: str, target: str) -> None:
    model_id = f"{target}-{job_id[:8]}"
    card: dict[str, Any] = {"model_id": model_id, "task": target, "architecture": "fake"}
    card["format"] = "sonoloop-model-1"
    card["data"] = {"train": {"images": len(store.images.labelled_ids())}}
    card["metrics"] = {"validation": {"dice": 0.8, "auc": 0.8}}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "weights.safetensors").write_bytes(b"weights")
        (Path(folder) / "card.json").write_text(json.dumps(card))
        store.models.register(card, Path(folder))
    store.models.publish(model_id)
    store.jobs.finish(job_id, "DONE", f"published {model_id}")


def state_at(step: int) -> Progress:
    """How far a training is that learns as trainings do, four steps an epoch."""
    epoch = step // 4
    figure = 0.9 - 0.5 / epoch if epoch else None
    return Progress(
        epoch=epoch,
        total_epochs=1000,
        step=step % 4,
        total_steps=4,
        loss=0.2 + 0.6 / step,
        metric=figure,
        best_metric=figure,
        seconds=step / 5,
        eta_seconds=(4000 - step) / 5,
    )


def finish(store: Store, job_id: str) -> None:
    """Publishes after it has reported a curve."""
    curve = Curve()
    for step in range(1, 50):
        curve.note(state_at(step))
    told = dataclasses.replace(state_at(49), total_epochs=12)
    store.jobs.heartbeat(job_id, told.as_dict() | {"curve": curve.as_json()})
    publish(store, job_id, store.jobs.get(job_id).target)


def run_until_stopped(store: Store, job_id: str) -> None:
    def stop(_number: int, _frame: FrameType | None) -> None:
        store.jobs.finish(job_id, "STOPPED", "wrote a checkpoint")
        sys.exit(0)

    signal.signal(signal.SIGTERM, stop)
    for number in range(1, MOST_BEATS):
        store.jobs.heartbeat(job_id, {"epoch": number, "total_epochs": 1000, "best_metric": 0.5})
        time.sleep(0.05)


def learn(store: Store, job_id: str) -> None:
    """Goes on for ever as a real training reports: loss, figure, curve."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    curve = Curve()
    for step in range(1, MOST_BEATS):
        curve.note(state_at(step))
        store.jobs.heartbeat(job_id, state_at(step).as_dict() | {"curve": curve.as_json()})
        time.sleep(0.2)


def ignore_signals(store: Store, job_id: str) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    store.jobs.heartbeat(job_id, {"epoch": 1, "total_epochs": 2, "best_metric": 0.1}, "deaf")
    time.sleep(60)


def report(store: Store, job_id: str) -> None:
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
    told: dict[str, Any] = {name: os.environ.get(name) for name in names}
    told |= {"nice": os.nice(0), "leads_session": os.getsid(0) == os.getpid()}
    store.jobs.heartbeat(job_id, {"epoch": 1, "total_epochs": 1, "best_metric": 0.0} | told)
    store.jobs.finish(job_id, "DONE", "reported")


def crash(_store: Store, _job_id: str) -> None:
    sys.stderr.write("the weights are made of cheese\n")
    sys.exit(3)


BEHAVIOURS = {
    "train": train,
    "run": run_until_stopped,
    "learn": learn,
    "finish": finish,
    "deaf": ignore_signals,
    "report": report,
    "crash": crash,
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("behaviour")
    parser.add_argument("--workspace", type=Path)
    parser.add_argument("--job")
    arguments = parser.parse_args()
    opened = Store.open(arguments.workspace, url=database_url())
    while opened.jobs.get(arguments.job).status == "SUBMITTED":
        time.sleep(0.02)
    BEHAVIOURS[arguments.behaviour](opened, arguments.job)
