"""What the gate measured and decided, and which patients are locked."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, TypeAlias, cast

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from sonoloop.errors import NotFoundError
from sonoloop.evaluation.verdicts import CaseDifference, GateDecision, GateVerdict, Measure
from sonoloop.records import ModelTask
from sonoloop.store.database import Database, batches
from sonoloop.store.events import SYSTEM, EventKind, record_event
from sonoloop.store.publications import find_model
from sonoloop.store.schema import AnnotationRow, ModelRow, now
from sonoloop.store.schema_gate import GateCaseRow, GateRow, LockedPlaceRow, PublicationRow

GateCases: TypeAlias = list[CaseDifference]


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """One measurement of a candidate, and the verdict; its cases are read apart.

    Attributes:
        number: Grows by every result.
        against: Id of the serving model it was measured beside; None when none served.
        figures: As :meth:`sonoloop.evaluation.verdicts.Comparison.as_dict` gives them.
        suspects: Images whose labels are suspect.
        debt: What the leading figure would have lost since the last gain, were it published: 0 or
            less.
        job_id: Of the training.
    """

    number: int
    model_id: str
    against: str | None
    task: ModelTask
    verdict: GateVerdict
    reason: str
    figures: tuple[dict[str, Any], ...]
    suspects: tuple[str, ...]
    debt: float
    job_id: str | None
    created_at: datetime

    def as_dict(self) -> dict[str, Any]:
        """Names and values, as JSON carries them."""
        lists = {"figures": list(self.figures), "suspects": list(self.suspects)}
        return asdict(self) | lists | {"created_at": self.created_at.isoformat()}


GateResults: TypeAlias = list[GateResult]


class Gates:
    """Gate results and locked patients; every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def places(self, keys: Collection[str]) -> dict[str, bool]:
        """Whether patients and groups are locked; those never seen are absent."""
        found: dict[str, bool] = {}
        with self._database.reading() as session:
            for some in batches(sorted(keys)):
                query = select(LockedPlaceRow).where(LockedPlaceRow.key.in_(some))
                found |= {row.key: row.locked for row in session.scalars(query)}
        return found

    def remember_places(self, places: Mapping[str, bool]) -> None:
        """Keep the places of patients and groups; one that has a place already keeps it."""
        with self._database.writing() as session:
            for some in batches(sorted(places)):
                query = select(LockedPlaceRow.key).where(LockedPlaceRow.key.in_(some))
                known = set(session.scalars(query))
                session.add_all(
                    LockedPlaceRow(key=key, locked=places[key], created_at=now())
                    for key in some
                    if key not in known
                )

    def write(
        self,
        model_id: str,
        decision: GateDecision,
        *,
        against: str | None,
        debt: float = 0.0,
        job_id: str | None = None,
    ) -> GateResult:
        """Keep a decision with its figures and cases.

        Args:
            model_id: The candidate.
            decision: What was decided.
            against: The serving model it was measured beside; None when none served.
            debt: See :class:`GateResult`.
            job_id: Of the training.

        Raises:
            NotFoundError: If one of the models is unknown.
        """
        with self._database.writing() as session:
            model = find_model(session, model_id)
            row = GateRow(
                model=model.id,
                against=None if against is None else find_model(session, against).id,
                task=model.task,
                verdict=decision.verdict,
                reason=decision.reason,
                figures=[figure.as_dict() for figure in decision.figures],
                suspects=list(decision.suspects),
                debt=debt,
                job_id=job_id,
                created_at=now(),
            )
            session.add(row)
            session.flush()
            session.add_all(GateCaseRow(gate=row.id, **asdict(case)) for case in decision.cases)
            _tell(session, row, model_id, against)
            return _result(row, model_id, against)

    def list(self, task: ModelTask | None = None) -> GateResults:
        """Every result, of one task or of all, newest first."""
        with self._database.reading() as session:
            return _results(session, task=task)

    def of_model(self, model_id: str) -> GateResult | None:
        """The newest result of a candidate, or None when it was never measured."""
        with self._database.reading() as session:
            return next(iter(_results(session, model_id=model_id)), None)

    def get(self, number: int) -> GateResult:
        """The result of that number.

        Raises:
            NotFoundError: If there is none.
        """
        with self._database.reading() as session:
            found = _results(session, number=number)
        if not found:
            raise NotFoundError(f"there is no gate result {number}")
        return found[0]

    def cases(self, number: int) -> GateCases:
        """What was scored on every locked image, the greatest loss first."""
        query = select(GateCaseRow).where(GateCaseRow.gate == number)
        with self._database.reading() as session:
            cases = [_case(row) for row in session.scalars(query)]
        return sorted(cases, key=lambda case: (gain_of(case), case.image_id))

    def newest_label(self) -> int:
        """Number of the newest reading that counts; 0 before the first."""
        query = select(func.max(AnnotationRow.id)).where(*_labels_after(0))
        with self._database.reading() as session:
            return session.scalar(query) or 0

    def labels_since(self, number: int) -> int:
        """Images with a reading that counts, newer than the reading of that number."""
        query = select(func.count(AnnotationRow.image.distinct())).where(*_labels_after(number))
        with self._database.reading() as session:
            return session.scalar(query) or 0

    def trusted(self, task: ModelTask) -> set[tuple[str, str]]:
        """Image and hash of every label that a publication of ``task`` stood on.

        That of the gate, or the word of whoever published by hand what was held.
        """
        query = (
            select(GateCaseRow.image_id, GateCaseRow.label_key)
            .join(PublicationRow, PublicationRow.gate == GateCaseRow.gate)
            .where(PublicationRow.task == task)
            .distinct()
        )
        with self._database.reading() as session:
            return set(session.execute(query).tuples())


