"""``/datastore``: the list of everything, and the images."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, File, Form, Query, Response, UploadFile
from fastapi.responses import FileResponse, JSONResponse
from starlette.background import BackgroundTask

from sonoloop.errors import InvalidRequestError, NotFoundError
from sonoloop.service.archive import write_archive
from sonoloop.service.images import extension_of
from sonoloop.service.listing import image_json
from sonoloop.service.truth import training_truth
from sonoloop.web import replies
from sonoloop.web.parsing import ServiceDep, SpeakerDep, file_of, json_object

router = APIRouter(prefix="/datastore", tags=["Datastore"])


class Listing(StrEnum):
    """How much of the datastore an answer holds."""

    STATS = "stats"
    ALL = "all"
    TRAIN = "train"


@router.get("/")
def datastore(service: ServiceDep, output: Listing = Listing.STATS) -> Response:
    """Counts, or every image with its labels, or the pairs a training would use."""
    if output is Listing.ALL:
        return JSONResponse(service.datastore())
    if output is Listing.TRAIN:
        truth = training_truth(service.store, outlines=False)
        return JSONResponse([{"image": one.image_id, "label": one.image_id} for one in truth])
    return JSONResponse(service.info.get()["datastore"])


@router.put("/", include_in_schema=False)
@router.put("/image")
def add_image(
    *,
    service: ServiceDep,
    speaker: SpeakerDep,
    file: Annotated[UploadFile, File()],
    image: str = "",
    params: Annotated[str, Form()] = "{}",
) -> dict[str, Any]:
    """Add an image; never in the place of another one."""
    info = speaker.signed(json_object(params, "params"))
    sent = file_of(file)
    if sent is None:
        raise InvalidRequestError("the file part is empty")
    data, filename = sent
    record = service.uploads.add(data, filename, image_id=image, info=info)
    service.info.touch()
    return {"image": record.image_id}


@router.get("/image")
def download_image(
    service: ServiceDep,
    image: str,
    image_format: Annotated[str, Query(alias="format")] = "nrrd",
) -> Response:
    """The grey picture with its spacing, or the file as it is (``format=original``)."""
    record = service.images.record(image)
    if image_format == "original":
        path = service.images.path(record)
        suffix = "".join(path.suffixes[-1:]) or ".dcm"
        return FileResponse(path, filename=f"{record.image_id}{suffix}")
    filename = f"{record.image_id}{extension_of(image_format)}"
    return replies.file_reply(service.images.encoded(record, image_format), filename)


@router.head("/image")
def check_image(service: ServiceDep, image: str, check_sum: str = "") -> Response:
    """200 when the image is there (and its bytes have that SHA-256), else 404."""
    record = service.images.record(image)
    if check_sum:
        wanted = check_sum.lower().removeprefix("sha256:")
        if service.images.checksum(record) != f"SHA256:{wanted}":
            raise NotFoundError(f"image {record.image_id} has another checksum")
    else:
        service.images.path(record)
    return Response()


@router.delete("/", include_in_schema=False)
@router.delete("/image")
def remove_image(
    service: ServiceDep, image_id: Annotated[str, Query(alias="id")]
) -> dict[str, Any]:
    """Forget an image that was uploaded and that nobody has labelled."""
    service.uploads.remove(service.images.record(image_id))
    service.info.touch()
    return {}


@router.get("/image/info")
def image_info(service: ServiceDep, image: str) -> Response:
    """What is known of an image."""
    return JSONResponse(image_json(service.images.record(image)))


@router.put("/image/info")
def update_image_info(
    service: ServiceDep, speaker: SpeakerDep, image: str, info: Annotated[str, Form()] = "{}"
) -> dict[str, Any]:
    """Add to the free part of what is known of an image."""
    record = service.images.record(image)
    told = speaker.signed(json_object(info, "info"))
    service.store.images.update_info(record.image_id, told)
    return {}


@router.get("/dataset")
def download_dataset(service: ServiceDep, limit_cases: int | None = None) -> FileResponse:
    """Every labelled image with its mask and a manifest, as ZIP."""
    path = write_archive(service.store, service.images, limit=limit_cases)
    return FileResponse(
        path,
        media_type=replies.media_type(path.name),
        filename="dataset.zip",
        background=BackgroundTask(Path.unlink, path, missing_ok=True),
    )
