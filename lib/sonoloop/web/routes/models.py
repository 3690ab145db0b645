"""``/model``: the weights that serve."""

import hashlib
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from fastapi.responses import FileResponse

from sonoloop.errors import NotFoundError
from sonoloop.records import ModelRecord, ModelTask
from sonoloop.service.batch import LESION_MODEL
from sonoloop.service.inference import TASKS
from sonoloop.service.server import Service
from sonoloop.web.parsing import ServiceDep

router = APIRouter(prefix="/model", tags=["Model"])

WEIGHTS = "weights.safetensors"


@router.get("/info/{model}")
def model_info(service: ServiceDep, model: str) -> dict[str, Any]:
    """Checksum and figures of the weights that serve."""
    record = _serving(service, model)
    weights = record.directory / WEIGHTS
    return {
        "model_id": record.model_id,
        "task": record.task,
        "architecture": record.architecture,
        "parent_id": record.parent_id,
        "metrics": record.metrics,
        "checksum": f"SHA256:{_sha256(weights)}",
        "modified_time": int(weights.stat().st_mtime),
        "created_at": record.created_at.isoformat(),
    }


@router.get("/{model}")
def download_model(service: ServiceDep, model: str) -> FileResponse:
    """The weights that serve, as safetensors."""
    record = _serving(service, model)
    return FileResponse(
        record.directory / WEIGHTS,
        media_type="application/octet-stream",
        filename=f"{record.model_id}.safetensors",
    )


def _serving(service: Service, model: str) -> ModelRecord:
    names: dict[str, ModelTask] = {task: task for task in TASKS} | {LESION_MODEL: "segmentation"}
    if model not in names:
        raise NotFoundError(f"unknown model {model!r:.80} (one of {', '.join(names)})")
    record = service.store.models.serving(names[model])
    if record is None:
        raise NotFoundError(f"no {names[model]} model is published yet")
    return record


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
