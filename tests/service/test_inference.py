"""The serving pipeline: loaded, swapped, queued."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sonoloop.errors import BusyError, CompilationEndedError, ModelError, NotFoundError
from sonoloop.imaging.image import UltrasoundImage
from sonoloop.records import Findings, ModelTask
from sonoloop.service import inference as inference_module
from sonoloop.service.inference import InferenceService
from sonoloop.service.server import Service
from sonoloop.settings import PipelineSettings

NewModel = Callable[[str, ModelTask], Path]


def picture() -> UltrasoundImage:
    return UltrasoundImage(pixels=np.full((8, 9), 200, dtype=np.uint8), source_format="png")


def publish(service: Service, folder: Path, card: dict[str, Any]) -> None:
    service.store.models.register(card, folder)
    service.store.models.publish(card["model_id"])


def test_shipped_models_serve_a_fresh_workspace(service: Service) -> None:
    findings = service.inference.analyse(picture())

    assert findings.models == {"segmentation": "seg-1", "classification": "cls-1"}
    assert service.inference.model_ids == findings.models


def test_shipped_models_are_not_registered_twice_nor_put_over_a_newer_one(
    open_service: Callable[..., Service], new_model: NewModel, card_json: Callable[..., Any]
) -> None:
    first = open_service()
    folder = new_model("seg-2", "segmentation")
    publish(first, folder, card_json(folder))
    first.close()

    second = open_service()

    assert [m.model_id for m in second.store.models.list("segmentation")] == ["seg-1", "seg-2"]
    assert second.inference.analyse(picture()).models["segmentation"] == "seg-2"


def test_without_a_published_model_the_answer_says_which_is_missing(
    open_service: Callable[..., Service],
) -> None:
    service = open_service(shipped_models=None)

    with pytest.raises(NotFoundError, match="no segmentation model is published yet"):
        service.inference.analyse(picture())
    assert service.info.get()["models"] == {}


@pytest.mark.parametrize(
    ("error", "level"), [(CompilationEndedError("ended"), "INFO"), (ModelError("torn"), "ERROR")]
)
def test_models_that_fail_are_an_error_unless_the_server_is_being_ended(
    open_service: Callable[..., Service],
    until: Callable[..., None],
    caplog: pytest.LogCaptureFixture,
    error: ModelError,
    level: str,
) -> None:
    def failing(*_: Any) -> Any:
        raise error

    caplog.set_level("INFO", "sonoloop.service.inference")
    service = open_service(load_pipeline=failing)

    until(lambda: service.inference.state == "failed")
    assert {r.levelname for r in caplog.records if "not loaded" in r.message} == {level}


def test_a_published_model_takes_over_without_a_restart(
    service: Service,
    new_model: NewModel,
    card_json: Callable[..., Any],
    until: Callable[..., None],
) -> None:
    service.inference.analyse(picture())
    folder = new_model("seg-2", "segmentation")

    publish(service, folder, card_json(folder))

    until(lambda: service.inference.model_ids.get("segmentation") == "seg-2")
    assert service.inference.analyse(picture()).models["segmentation"] == "seg-2"


def test_a_request_in_flight_finishes_on_the_models_it_began_with(
    open_service: Callable[..., Service],
    new_model: NewModel,
    card_json: Callable[..., Any],
    until: Callable[..., None],
) -> None:
    began, go_on = threading.Event(), threading.Event()

    def load_slow(segmentation: Path, _: Path, __: PipelineSettings) -> Any:
        model_id = card_json(segmentation)["model_id"]

        def pipeline(image: UltrasoundImage) -> Findings:
            if model_id == "seg-1":
                began.set()
                assert go_on.wait(20)
            return Findings(
                mask=image.pixels > 0,
                probability_map=image.pixels.astype(np.float32),
                lesions=(),
                probabilities={},
                pathology="normal",  # type: ignore[arg-type]
                spacing_mm=None,
                models={"segmentation": model_id},
                seconds=0.0,
            )

        return pipeline

    service = open_service(load_pipeline=load_slow)
    answers: list[Findings] = []
    asking = threading.Thread(target=lambda: answers.append(service.inference.analyse(picture())))
    asking.start()
    assert began.wait(20)
    folder = new_model("seg-2", "segmentation")
    publish(service, folder, card_json(folder))
    until(lambda: service.inference.model_ids.get("segmentation") == "seg-2")

    go_on.set()
    asking.join(20)

    assert answers[0].models["segmentation"] == "seg-1"
    assert service.inference.analyse(picture()).models["segmentation"] == "seg-2"


def test_a_model_that_cannot_be_loaded_leaves_the_old_one_serving(
    open_service: Callable[..., Service],
    new_model: NewModel,
    card_json: Callable[..., Any],
    until: Callable[..., None],
) -> None:
    def load(segmentation: Path, _: Path, __: PipelineSettings) -> Any:
        model_id = card_json(segmentation)["model_id"]
        if model_id == "seg-2":
            raise ModelError("weights are torn")
        return lambda _image: model_id

    service = open_service(load_pipeline=load)
    assert str(service.inference.analyse(picture())) == "seg-1"
    folder = new_model("seg-2", "segmentation")

    publish(service, folder, card_json(folder))

    until(lambda: service.inference.failure)
    assert service.inference.failure == "weights are torn"
    assert str(service.inference.analyse(picture())) == "seg-1"


def test_a_first_model_that_cannot_be_loaded_is_told(open_service: Callable[..., Service]) -> None:
    def load(_: Path, __: Path, ___: PipelineSettings) -> Any:
        raise ModelError("weights are torn")

    service = open_service(load_pipeline=load)

    with pytest.raises(BusyError, match="weights are torn"):
        service.inference.analyse(picture())


def test_no_more_pipelines_run_at_once_than_there_are_slots(
    open_service: Callable[..., Service],
) -> None:
    running, most = 0, 0
    lock = threading.Lock()

    def load(_: Path, __: Path, ___: PipelineSettings) -> Any:
        def pipeline(_image: UltrasoundImage) -> None:
            nonlocal running, most
            with lock:
                running += 1
                most = max(most, running)
            threading.Event().wait(0.02)
            with lock:
                running -= 1

        return pipeline

    service = open_service(load_pipeline=load)
    threads = [
        threading.Thread(target=service.inference.analyse, args=(picture(),)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert most == service.inference.slots


def test_the_queue_has_an_end(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inference_module, "MAX_WAITING", 1)

    with (
        service.inference.admitted(),
        pytest.raises(BusyError, match="are waiting"),
        service.inference.admitted(),
    ):
        pass
    with service.inference.admitted():
        assert isinstance(service.inference, InferenceService)