def _labels_after(number: int) -> Any:
    return (
        AnnotationRow.id > number,
        AnnotationRow.tag == "final",
        AnnotationRow.in_force,
        AnnotationRow.withdrawn_at.is_(None),
    )


def gain_of(case: CaseDifference) -> float:
    """How much better the candidate is on an image; 0 when there was no serving model."""
    if case.serving is None:
        return 0.0
    gain = case.candidate - case.serving
    return -gain if case.measure == "brier" else gain


def _results(
    session: Session,
    *,
    task: ModelTask | None = None,
    model_id: str | None = None,
    number: int | None = None,
) -> list[GateResult]:
    against = aliased(ModelRow)
    query = (
        select(GateRow, ModelRow.model_id, against.model_id)
        .join(ModelRow, GateRow.model == ModelRow.id)
        .outerjoin(against, GateRow.against == against.id)
        .order_by(GateRow.id.desc())
    )
    if task is not None:
        query = query.where(GateRow.task == task)
    if model_id is not None:
        query = query.where(ModelRow.model_id == model_id)
    if number is not None:
        query = query.where(GateRow.id == number)
    return [_result(*found) for found in session.execute(query).tuples()]


def _result(row: GateRow, model_id: str, against: str | None) -> GateResult:
    return GateResult(
        number=row.id,
        model_id=model_id,
        against=against,
        task=cast("ModelTask", row.task),
        verdict=cast("GateVerdict", row.verdict),
        reason=row.reason,
        figures=tuple(row.figures),
        suspects=tuple(row.suspects),
        debt=row.debt,
        job_id=row.job_id,
        created_at=row.created_at,
    )


def _case(row: GateCaseRow) -> CaseDifference:
    return CaseDifference(
        image_id=row.image_id,
        patient=row.patient,
        label_key=row.label_key,
        measure=cast("Measure", row.measure),
        candidate=row.candidate,
        serving=row.serving,
    )


def _tell(session: Session, row: GateRow, model_id: str, against: str | None) -> None:
    """Log that a candidate was held or rejected; one that is published is told of by itself."""
    kinds: dict[str, EventKind] = {"held": "model_held", "rejected": "model_rejected"}
    if row.verdict in kinds:
        record_event(
            session,
            kinds[row.verdict],
            actor=SYSTEM,
            model_id=model_id,
            details={
                "gate": row.id,
                "task": row.task,
                "against": against,
                "reason": row.reason,
                "job": row.job_id,
            },
        )
