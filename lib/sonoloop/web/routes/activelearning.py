"""``/activelearning``: the next image to label."""

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter

from sonoloop.service.labelling import reader_of
from sonoloop.service.listing import image_json
from sonoloop.web.parsing import JsonBody, ServiceDep, SpeakerDep

router = APIRouter(prefix="/activelearning", tags=["ActiveLearning"])


@router.post("/{strategy}")
def next_sample(
    service: ServiceDep, speaker: SpeakerDep, strategy: str, params: JsonBody
) -> dict[str, Any]:
    """The next image that waits for this reader; an empty object when none does.

    The reader is who is logged in; without accounts ``reader`` or else ``client_id``. The image
    is his until he submits it, skips it, asks for another one, or the time is over; ``sonoloop``
    tells how long that is, and why he got this one. With ``in_archive`` he gets only what
    DICOMweb serves: no uploads and no pictures such as PNG, which no viewer of DICOM opens.

    ``checksum`` is that of the bytes ``GET /datastore/image`` gives. ``path`` is empty: clients
    open a path that exists on their own machine instead of asking for the image.
    """
    handed = service.next_image(
        strategy,
        reader=reader_of(speaker.signed(params, "reader")),
        in_archive=params.get("in_archive") is True,
    )
    if handed is None:
        return {}
    record = handed.image
    return image_json(record) | {
        "id": record.image_id,
        "path": "",
        "checksum": service.images.checksum(record),
        "sonoloop": handed.as_json(at=datetime.now(UTC)),
    }
