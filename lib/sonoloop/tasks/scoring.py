"""MONAI Label's scoring method and batch inference over the background jobs of the service."""

from collections.abc import Callable, Mapping
from typing import Any

from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.scoring import ScoringMethod

from sonoloop.service.scoring import METHODS
from sonoloop.service.server import Service
from sonoloop.tasks.errors import reported_to_monailabel


class ServiceScoring(ScoringMethod):
    """Scores every labelled image by the method ``name`` of the service."""

    def __init__(self, service: Service, name: str) -> None:
        super().__init__(METHODS[name])
        self._service = service
        self._name = name

    def info(self) -> dict[str, Any]:
        """The method as ``/info`` lists it."""
        return {**super().info(), "config": {}}

    def __call__(self, request: Mapping[str, Any], datastore: Datastore) -> dict[str, Any]:
        """The finished job."""
        params = {name: value for name, value in request.items() if name != "method"}
        with reported_to_monailabel():
            job = self._service.scoring.start(self._name, params, wait=True)
        return self._service.job_board.json(job)


class ServiceBatch:
    """Analyses many images and keeps the findings as drafts."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def __call__(
        self, request: Mapping[str, Any], datastore: Datastore, infer: Callable[..., Any]
    ) -> dict[str, Any]:
        """The finished job; ``datastore`` and ``infer`` are those of the service anyway."""
        taken = {"model", "images"}
        params = {name: value for name, value in request.items() if name not in taken}
        with reported_to_monailabel():
            job = self._service.batch.start(
                str(request.get("model") or ""),
                str(getattr(request.get("images"), "value", request.get("images") or "all")),
                params,
                wait=True,
            )
        return self._service.job_board.json(job)
