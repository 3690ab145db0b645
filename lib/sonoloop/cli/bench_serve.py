"""Measurements of ``sonoloop bench serve``; everything runs on this machine, loopback only."""

import http.client
import json
import multiprocessing
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil

from sonoloop.cli.timing import spread, timed
from sonoloop.errors import SonoloopError
from sonoloop.imaging.masks import encode_label_map
from sonoloop.imaging.read import is_candidate, read_image
from sonoloop.inference.load import load_engine
from sonoloop.inference.pipeline import DualStagePipeline
from sonoloop.inference.shipped import shipped_model
from sonoloop.records import Findings
from sonoloop.settings import PipelineSettings
from sonoloop.transforms.crop import crop_box, lesion_crop_box
from sonoloop.transforms.letterbox import letterbox

START_LIMIT_S = 120.0
STOP_LIMIT_S = 90.0
WARM_UP = 5
PROBE_EVERY_S = 0.02
CLIENT_COUNTS = (1, 2, 4, 8)

Figures = dict[str, Any]


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RunningServer:
    """A server process of our own on a free port, ended on leaving.

    Args:
        studies: Folder of studies or address of a PACS.
        workspace: Of the server; its log is written beside.
        options: More of ``sonoloop serve``.
        environment: Variables beside those of this process.
    """

    def __init__(
        self,
        studies: Path | str,
        workspace: Path,
        *,
        options: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        port = free_port()
        self.address = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "sonoloop", "serve"]
        command += ["--studies", str(studies), "--workspace", str(workspace), "--port", str(port)]
        command += options
        self._log = (workspace.parent / f"{workspace.name}.log").open("wb")
        began = time.perf_counter()
        self._process = subprocess.Popen(
            command, stdout=self._log, stderr=self._log, env={**os.environ, **(environment or {})}
        )
        self.start_s = self._wait(began)

    def _wait(self, began: float) -> float:
        while time.perf_counter() - began < START_LIMIT_S:
            if self._process.poll() is not None:
                raise SonoloopError(f"the server ended at once (see {self._log.name})")
            try:
                if httpx.get(f"{self.address}/info/", timeout=5).status_code == 200:
                    return time.perf_counter() - began
            except httpx.TransportError:
                time.sleep(0.05)
        raise SonoloopError(f"the server did not answer within {START_LIMIT_S:.0f} s")

    def rss_mb(self) -> float:
        """Resident memory of the server, in megabytes of 2**20 bytes."""
        return float(psutil.Process(self._process.pid).memory_info().rss / 2**20)

    def close(self) -> None:
        """End the server."""
        self._process.terminate()
        self._process.wait(timeout=STOP_LIMIT_S)
        self._log.close()


FORM = "application/x-www-form-urlencoded"


class Caller:
    """A kept-open connection of Python's own light HTTP client: what is measured is the server."""

    def __init__(self, address: str) -> None:
        self._connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=60)

    def _answer(self, method: str, path: str, body: str = "", kind: str = FORM) -> bytes:
        headers = {"content-type": kind} if body else {}
        self._connection.request(method, path, body or None, headers)
        reply = self._connection.getresponse()
        content = reply.read()
        if reply.status != 200:
            raise SonoloopError(f"{path} answered {reply.status}: {content[:200]!r}")
        return content

    def infer(self, image: str) -> bytes:
        """The mask of an image, as Slicer and OHIF ask for it."""
        params = {"result_extension": ".nrrd", "result_dtype": "uint8"}
        query = urllib.parse.urlencode({"image": image, "output": "image"})
        body = urllib.parse.urlencode({"params": json.dumps(params)})
        return self._answer("POST", f"/infer/lesion?{query}", body)

    def next_sample(self) -> bytes:
        """Another image to label; the server writes down that it was handed out."""
        return self._answer("POST", "/activelearning/random", "{}", "application/json")

    def info(self) -> bytes:
        """What the server says of itself."""
        return self._answer("GET", "/info/")

    def image_ids(self) -> set[str]:
        """Every image the server lists."""
        return set(json.loads(self._answer("GET", "/datastore/?output=all"))["objects"])

    def close(self) -> None:
        """Hang up; the next call connects anew."""
        self._connection.close()


def _raw(pipeline: DualStagePipeline, findings: Findings, path: Path) -> Callable[[], object]:
    """The network work of one image and nothing else, its inputs made beforehand."""
    segmenter, classifier = pipeline.engines
    pixels = read_image(path).pixels
    square = letterbox(pixels, segmenter.card.input_size_px)[0][None, None]
    shape = (pixels.shape[0], pixels.shape[1])
    margin = classifier.card.crop_margin or pipeline.settings.crop_margin
    boxes = [lesion_crop_box(x.box, margin=margin, within=shape) for x in findings.lesions]
    crops = [letterbox(crop_box(pixels, b), classifier.card.input_size_px)[0] for b in boxes]
    crops = crops or [letterbox(pixels, classifier.card.input_size_px)[0]]
    batch = np.stack(crops)[:, None]
    if pipeline.settings.test_time_flips:
        square, batch = (np.concatenate([x, x[..., ::-1]]) for x in (square, batch))
    return lambda: (segmenter(square), classifier(batch))


