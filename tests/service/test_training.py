"""Supervised trainings: started, watched, stopped, adopted."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from sonoloop.errors import ConfigError, JobConflictError, NotFoundError, TrainingError
from sonoloop.labels import Pathology
from sonoloop.service import processes
from sonoloop.service import training as training_module
from sonoloop.service.server import Service
from sonoloop.service.train_request import (
    CHOSEN_BY_THE_SERVER,
    offered_settings,
    training_settings,
)
from sonoloop.service.training import process_of
from sonoloop.store.annotations import NewAnnotation

ENDED = ("DONE", "ERROR", "STOPPED")

Open = Callable[..., Service]
Until = Callable[..., None]
Worker = Callable[[str], Any]


def label(service: Service, count: int) -> None:
    for number, image_id in enumerate(service.store.images.unlabelled_ids()[:count]):
        mask = np.zeros((40, 60), dtype=np.uint8)
        mask[10:20, 15:30] = 1
        pathology = Pathology.BENIGN if number % 2 else Pathology.MALIGNANT
        new = NewAnnotation(
            image_id=image_id, tag="final", pathology=pathology, birads=None, reader="r"
        )
        service.store.annotations.save(new, mask)


@pytest.fixture(autouse=True)
def _not_niced(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    # A niced process takes long to start on a machine that is busy with other tests.
    if "niced" not in request.node.name:
        monkeypatch.setattr(processes, "NICENESS", 0)


@pytest.fixture
def labelled(open_service: Open, worker: Worker) -> Callable[[str], Service]:
    """A service with four labelled images and a worker of the behaviour asked for."""

    def opening(behaviour: str) -> Service:
        service = open_service(command=worker(behaviour))
        label(service, 4)
        return service

    return opening


def test_a_training_reports_and_its_model_is_served(
    labelled: Callable[[str], Service], until: Until
) -> None:
    service = labelled("train")

    job = service.start_training("segmentation", {"max_epochs": 3, "client_id": "slicer"})
    done = service.training.wait(job.job_id)

    assert done.status == "DONE"
    assert done.progress == {"epoch": 3, "total_epochs": 3, "best_metric": 1.0}
    model_id = f"segmentation-{job.job_id[:8]}"
    until(lambda: service.inference.model_ids["segmentation"] == model_id)
    until(lambda: "total_time" in service.info.get()["train_stats"]["segmentation"])


def test_the_worker_is_niced_and_capped_and_leads_its_session(
    labelled: Callable[[str], Service],
) -> None:
    service = labelled("report")

    job = service.start_training("classification", {})
    progress = service.training.wait(job.job_id).progress

    assert progress["OMP_NUM_THREADS"] == progress["MKL_NUM_THREADS"] == "1"
    assert progress["nice"] >= processes.NICENESS
    assert progress["leads_session"]


def test_progress_can_be_read_while_it_runs(
    labelled: Callable[[str], Service], until: Until
) -> None:
    service = labelled("run")
    job = service.start_training("segmentation", {})

    until(lambda: service.store.jobs.get(job.job_id).progress.get("epoch", 0) > 2)
    until(lambda: service.info.get()["train_stats"]["segmentation"]["epoch"] > 2)

    assert "total_time" not in service.info.get()["train_stats"]["segmentation"]
    service.stop_training()


def test_stopping_lets_the_worker_write_its_checkpoint(
    labelled: Callable[[str], Service], until: Until
) -> None:
    service = labelled("run")
    job = service.start_training("segmentation", {})
    until(lambda: service.store.jobs.get(job.job_id).progress)

    (stopped,) = service.stop_training()

    assert stopped.status == "STOPPED"
    assert stopped.details[-1] == "wrote a checkpoint"
    assert stopped.pid is not None
    assert not processes.is_alive(process_of(stopped) or pytest.fail("no process"))
    assert service.stop_training() == []


def test_a_worker_that_does_not_stop_is_killed(
    labelled: Callable[[str], Service], until: Until
) -> None:
    service = labelled("deaf")
    job = service.start_training("segmentation", {})
    until(lambda: service.store.jobs.get(job.job_id).progress)

    (stopped,) = service.stop_training()

    assert stopped.status == "STOPPED"
    assert not processes.is_alive(process_of(stopped) or pytest.fail("no process"))


def test_a_worker_that_dies_ends_the_job_with_its_last_words(
    labelled: Callable[[str], Service],
) -> None:
    service = labelled("crash")

    job = service.start_training("segmentation", {})
    done = service.training.wait(job.job_id)

    assert done.status == "ERROR"
    assert done.details[-1] == "training process ended without a result"
    assert "the weights are made of cheese" in service.job_board.json(done)["details"]


def test_one_model_is_never_trained_twice_at_once(
    labelled: Callable[[str], Service], until: Until
) -> None:
    service = labelled("run")
    job = service.start_training("segmentation", {})
    until(lambda: service.store.jobs.get(job.job_id).status == "RUNNING")

    with pytest.raises(JobConflictError, match="is running already"):
        service.start_training("segmentation", {})

    service.stop_training()


def test_another_model_waits_for_its_turn(labelled: Callable[[str], Service], until: Until) -> None:
    service = labelled("run")
    first = service.start_training("segmentation", {})
    until(lambda: service.store.jobs.get(first.job_id).progress)

    second = service.start_training("classification", {})
    service.training.supervise()
    assert service.store.jobs.get(second.job_id).status == "SUBMITTED"
    os.killpg(service.store.jobs.get(first.job_id).pid or 0, signal.SIGKILL)

    until(lambda: service.store.jobs.get(second.job_id).status == "RUNNING")
    service.stop_training()


def test_a_worker_that_falls_silent_is_ended(
    labelled: Callable[[str], Service], until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = labelled("deaf")
    job = service.start_training("segmentation", {})
    until(lambda: service.store.jobs.get(job.job_id).progress)

    monkeypatch.setattr(training_module, "STALE_AFTER", timedelta(0))

    until(lambda: service.store.jobs.get(job.job_id).status == "ERROR")
    assert "stopped reporting" in service.store.jobs.get(job.job_id).details[-1]


def test_too_few_labels_are_told_before_any_process_starts(service: Service) -> None:
    with pytest.raises(TrainingError, match="0 patients with a lesion outline"):
        service.start_training("segmentation", {})
    label(service, 1)
    with pytest.raises(TrainingError, match=r"1 pathologies \(malignant; classification needs 2"):
        service.start_training("classification", {})

    assert service.store.jobs.latest("train") is None


def test_unknown_trainers_and_parameters_are_refused(labelled: Callable[[str], Service]) -> None:
    service = labelled("train")

    with pytest.raises(NotFoundError, match="unknown trainer 'lesion'"):
        service.start_training("lesion", {})
    with pytest.raises(ConfigError, match="did you mean 'learning_rate'"):
        service.start_training("segmentation", {"learning_rat": 1})
    with pytest.raises(ConfigError, match="'threads' is chosen by the server"):
        service.start_training("segmentation", {"threads": 64})
    with pytest.raises(ConfigError, match="'allow_download' is chosen by the server"):
        service.start_training("segmentation", {"allow_download": True})


def test_keys_of_monai_label_are_translated_or_set_aside() -> None:
    settings = training_settings(
        {
            "name": "train_01",
            "pretrained": False,
            "device": ["cuda", "cpu"],
            "max_epochs": 7,
            "early_stop_patience": [3, 5],
            "val_split": 0.25,
            "train_batch_size": 2,
            "val_batch_size": 1,
            "multi_gpu": True,
            "gpus": "all",
            "dataset": ["CacheDataset"],
            "dataloader": ["ThreadDataLoader"],
            "tracking": ["mlflow"],
            "tracking_uri": "file:///etc",
            "tracking_experiment_name": "",
            "client_id": "x",
        }
    )

    assert (settings.max_epochs, settings.batch_size, settings.early_stop_patience) == (7, 2, 3)
    assert (settings.validation_fraction, settings.warm_start) == (0.25, False)
    assert settings.device == "auto"


SERVER = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from sonoloop.service import processes
from sonoloop.service.server import Service
from sonoloop.settings import PipelineSettings, ServerSettings
processes.NICENESS = 0
studies, workspace, script = sys.argv[2:5]
service = Service.open(studies, Path(workspace), ServerSettings(rescan_s=0), PipelineSettings(),
    shipped_models=None,
    command=lambda w, j: [sys.executable, script, "run", "--workspace", str(w), "--job", j])
job = service.start_training("segmentation", {})
while not service.store.jobs.get(job.job_id).progress:
    time.sleep(0.02)
sys.stdout.write(job.job_id + "\\n")
sys.stdout.flush()
time.sleep(60)
"""


