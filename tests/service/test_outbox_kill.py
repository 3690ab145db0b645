"""The server is killed while documents are on their way, and nothing is lost or there twice."""

import contextlib
import io
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest

from drawn_studies import Studio
from sonoloop.labels import Pathology
from sonoloop.pacs.folder import FolderSource
from sonoloop.reporting.foreign import read_segmentation
from sonoloop.store import NewAnnotation, Store

CHILD = Path(__file__).parents[1] / "support" / "outbox_child.py"
KILLS = 6


@pytest.fixture
def child(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """Empties the outbox of ``workspace`` into its archive for every line it is told."""
    process = subprocess.Popen(
        [sys.executable, str(CHILD), str(tmp_path / "studies"), str(tmp_path / "workspace")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    yield process
    process.kill()
    process.communicate()


def told(child: "subprocess.Popen[str]", *passed_over: str) -> list[str]:
    """The next line it says that begins with none of these words."""
    assert child.stdout is not None
    while True:
        words = child.stdout.readline().split()
        if words[:1] not in ([word] for word in passed_over):
            return words


def ask(child: "subprocess.Popen[str]") -> int:
    """Have it begin; the process that does so."""
    assert child.stdin is not None
    child.stdin.write("go\n")
    child.stdin.flush()
    word, pid = told(child)
    assert word == "ready"
    return int(pid)


@pytest.mark.slow
def test_killed_at_any_moment_every_answer_arrives_once(
    tmp_path: Path, child: "subprocess.Popen[str]"
) -> None:
    rng, pause = random.Random(5), threading.Event()
    studio = Studio(tmp_path / "studies")
    for number in range(4):
        studio.single("anna", f"image{number}", (60, 80))
    source = FolderSource(tmp_path / "studies", tmp_path / "workspace")
    died = 0
    for kill in range(KILLS):
        with Store.open(tmp_path / "workspace") as store:
            source.scan(store)
            for drawn in studio:
                new = NewAnnotation(
                    image_id=drawn.image, reader=f"r{kill}", pathology=Pathology.BENIGN
                )
                store.annotations.save(new, drawn.mask)
        pid = ask(child)
        for _ in range(kill % 3):
            assert told(child) == ["step"]
        pause.wait(rng.uniform(0.0, 0.1))
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        died += told(child, "step") == ["dead"]
    ask(child)
    assert told(child, "step") == ["idle"]
    assert died > KILLS // 2

    with Store.open(tmp_path / "workspace") as store:
        entries = store.outbox.list()
        assert [entry.state for entry in entries] == ["verified"] * 4 * KILLS
        for drawn in studio:
            kept = [
                source.retrieve(address)
                for address in source.instances(drawn.study, "SEG")
                if pydicom.dcmread(io.BytesIO(source.retrieve(address)))
                .ReferencedSeriesSequence[0]
                .ReferencedInstanceSequence[0]
                .ReferencedSOPInstanceUID
                == drawn.sop
            ]
            numbers = [int(pydicom.dcmread(io.BytesIO(data)).InstanceNumber) for data in kept]
            assert sorted(numbers) == list(range(1, KILLS + 1))
            for data in kept:
                (segment,) = read_segmentation(data)
                np.testing.assert_array_equal(segment.mask, drawn.mask)
        assert len(source.instances(studio.study_of("anna"), "SR")) == 4 * KILLS
        told_of = [event.kind for event in store.events.list(kind="document_verified")]
        assert len(told_of) == 4 * KILLS
