"""``/activelearning``: the next image to label."""

from typing import Any

from fastapi import APIRouter

from sonoloop.service.listing import image_json
from sonoloop.web.parsing import JsonBody, ServiceDep

router = APIRouter(prefix="/activelearning", tags=["ActiveLearning"])


@router.post("/{strategy}")
def next_sample(service: ServiceDep, strategy: str, params: JsonBody) -> dict[str, Any]:
    """The next image without a label; an empty object when every image has one.

    ``checksum`` is that of the bytes ``GET /datastore/image`` gives. ``path`` is empty: clients
    open a path that exists on their own machine instead of asking for the image.
    """
    client = params.get("client_id")
    record = service.next_image(strategy, client=client if isinstance(client, str) else "")
    if record is None:
        return {}
    checksum = service.images.checksum(record)
    return image_json(record) | {"id": record.image_id, "path": "", "checksum": checksum}
