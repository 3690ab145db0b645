"""MONAI Label's active-learning strategy over ours."""

from collections.abc import Mapping
from typing import Any

from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.strategy import Strategy

from sonoloop.service.listing import image_json
from sonoloop.service.server import Service
from sonoloop.service.strategies import STRATEGIES
from sonoloop.tasks.errors import reported_to_monailabel


class NextImage(Strategy):
    """The next image to label, by the strategy ``name`` of the service."""

    def __init__(self, service: Service, name: str) -> None:
        super().__init__(STRATEGIES[name].description)
        self._service = service
        self._name = name

    def info(self) -> dict[str, Any]:
        """The strategy as ``/info`` lists it."""
        return STRATEGIES[self._name].info()

    def __call__(self, request: Mapping[str, Any], datastore: Datastore) -> dict[str, Any] | None:
        """The image for ``request["client_id"]``, or None when every one is labelled."""
        with reported_to_monailabel():
            handed = self._service.next_image(
                self._name, reader=str(request.get("client_id") or "")
            )
        if handed is None:
            return None
        return image_json(handed.image) | {"id": handed.image.image_id}
