"""Which model serves a task, since when, by whose word; pins, and the way back."""

import logging
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal, cast

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, aliased

from sonoloop.errors import ConflictError, ModelError, NotFoundError
from sonoloop.records import ModelRecord, ModelTask
from sonoloop.store.database import Database
from sonoloop.store.events import UNKNOWN, record_event
from sonoloop.store.files import sha256_of_file
from sonoloop.store.paths import WorkspacePaths
from sonoloop.store.records import model_record
from sonoloop.store.schema import ModelRow, ServingRow, now
from sonoloop.store.schema_gate import PublicationRow

logger = logging.getLogger(__name__)

PublicationKind = Literal["shipped", "gate", "hand", "rollback"]
WEIGHTS_FILE: Final = "weights.safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """A model that began to serve.

    Attributes:
        number: Grows by every publication of any task.
        replaced: Id of the model in whose place it came; None for the first.
        kind: What decided.
        actor: Who.
        gate: Number of the gate result it stands on; None for the others.
    """

    number: int
    task: ModelTask
    model_id: str
    replaced: str | None
    kind: PublicationKind
    actor: str
    reason: str
    gate: int | None
    created_at: datetime

    def as_dict(self) -> dict[str, Any]:
        """Names and values, as JSON carries them."""
        return asdict(self) | {"created_at": self.created_at.isoformat()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """Why the serving model of a task must stay."""

    task: ModelTask
    model_id: str
    actor: str
    reason: str
    created_at: datetime

    def as_dict(self) -> dict[str, Any]:
        """Names and values, as JSON carries them."""
        return asdict(self) | {"created_at": self.created_at.isoformat()}


@dataclass(frozen=True, slots=True)
class Generation:
    """The models that serve together, as one transaction saw them.

    Attributes:
        number: Of the newest publication; 0 before the first.
        models: By task; a task that nothing serves is absent.
    """

    number: int
    models: dict[ModelTask, ModelRecord]


class Publications:
    """What serves; every method is one transaction, and every change of it is recorded."""

    def __init__(self, database: Database, paths: WorkspacePaths) -> None:
        self._database = database
        self._paths = paths

    def publish(
        self,
        model_id: str,
        *,
        kind: PublicationKind = "hand",
        actor: str = "",
        reason: str = "",
        gate: int | None = None,
        instead_of: str | None = None,
    ) -> ModelRecord:
        """Make a model the one that serves its task.

        Args:
            model_id: Registered before.
            kind: What decided.
            actor: Who, or what, decided.
            reason: Why.
            gate: Number of the gate result it stands on.
            instead_of: The model it was measured against; when another serves by now, nothing is
                published. None does not ask.

        Raises:
            NotFoundError: If there is no such model.
            ModelError: If its weights are not those that were registered.
            ConflictError: If the task is pinned to another model, another model serves than
                ``instead_of``, or two published at once.
        """
        try:
            with self._database.writing() as session:
                row = find_model(session, model_id)
                raise_if_changed(row, self._paths.models)
                serving = _serving(session, row.task)
                _raise_if_another(session, serving, instead_of)
                if serving is None or serving.model != row.id:
                    _raise_if_pinned(session, serving, instead=model_id)
                    words = {"kind": kind, "actor": actor, "reason": reason, "gate": gate}
                    _begin_to_serve(session, row, serving, words)
                record = model_record(row, self._paths.models, serving=True)
        except IntegrityError as error:
            raise _by_two_at_once(model_id) from error
        logger.info("model %s serves %s", model_id, record.task)
        return record

    def rollback(self, task: ModelTask, *, actor: str = "", reason: str = "") -> ModelRecord:
        """Make the model serve again that served before the present one.

        Twice in a row goes two versions back: what was rolled back does not count.

        Raises:
            ModelError: If its weights are not those that were registered.
            ConflictError: If the task is pinned, or no other model served before.
        """
        with self._database.writing() as session:
            serving = _serving(session, task)
            _raise_if_pinned(session, serving, instead="another version")
            before = _stack(session, task)[:-1]
            if serving is None or not before:
                raise ConflictError(f"there is no {task} model to go back to (none served before)")
            row = session.get_one(ModelRow, before[-1])
            raise_if_changed(row, self._paths.models)
            words = {"kind": "rollback", "actor": actor, "reason": reason, "gate": None}
            _begin_to_serve(session, row, serving, words)
            record = model_record(row, self._paths.models, serving=True)
        logger.info("model %s serves %s again", record.model_id, task)
        return record

    def way_back(self, task: ModelTask) -> str | None:
        """Id of the model that :meth:`rollback` would make serve; None when there is none."""
        with self._database.reading() as session:
            before = _stack(session, task)[:-1]
            return session.get_one(ModelRow, before[-1]).model_id if before else None

    def pin(self, model_id: str, *, actor: str = "", reason: str = "") -> Pin:
        """Let nothing take the place of a serving model until it is unpinned.

        Raises:
            NotFoundError: If there is no such model.
            ConflictError: If it does not serve.
        """
        with self._database.writing() as session:
            row = find_model(session, model_id)
            serving = _serving(session, row.task)
            if serving is None or serving.model != row.id:
                raise ConflictError(
                    f"model {model_id!r} does not serve {row.task} (publish it, then pin it)"
                )
            serving.pinned_at, serving.pinned_by, serving.pinned_reason = now(), actor, reason
            details = {"task": row.task, "reason": reason}
            record_event(
                session, "model_pinned", actor=actor or UNKNOWN, model_id=model_id, details=details
            )
            return _pin(serving, row)

    def unpin(self, task: ModelTask, *, actor: str = "") -> None:
        """Let the serving model of a task be replaced again; nothing happens when it may be."""
        with self._database.writing() as session:
            serving = _serving(session, task)
            if serving is not None and serving.pinned_at is not None:
                serving.pinned_at = serving.pinned_by = serving.pinned_reason = None
                record_event(
                    session,
                    "model_unpinned",
                    actor=actor or UNKNOWN,
                    model_id=session.get_one(ModelRow, serving.model).model_id,
                    details={"task": task},
                )

    def pins(self) -> dict[ModelTask, Pin]:
        """Pinned models by task."""
        query = (
            select(ServingRow, ModelRow)
            .join(ModelRow, ServingRow.model == ModelRow.id)
            .where(ServingRow.pinned_at.is_not(None))
        )
        with self._database.reading() as session:
            pins = [_pin(serving, row) for serving, row in session.execute(query).tuples()]
        return {pin.task: pin for pin in pins}

    def serving(self, task: ModelTask) -> ModelRecord | None:
        """The model that serves a task, or None before the first was published."""
        return self.generation().models.get(task)

    def generation(self) -> Generation:
        """What serves every task, as of one moment."""
        newest = select(func.coalesce(func.max(PublicationRow.id), 0)).scalar_subquery()
        query = select(ModelRow, newest).join(ServingRow, ServingRow.model == ModelRow.id)
        with self._database.reading() as session:
            found = session.execute(query).tuples().all()
            records = [model_record(row, self._paths.models, serving=True) for row, _ in found]
        number = found[0][1] if found else 0
        return Generation(number, {record.task: record for record in records})

    def history(self, task: ModelTask | None = None) -> list[Publication]:
        """Every publication, of one task or of all, newest first."""
        replaced = aliased(ModelRow)
        query = (
            select(PublicationRow, ModelRow.model_id, replaced.model_id)
            .join(ModelRow, PublicationRow.model == ModelRow.id)
            .outerjoin(replaced, PublicationRow.replaced == replaced.id)
            .order_by(PublicationRow.id.desc())
        )
        if task is not None:
            query = query.where(PublicationRow.task == task)
        with self._database.reading() as session:
            return [
                _publication(row, model_id, before)
                for row, model_id, before in session.execute(query).tuples()
            ]


def find_model(session: Session, model_id: str) -> ModelRow:
    """The row of a model.

    Raises:
        NotFoundError: If there is none.
    """
    row = session.scalar(select(ModelRow).where(ModelRow.model_id == model_id))
    if row is None:
        raise NotFoundError(f"unknown model {model_id!r}")
    return row


def raise_if_changed(row: ModelRow, models_dir: Path) -> None:
    """Hold the weights of a model to the hash taken when it was registered.

    Raises:
        ModelError: If they are missing or others. Models registered before hashes were taken pass.
    """
    path = models_dir / row.model_id / WEIGHTS_FILE
    try:
        found = sha256_of_file(path)
    except OSError as error:
        raise ModelError(
            f"the weights of {row.model_id} cannot be read: {error.strerror}"
        ) from error
    if row.weights_sha256 and found != row.weights_sha256:
        raise ModelError(
            f"the weights of {row.model_id} have changed since they were registered: sha256 "
            f"{found[:12]} instead of {row.weights_sha256[:12]} (restore the file from a backup)"
        )


def _serving(session: Session, task: str) -> ServingRow | None:
    return session.scalar(select(ServingRow).where(ServingRow.task == task).with_for_update())


def _raise_if_pinned(session: Session, serving: ServingRow | None, *, instead: str) -> None:
    if serving is None or serving.pinned_at is None:
        return
    pinned = session.get_one(ModelRow, serving.model).model_id
    raise ConflictError(
        f"{serving.task} is pinned to {pinned} by {serving.pinned_by or 'somebody'}: "
        f"{serving.pinned_reason or 'no reason given'} (unpin it before {instead} can serve)"
    )


def _raise_if_another(session: Session, serving: ServingRow | None, expected: str | None) -> None:
    if expected is None:
        return
    found = serving and session.get_one(ModelRow, serving.model).model_id
    if found != expected:
        raise ConflictError(
            f"{found or 'no model'} serves by now, not {expected} (measure the candidate again)"
        )


def _begin_to_serve(
    session: Session, row: ModelRow, serving: ServingRow | None, words: dict[str, Any]
) -> None:
    replaced = serving.model if serving else None
    when = now()
    if serving is None:
        session.add(ServingRow(task=row.task, model=row.id, published_at=when))
    else:
        serving.model, serving.published_at = row.id, when
        serving.pinned_at = serving.pinned_by = serving.pinned_reason = None
    publication = PublicationRow(
        task=row.task, model=row.id, replaced=replaced, created_at=when, **words
    )
    session.add(publication)
    session.flush()
    before = session.get(ModelRow, replaced) if replaced is not None else None
    record_event(
        session,
        "model_rolled_back" if publication.kind == "rollback" else "model_published",
        actor=publication.actor or UNKNOWN,
        model_id=row.model_id,
        details={
            "task": row.task,
            "replaced": before.model_id if before is not None else None,
            "kind": publication.kind,
            "reason": publication.reason,
            "gate": publication.gate,
        },
    )


def _stack(session: Session, task: str) -> list[int]:
    """Models that served, the present one last, without those that were rolled back."""
    query = select(PublicationRow).where(PublicationRow.task == task).order_by(PublicationRow.id)
    stack: list[int] = []
    for row in session.scalars(query):
        if row.kind == "rollback" and row.model in stack:
            while stack[-1] != row.model:
                stack.pop()
        else:
            stack.append(row.model)
    return stack


def _by_two_at_once(model_id: str) -> ConflictError:
    return ConflictError(f"model {model_id!r} was published by two at once (publish again)")


def _pin(serving: ServingRow, row: ModelRow) -> Pin:
    return Pin(
        task=cast("ModelTask", serving.task),
        model_id=row.model_id,
        actor=serving.pinned_by or "",
        reason=serving.pinned_reason or "",
        created_at=serving.pinned_at or serving.published_at,
    )


def _publication(row: PublicationRow, model_id: str, replaced: str | None) -> Publication:
    return Publication(
        number=row.id,
        task=cast("ModelTask", row.task),
        model_id=model_id,
        replaced=replaced,
        kind=cast("PublicationKind", row.kind),
        actor=row.actor,
        reason=row.reason,
        gate=row.gate,
        created_at=row.created_at,
    )
