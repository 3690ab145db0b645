"""Pretends to train a model for the chaos test: ``chaos_worker.py --workspace DIR --job ID``.

It holds a lock of the system while it trains, so that two at once are seen however they began, and
publishes a model whose weights tell whether they are whole.
"""

import argparse
import fcntl
import tempfile
import time
from pathlib import Path

from sonoloop.errors import ConflictError
from sonoloop.networks.card import ModelCard, write_card
from sonoloop.store.store import Store

TURN, OVERLAPS = "one-training.lock", "two-trainings"
WEIGHTS_REPEATED = 20_000
"""Some hundred kilobytes of weights: long enough to be caught half written."""
EPOCH_S = 0.1
MOST_WAITS = 600


def weights_of(model_id: str) -> bytes:
    """The only weights a model of that id can have."""
    return model_id.encode() * WEIGHTS_REPEATED


def train(store: Store, job_id: str) -> None:
    """Report epochs, then make, register and publish a model."""
    job = store.jobs.get(job_id)
    epochs = job.request["settings"]["max_epochs"]
    for epoch in range(1, epochs + 1):
        time.sleep(EPOCH_S)  # what a training does in that time is no matter here
        progress = {"epoch": epoch, "total_epochs": epochs, "best_metric": epoch / epochs}
        store.jobs.heartbeat(job_id, progress, f"epoch {epoch} of {epochs}")
    model_id = f"{job.target}-{job_id[:8]}"
    card = ModelCard(model_id=model_id, task=job.target, architecture="fake")  # type: ignore[arg-type]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "weights.safetensors").write_bytes(weights_of(model_id))
        write_card(folder, card)
        store.models.register(card.as_dict(), folder)
    store.models.publish(model_id)
    store.jobs.finish(job_id, "DONE", f"published {model_id}")


def main() -> None:
    """Wait for the turn, and train."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--workspace", type=Path)
    parser.add_argument("--job")
    options = parser.parse_args()
    with Store.open(options.workspace) as store:
        for _ in range(MOST_WAITS):
            if store.jobs.get(options.job).status != "SUBMITTED":
                break
            time.sleep(0.02)
        with (options.workspace / TURN).open("a") as turn:
            try:
                fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                with (options.workspace / OVERLAPS).open("a") as file:
                    file.write(f"{options.job}\n")
            try:
                train(store, options.job)
            except ConflictError:
                return  # given up for dead meanwhile


if __name__ == "__main__":
    main()