def _latency(client: Caller, images: dict[str, Path], *, rounds: int) -> Figures:
    """The three ways of calling, taken in turns so that they meet the same machine."""
    settings = PipelineSettings()
    pipeline = DualStagePipeline(
        load_engine(shipped_model("segmentation"), settings),
        load_engine(shipped_model("classification"), settings),
        settings,
    )

    def in_process(path: Path) -> Findings:
        image = read_image(path)
        findings = pipeline(image)
        encode_label_map(findings.mask.astype(np.uint8), ".nrrd", image.spacing_mm)
        return findings

    raws = {name: _raw(pipeline, in_process(path), path) for name, path in images.items()}
    names = sorted(images)
    client.close()  # engines take longer to load than the server keeps a silent connection
    times: dict[str, list[float]] = {"raw network": [], "pipeline": [], "HTTP /infer": []}
    times["HTTP /infer, nothing written since"] = []
    for turn in range(rounds + WARM_UP):
        name = names[turn % len(names)]
        row = [timed(raws[name]), timed(partial(in_process, images[name]))]
        client.next_sample()  # a write, as before every inference of the labelling loop
        row += [timed(partial(client.infer, name)) for _ in range(2)]
        if turn >= WARM_UP:
            for key, value in zip(times, row, strict=True):
                times[key].append(value)
    base = statistics.median(times["raw network"])
    return {
        key: spread(values) | {"ratio": statistics.median(values) / base}
        for key, values in times.items()
    }


def load(address: str, images: list[str], clients: int, seconds: float, results: Any) -> None:
    """``clients`` callers, each asking for the next image as soon as one is answered."""
    until = time.perf_counter() + seconds
    times: list[float] = []

    def caller(offset: int) -> None:
        client = Caller(address)
        turn = offset
        while time.perf_counter() < until:
            times.append(timed(partial(client.infer, images[turn % len(images)])))
            turn += clients
        client.close()

    threads = [threading.Thread(target=caller, args=(i,)) for i in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results.put(times)


def _under_load(
    address: str, images: list[str], *, clients: int, seconds: float
) -> tuple[Figures, list[float]]:
    """Callers in a process of their own, while this one asks /info."""
    prober = Caller(address)
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    process = context.Process(target=load, args=(address, images, clients, seconds, results))
    process.start()
    time.sleep(1.5)
    probes = []
    until = time.perf_counter() + seconds - 1
    while time.perf_counter() < until and process.is_alive():
        probes.append(timed(prober.info))
        time.sleep(PROBE_EVERY_S)
    times = results.get(timeout=seconds + 120)
    process.join()
    prober.close()
    return {"clients": clients, "images_per_s": len(times) / seconds, **spread(times)}, probes


def measure(
    studies: Path, workspace: Path, *, rounds: int, seconds: float, say: Callable[[str], None]
) -> Figures:
    """All figures of one run.

    Raises:
        SonoloopError: If the server does not start or refuses an inference.
    """
    say("starting a server ...")
    server = RunningServer(studies, workspace)
    try:
        at_start = server.rss_mb()
        client = Caller(server.address)
        images = _single_frames(studies, client)
        for name in images:
            client.infer(name)
        idle = server.rss_mb()
        say(f"latency of one caller, {rounds} rounds ...")
        latency = _latency(client, images, rounds=rounds)
        client.close()
        rows: list[Figures] = []
        probes: list[float] = []
        for count in CLIENT_COUNTS:
            say(f"{count} clients for {seconds:.0f} s ...")
            row, probes = _under_load(
                server.address, sorted(images), clients=count, seconds=seconds
            )
            rows.append(row)
        loaded = server.rss_mb()
    finally:
        server.close()
    return {
        "latency": latency,
        "load": rows,
        "info_under_load": {"clients": CLIENT_COUNTS[-1], **spread(probes)},
        "server": {
            "start_s": server.start_s,
            "start_rss_mb": at_start,
            "idle_rss_mb": idle,
            "loaded_rss_mb": loaded,
        },
    }


def _single_frames(studies: Path, client: Caller) -> dict[str, Path]:
    """Image ids the server lists whose file here holds one frame, with that file."""
    listed = client.image_ids()
    found: dict[str, Path] = {}
    for path in sorted(p for p in studies.rglob("*") if p.is_file() and is_candidate(p)):
        image = read_image(path)
        uid = image.identity.sop_instance_uid
        if uid is not None and image.frame_count == 1 and uid in listed:
            found[uid] = path
    if not found:
        raise SonoloopError(f"no single-frame DICOM image in {studies}")
    return found