@pytest.fixture
def orphan(open_service: Open, studies: Path, tmp_path: Path) -> str:
    """Job of a training whose server was killed with SIGKILL."""
    before = open_service()
    label(before, 4)
    before.close()
    lib = str(Path(training_module.__file__).parents[2])
    script = str(Path(__file__).parent / "fake_worker.py")
    arguments = [lib, str(studies), str(tmp_path / "workspace"), script]
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, *arguments], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        job_id = server.stdout.readline().strip()
        server.kill()
    return job_id


def test_a_training_survives_its_server_and_is_adopted(
    orphan: str, open_service: Open, until: Until
) -> None:
    service = open_service()
    job = service.store.jobs.get(orphan)
    epoch = job.progress["epoch"]

    until(lambda: service.store.jobs.get(orphan).progress["epoch"] > epoch)
    with pytest.raises(JobConflictError, match="is running already"):
        service.start_training("segmentation", {})
    (stopped,) = service.stop_training()

    assert (stopped.job_id, stopped.status) == (orphan, "STOPPED")
    assert not psutil.pid_exists(job.pid or 0) or not processes.is_alive(
        process_of(job) or pytest.fail("no process")
    )


def test_a_training_that_died_with_its_server_is_ended(
    orphan: str, open_service: Open, tmp_path: Path, until: Until
) -> None:
    pid = next(
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if orphan in (process.info["cmdline"] or [])
    )
    os.kill(pid, signal.SIGKILL)

    service = open_service()

    until(lambda: service.store.jobs.get(orphan).status == "ERROR")
    assert service.store.jobs.get(orphan).details[-1] == "training process ended without a result"


def test_a_worker_whose_pid_was_never_written_down_is_found(
    open_service: Open, worker: Worker, tmp_path: Path, until: Until
) -> None:
    service = open_service(command=worker("run"))
    label(service, 4)
    service.close()
    store = type(service.store).open(tmp_path / "workspace")
    job = store.jobs.create("train", "segmentation", {"settings": {"max_epochs": 1}})
    child, process = processes.spawn(
        worker("run")(tmp_path / "workspace", job.job_id),
        log_path=tmp_path / "log",
        threads=1,
        environment={},
    )
    store.close()

    again = open_service(command=worker("run"))

    until(lambda: again.store.jobs.get(job.job_id).pid == child.pid)
    again.stop_training()
    assert not processes.is_alive(process)
    assert child.wait(10) is not None


def test_the_parameters_that_are_documented_are_those_that_are_taken() -> None:
    told = (Path(__file__).parents[2] / "docs" / "rest.md").read_text()
    section = told.partition("## Training\n")[2].partition("\n## ")[0]

    training_settings(offered_settings())  # raises where one is unknown
    assert [
        n for n in (*offered_settings(), *CHOSEN_BY_THE_SERVER) if f"`{n}`" not in section
    ] == []
