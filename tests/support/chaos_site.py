"""The world of the chaos test: drawn studies, models, and a server that can be killed."""

import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from chaos_worker import weights_of
from sonoloop.networks.card import ModelCard, write_card
from sonoloop.records import ModelTask

SHAPE = (48, 64)
TASKS: tuple[ModelTask, ...] = ("segmentation", "classification")
NURSERY = Path(__file__).with_name("chaos_server.py")


def draw_studies(folder: Path, *, images: int, seed: int) -> None:
    """Speckle with a dark disc, every image another one, so that none is a near-duplicate."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    rows, columns = np.ogrid[: SHAPE[0], : SHAPE[1]]
    for number in range(images):
        centre = rng.uniform((15, 20), (33, 44))
        disc = np.hypot(rows - centre[0], columns - centre[1]) < rng.uniform(5, 12)
        pixels = rng.gamma(4, 25, SHAPE) * np.where(disc, 0.3, 1)
        picture = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
        picture.save(folder / f"image{number:03}.png")


def draw_label(seed: int) -> np.ndarray:
    """An outline that is its own for every seed, (H, W) of 0 and 1."""
    rng = np.random.default_rng(seed)
    top, left = rng.integers(2, 12, 2)
    label = np.zeros(SHAPE, dtype=np.uint8)
    label[top : top + 25, left : left + 30] = 1
    label[20:24, 20:24] = rng.integers(0, 2, (4, 4))
    return label


def as_png(label: np.ndarray) -> bytes:
    """The label as a client sends it."""
    stream = BytesIO()
    Image.fromarray(label).save(stream, "PNG")
    return stream.getvalue()


def ship_models(folder: Path) -> None:
    """The models a new workspace begins with."""
    for task in TASKS:
        (folder / task).mkdir(parents=True)
        (folder / task / "weights.safetensors").write_bytes(weights_of(f"{task}-0"))
        write_card(folder / task, ModelCard(model_id=f"{task}-0", task=task, architecture="fake"))


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class KillableServer:
    """A server always at the same address and workspace; see ``chaos_server.py``.

    Attributes:
        pid: Of the process that serves now; 0 when none does.
        kills: How often it was killed.
    """

    nursery: "subprocess.Popen[str]"
    url: str
    pid: int = 0
    kills: int = 0

    @classmethod
    def over(cls, folder: Path, *, lease_s: float, log: Path) -> "KillableServer":
        """A nursery for servers of ``folder``'s studies, workspace and shipped models."""
        port = free_port()
        places = [str(folder / name) for name in ("studies", "workspace", "shipped")]
        with log.open("ab") as stream:
            nursery = subprocess.Popen(
                [sys.executable, str(NURSERY), *places, str(port), str(lease_s)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stream,
                text=True,
            )
        return cls(nursery, f"http://127.0.0.1:{port}")

    def start(self) -> None:
        """Begin to serve; returns when it answers."""
        assert self.nursery.stdin is not None
        self.nursery.stdin.write("serve\n")
        self.nursery.stdin.flush()
        word, _, pid = self._hear().partition(" ")
        assert word == "ready", f"the server said {word!r}"
        self.pid = int(pid)

    def end(self, number: signal.Signals) -> None:
        """Signal the server; returns when it is gone."""
        os.kill(self.pid, number)
        assert self._hear() == "dead"
        self.pid = 0
        self.kills += number is signal.SIGKILL

    def close(self) -> None:
        """Leave nothing behind, whatever happened."""
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
        self.nursery.kill()
        self.nursery.communicate()

    def _hear(self) -> str:
        assert self.nursery.stdout is not None
        return self.nursery.stdout.readline().strip()
