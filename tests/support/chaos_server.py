"""Raises servers that are there to be killed.

``chaos_server.py STUDIES WORKSPACE SHIPPED PORT LEASE_S``: for every line it is told, it forks a
process that serves until it dies. Forked, not started: importing takes longer than what is to be
tested. Says ``ready PID`` when a server answers and ``dead`` once it is gone.
"""

import os
import sys
from pathlib import Path

from chaos_worker import weights_of
from fakes import load_threshold
from sonoloop.networks.card import read_card
from sonoloop.service.inference import Pipeline
from sonoloop.settings import PipelineSettings, ServerSettings
from sonoloop.web.launch import serve

WORKER = Path(__file__).with_name("chaos_worker.py")
HALVES = "half-published"


def is_whole(folder: Path) -> bool:
    """Whether weights and card of a model are both there and belong together."""
    model_id = read_card(folder).model_id
    return (folder / "weights.safetensors").read_bytes() == weights_of(model_id)


def load_whole(segmentation: Path, classification: Path, settings: PipelineSettings) -> Pipeline:
    """The pipeline that thresholds; a model that is not whole is written down."""
    for folder in (segmentation, classification):
        if not is_whole(folder):
            with (folder.parents[1] / HALVES).open("a") as file:
                file.write(f"{folder.name}\n")
    return load_threshold(segmentation, classification, settings)


def start_worker(workspace: Path, job_id: str) -> list[str]:
    """How the process that pretends to train is started."""
    return [sys.executable, str(WORKER), "--workspace", str(workspace), "--job", job_id]


def say(*words: object) -> None:
    """One line, whole or not at all."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def main(studies: str, workspace: str, shipped: str, port: str, lease_s: str) -> None:
    """Raise a server for every line."""
    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            serve(
                studies,
                Path(workspace),
                ServerSettings(
                    port=int(port), lease_s=float(lease_s), rescan_s=0, training_threads=1
                ),
                PipelineSettings(),
                announce=lambda _address: say("ready", os.getpid()),
                shipped_models=Path(shipped),
                load_pipeline=load_whole,
                command=start_worker,
            )
            os._exit(0)
        os.waitpid(pid, 0)
        say("dead")


if __name__ == "__main__":
    main(*sys.argv[1:])
