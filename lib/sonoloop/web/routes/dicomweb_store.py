"""STOW-RS (PS3.18 10.5): DICOM files are taken into the workspace, never into the study folder."""

import json
import logging
from collections.abc import Sequence
from typing import Any, Final

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, HTTPException, Request, Response

from sonoloop.errors import InvalidRequestError
from sonoloop.pacs.folder_archive import FolderArchive
from sonoloop.pacs.port import InstanceAddress
from sonoloop.pacs.received import UnacceptableError
from sonoloop.web.accepting import require
from sonoloop.web.multipart import boundary_of, read_parts
from sonoloop.web.parsing import ServiceDep
from sonoloop.web.routes.dicomweb import (
    JSON_KINDS,
    NOT_KEPT,
    ROOT,
    Archive,
    Level1,
    checked_uid,
    root_of,
)

logger = logging.getLogger(__name__)
router = APIRouter(prefix=ROOT, tags=["DICOMweb"])

AT_ONCE: Final = 2
"""Messages in memory at the same time; each may be as large as ``max_upload_mb`` allows."""

Outcome = InstanceAddress | UnacceptableError


@router.post("/studies")
@router.post(Level1)
async def store(request: Request, service: ServiceDep, archive: Archive) -> Response:
    """Keep ultrasound images, SEG and SR; 202 where some, 409 where all of them are refused."""
    study = request.path_params.get("study")
    if study is not None:
        checked_uid(study, "StudyInstanceUID")
    kind = require(request, JSON_KINDS)
    content_type = request.headers.get("content-type", "")
    if not content_type.lower().startswith("multipart/related"):
        raise HTTPException(
            415, 'instances are taken as multipart/related; type="application/dicom"'
        )
    async with _taking(request):
        files = await read_parts(request.stream(), boundary_of(content_type))
        if not files:
            raise InvalidRequestError("the message has no part (each part is a DICOM file)")
        outcomes = await to_thread.run_sync(_keep, archive, files, study)
    if any(isinstance(outcome, InstanceAddress) for outcome in outcomes):
        service.scanner.look_now()
    answer = json.dumps(_answer(outcomes, root_of(request)))
    return Response(answer, _status(outcomes), NOT_KEPT, kind)


def _taking(request: Request) -> CapacityLimiter:
    state = request.app.state
    if not hasattr(state, "store_limiter"):
        state.store_limiter = CapacityLimiter(AT_ONCE)
    limiter: CapacityLimiter = state.store_limiter
    return limiter


def _keep(archive: FolderArchive, files: Sequence[bytes], study: str | None) -> list[Outcome]:
    outcomes: list[Outcome] = []
    for data in files:
        try:
            outcomes.append(archive.keep(data, study=study))
        except UnacceptableError as error:
            logger.warning("an instance sent to us is not kept: %s", error)
            outcomes.append(error)
    return outcomes


def _status(outcomes: Sequence[Outcome]) -> int:
    refused = sum(isinstance(outcome, UnacceptableError) for outcome in outcomes)
    if not refused:
        return 200
    return 409 if refused == len(outcomes) else 202


def _answer(outcomes: Sequence[Outcome], root: str) -> dict[str, Any]:
    """The Store Instances Response Module (PS3.18 Table I.2-1) as DICOM JSON."""
    kept = [outcome for outcome in outcomes if isinstance(outcome, InstanceAddress)]
    refused = [outcome for outcome in outcomes if isinstance(outcome, UnacceptableError)]
    answer: dict[str, Any] = {}
    if refused:
        answer["00081198"] = {"vr": "SQ", "Value": [_failed(error) for error in refused]}
    if kept:
        answer["00081199"] = {"vr": "SQ", "Value": [_stored(address, root) for address in kept]}
    return answer


def _failed(error: UnacceptableError) -> dict[str, Any]:
    item: dict[str, Any] = {"00081197": {"vr": "US", "Value": [error.reason]}}
    if error.address is not None:
        item["00081155"] = {"vr": "UI", "Value": [error.address.instance]}
    return item


def _stored(at: InstanceAddress, root: str) -> dict[str, Any]:
    address = f"{root}/studies/{at.study}/series/{at.series}/instances/{at.instance}"
    return {
        "00081155": {"vr": "UI", "Value": [at.instance]},
        "00081190": {"vr": "UR", "Value": [address]},
    }
