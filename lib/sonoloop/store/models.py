"""The registry of model versions and which of them serve."""

import logging
import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias, get_args

from sqlalchemy import select

from sonoloop.errors import ConflictError, InvalidIdError, ModelError, StoreError
from sonoloop.records import ModelRecord, ModelTask
from sonoloop.store.events import SYSTEM, record_event
from sonoloop.store.files import sha256_of_file, sync_folder
from sonoloop.store.ids import validate_image_id
from sonoloop.store.publications import WEIGHTS_FILE, Publications, find_model
from sonoloop.store.records import model_record
from sonoloop.store.schema import ModelRow, ServingRow, now

logger = logging.getLogger(__name__)

REQUIRED_FILES: Final = (WEIGHTS_FILE, "card.json")
MODEL_TASKS: Final[tuple[ModelTask, ...]] = get_args(ModelTask)

ModelRecords: TypeAlias = list[ModelRecord]


class Models(Publications):
    """Model versions by id, and which of them serve; every method is one transaction."""

    def register(self, card_json: Mapping[str, Any], source_dir: Path) -> ModelRecord:
        """Copy a model folder into the workspace and list it; it does not serve yet.

        Args:
            card_json: The model card; ``model_id``, ``task`` and ``architecture`` are needed,
                ``parent_id`` and ``metrics`` are taken when there are any.
            source_dir: Folder with ``weights.safetensors`` and ``card.json``; all of it is
                copied, links as what they point to.

        Raises:
            ModelError: If the card or the folder is incomplete.
            ConflictError: If a model of this id is registered already.
            StoreError: If the copy cannot be written; then nothing is registered.
        """
        row = _row_from(card_json)
        for name in REQUIRED_FILES:
            if not (source_dir / name).is_file():
                raise ModelError(f"model folder {source_dir} has no {name}")
        incoming = self._paths.models / f".incoming-{secrets.token_hex(8)}"
        try:
            _copy_synced(source_dir, incoming)
            row.weights_sha256 = sha256_of_file(incoming / WEIGHTS_FILE)
            return self._list(row, incoming)
        except OSError as error:
            raise StoreError(
                f"cannot copy the model to {self._paths.models}: {_reason(error)} "
                f"(nothing was registered; make room there, or let this user write there)"
            ) from error
        finally:
            shutil.rmtree(incoming, ignore_errors=True)

    def _list(self, row: ModelRow, incoming: Path) -> ModelRecord:
        with self._database.writing() as session:
            known = session.scalar(select(ModelRow.id).where(ModelRow.model_id == row.model_id))
            if known is not None:
                raise ConflictError(
                    f"model {row.model_id!r} is registered already (versions are never replaced: "
                    f"give the new one its own id)"
                )
            target = self._paths.models / row.model_id
            if target.exists():
                # Its process died between the rename and the commit: nothing refers to it.
                shutil.rmtree(target)
            incoming.rename(target)
            sync_folder(self._paths.models)
            session.add(row)
            session.flush()
            details = {"task": row.task, "architecture": row.architecture, "parent": row.parent_id}
            record_event(
                session,
                "model_registered",
                actor=SYSTEM,
                model_id=row.model_id,
                details=details | {"weights_sha256": row.weights_sha256},
            )
            return model_record(row, self._paths.models, serving=False)

    def get(self, model_id: str) -> ModelRecord:
        """The model of that id.

        Raises:
            NotFoundError: If there is none.
        """
        with self._database.reading() as session:
            row = find_model(session, model_id)
            serving = session.get(ServingRow, row.task)
            return model_record(
                row, self._paths.models, serving=serving is not None and serving.model == row.id
            )

    def list(self, task: ModelTask | None = None) -> ModelRecords:
        """Models in the order they were registered, of one task or of all."""
        query = (
            select(ModelRow, ServingRow.model)
            .outerjoin(ServingRow, ServingRow.model == ModelRow.id)
            .order_by(ModelRow.id)
        )
        if task is not None:
            query = query.where(ModelRow.task == task)
        with self._database.reading() as session:
            return [
                model_record(row, self._paths.models, serving=serving is not None)
                for row, serving in session.execute(query).tuples()
            ]


def _reason(error: OSError) -> str:
    """What the system says; of a tree that was copied, what it says of the first file."""
    if isinstance(error, shutil.Error):
        return str(error.args[0][0][2])
    return error.strerror or str(error)


def _row_from(card: Mapping[str, Any]) -> ModelRow:
    missing = [name for name in ("model_id", "task", "architecture") if not card.get(name)]
    if missing:
        raise ModelError(f"the model card states no {', '.join(missing)}")
    if card["task"] not in MODEL_TASKS:
        raise ModelError(f"unknown task {card['task']!r} (one of {', '.join(MODEL_TASKS)})")
    try:
        model_id = validate_image_id(str(card["model_id"]))
    except InvalidIdError as error:
        raise ModelError(f"the model card's model_id is {error}") from error
    return ModelRow(
        model_id=model_id,
        task=card["task"],
        architecture=str(card["architecture"]),
        parent_id=card.get("parent_id"),
        metrics=dict(card.get("metrics") or {}),
        created_at=now(),
    )


def _copy_synced(source: Path, target: Path) -> None:
    shutil.copytree(source, target)
    for folder, _, names in os.walk(target):
        for name in names:
            descriptor = os.open(Path(folder, name), os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        sync_folder(Path(folder))
