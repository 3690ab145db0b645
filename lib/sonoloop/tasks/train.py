"""MONAI Label's training task over our supervised training."""

from collections.abc import Mapping
from typing import Any

from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.exception import MONAILabelError
from monailabel.interfaces.tasks.train import TrainTask

from sonoloop.errors import TrainingError
from sonoloop.records import ModelTask
from sonoloop.service.info import TRAINERS
from sonoloop.service.server import Service
from sonoloop.service.train_request import offered_settings
from sonoloop.tasks.errors import reported_to_monailabel


class SupervisedTrain(TrainTask):
    """Training of one model in a process of its own, watched by the service."""

    def __init__(self, service: Service, task: ModelTask) -> None:
        super().__init__(TRAINERS[task])
        self._service = service
        self._task = task

    def info(self) -> dict[str, Any]:
        """The trainer as ``/info`` lists it."""
        return {**super().info(), "type": self._task}

    def config(self) -> dict[str, Any]:
        """What a request may choose, with its defaults."""
        return offered_settings()

    def stats(self) -> dict[str, Any]:
        """How far the training is, or how the latest one went; empty before the first."""
        return dict(self._service.info.get()["train_stats"].get(self._task, {}))

    def __call__(self, request: Mapping[str, Any], datastore: Datastore) -> dict[str, Any]:
        """Train on every final label and publish the model; its stats, when that is done."""
        with reported_to_monailabel():
            job = self._service.start_training(self._task, request)
        job = self._service.training.wait(job.job_id)
        self._service.info.touch()
        if job.status != "DONE":
            lines = job.details or ("no message",)
            with reported_to_monailabel(MONAILabelError.APP_TRAIN_FAILED):
                raise TrainingError(f"training of {self._task} ended as {job.status}: {lines[-1]}")
        return self.stats()
