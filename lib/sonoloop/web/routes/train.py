"""``/train`` and ``/scoring``: background work and how far it is."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from sonoloop.errors import SonoloopError
from sonoloop.service.inference import TASKS
from sonoloop.service.scoring import METHODS
from sonoloop.web.errors import sentence_of
from sonoloop.web.parsing import JsonBody, ServiceDep, SpeakerDep

router = APIRouter()


@router.post("/train/{model}", tags=["Train"], response_model=None)
def start_training(
    *,
    service: ServiceDep,
    speaker: SpeakerDep,
    model: str,
    params: JsonBody,
    run_sync: bool = False,
    enqueue: bool = False,  # accepted: trainings of different models always queue
) -> Any:
    """Train a model on every final label, in a process of its own."""
    job = service.start_training(model, params, actor=speaker.name(""))
    if run_sync:
        job = service.training.wait(job.job_id)
    return service.job_board.json(job)


@router.post("/train/", include_in_schema=False, response_model=None)
def start_every_training(service: ServiceDep, speaker: SpeakerDep, params: JsonBody) -> Any:
    """Train every model, one after the other; parameters are those of each under its name."""
    answers: dict[str, Any] = {}
    for task in TASKS:
        own = params.get(task)
        try:
            asked = speaker.signed(own) if isinstance(own, dict) else {}
            job = service.start_training(task, asked, actor=speaker.name(""))
        except SonoloopError as error:
            answers[task] = {"result": None, "detail": sentence_of(error)}
        else:
            answers[task] = {"result": service.job_board.json(job), "detail": None}
    return answers


@router.get("/train/", tags=["Train"], response_model=None)
def training_status(
    service: ServiceDep,
    every: Annotated[bool, Query(alias="all")] = False,
    check_if_running: bool = False,
) -> Any:
    """How far the latest training is."""
    return service.job_board.status("train", every=every, only_running=check_if_running)


@router.delete("/train/", tags=["Train"], response_model=None)
def stop_training(service: ServiceDep) -> Any:
    """End every training; null when none runs."""
    stopped = service.stop_training()
    return service.job_board.json(stopped[0]) if stopped else None


@router.post("/scoring/{method}", tags=["Scoring"], response_model=None)
def start_scoring(
    service: ServiceDep, method: str, params: JsonBody, run_sync: bool = False
) -> Any:
    """Compare drafts with what readers said, image by image."""
    return service.job_board.json(service.scoring.start(method, params, wait=run_sync))


@router.post("/scoring/", include_in_schema=False, response_model=None)
def start_every_scoring(service: ServiceDep, params: JsonBody, run_sync: bool = False) -> Any:
    """Run every scoring method."""
    answers: dict[str, Any] = {}
    for method in METHODS:
        try:
            job = service.scoring.start(method, params, wait=run_sync)
        except SonoloopError as error:
            answers[method] = {"result": None, "detail": sentence_of(error)}
        else:
            answers[method] = {"result": service.job_board.json(job), "detail": None}
    return answers


@router.get("/scoring/", tags=["Scoring"], response_model=None)
def scoring_status(
    service: ServiceDep,
    every: Annotated[bool, Query(alias="all")] = False,
    check_if_running: bool = False,
) -> Any:
    """How far the latest scoring is."""
    return service.job_board.status("scoring", every=every, only_running=check_if_running)


@router.delete("/scoring/", tags=["Scoring"], response_model=None)
def stop_scoring(service: ServiceDep) -> Any:
    """End the running scoring; null when none runs."""
    stopped = service.jobs.stop("scoring")
    return service.job_board.json(stopped[0]) if stopped else None
