"""Background work: at most one job of a kind on a target, whoever starts it."""

import uuid
from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from sonoloop.errors import ConflictError, JobConflictError, NotFoundError
from sonoloop.records import Job, JobKind
from sonoloop.store.database import Database
from sonoloop.store.events import SYSTEM, EventKind, record_event
from sonoloop.store.records import job as record_of
from sonoloop.store.schema import JobRow, now

KEPT_DETAIL_LINES: Final = 100
"""Older lines of a job are in its log file only."""

ACTIVE_STATUSES: Final = ("SUBMITTED", "RUNNING")

Ending: TypeAlias = Literal["DONE", "ERROR", "STOPPED"]


class Jobs:
    """Jobs by id; every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, kind: JobKind, target: str, request: Mapping[str, Any]) -> Job:
        """A new job, SUBMITTED.

        Raises:
            JobConflictError: If one of this kind is active on this target; of several processes
                that ask at once, one gets the job.
        """
        row = JobRow(
            job_id=uuid.uuid4().hex,
            kind=kind,
            target=target,
            status="SUBMITTED",
            request=dict(request),
            progress={},
            details=[],
            stop_requested=False,
            created_at=now(),
        )
        try:
            with self._database.writing() as session:
                session.add(row)
                session.flush()
                return record_of(row)
        except IntegrityError as error:
            raise JobConflictError(
                f"a {kind} job on {target!r} is running already (stop it or wait for its end)"
            ) from error

    def start(self, job_id: str, pid: int | None, pid_started: float | None) -> Job:
        """Say that a job is at work, in the process ``pid`` since ``pid_started``.

        Both are None for a job that runs in a thread; the start time is in seconds since the
        epoch.

        Raises:
            NotFoundError: If there is no such job.
            ConflictError: If it was started before or has ended.
        """
        with self._database.writing() as session:
            row = _find(session, job_id)
            if row.status != "SUBMITTED":
                raise ConflictError(f"job {job_id} is {row.status} (only a submitted one starts)")
            row.status = "RUNNING"
            row.pid = pid
            row.pid_started = pid_started
            row.started_at = row.heartbeat_at = now()
            _tell(session, row, "training_started")
            return record_of(row)

    def heartbeat(
        self, job_id: str, progress: Mapping[str, Any] | None, detail_line: str | None = None
    ) -> Job:
        """Say that a job is alive and how far it is.

        ``progress`` replaces what was said before (None leaves it); ``detail_line`` is added to
        the log lines.

        Raises:
            NotFoundError: If there is no such job.
            ConflictError: If it has ended, for instance because it was given up for dead.
        """
        with self._database.writing() as session:
            row = _find(session, job_id)
            if row.status not in ACTIVE_STATUSES:
                raise ConflictError(f"job {job_id} has ended: {row.status}")
            if progress is not None:
                row.progress = dict(progress)
            _add_detail(row, detail_line)
            row.heartbeat_at = now()
            return record_of(row)

    def finish(self, job_id: str, status: Ending, detail_line: str | None = None) -> Job:
        """Say how a job ended; of several endings the first stays.

        Returns:
            The job as it is kept: its status tells whether this ending was the first.

        Raises:
            NotFoundError: If there is no such job.
        """
        with self._database.writing() as session:
            row = _find(session, job_id)
            if row.status in ACTIVE_STATUSES:
                row.status = status
                row.ended_at = now()
                _add_detail(row, detail_line)
                _tell(session, row, "training_ended")
            return record_of(row)

    def get(self, job_id: str) -> Job:
        """The job of that id.

        Raises:
            NotFoundError: If there is none.
        """
        with self._database.reading() as session:
            return record_of(_find(session, job_id))

    def active(self, kind: JobKind | None = None) -> list[Job]:
        """Jobs submitted or running, oldest first."""
        query = select(JobRow).where(JobRow.status.in_(ACTIVE_STATUSES)).order_by(JobRow.id)
        if kind is not None:
            query = query.where(JobRow.kind == kind)
        with self._database.reading() as session:
            return [record_of(row) for row in session.scalars(query)]

    def latest(self, kind: JobKind, target: str | None = None) -> Job | None:
        """The newest job of a kind (and target), or None."""
        query = select(JobRow).where(JobRow.kind == kind).order_by(JobRow.id.desc()).limit(1)
        if target is not None:
            query = query.where(JobRow.target == target)
        with self._database.reading() as session:
            row = session.scalar(query)
            return None if row is None else record_of(row)

    def recent(self, kind: JobKind, limit: int) -> list[Job]:
        """The newest jobs of a kind, newest first."""
        query = select(JobRow).where(JobRow.kind == kind).order_by(JobRow.id.desc()).limit(limit)
        with self._database.reading() as session:
            return [record_of(row) for row in session.scalars(query)]

    def request_stop(self, job_id: str) -> bool:
        """Ask a job to stop; False when it has ended already.

        Raises:
            NotFoundError: If there is no such job.
        """
        with self._database.writing() as session:
            row = _find(session, job_id)
            if row.status not in ACTIVE_STATUSES:
                return False
            row.stop_requested = True
            return True

    def stop_requested(self, job_id: str) -> bool:
        """Whether somebody asked this job to stop.

        Raises:
            NotFoundError: If there is no such job.
        """
        with self._database.reading() as session:
            return _find(session, job_id).stop_requested


def _find(session: Session, job_id: str) -> JobRow:
    row = session.scalar(select(JobRow).where(JobRow.job_id == job_id))
    if row is None:
        raise NotFoundError(f"unknown job {job_id!r}")
    return row


def _tell(session: Session, row: JobRow, kind: EventKind) -> None:
    """Log the beginning or the end of a training; other work is not told of."""
    if row.kind != "train":
        return
    details = {"job": row.job_id, "task": row.target, "status": row.status}
    if kind == "training_ended" and row.details:
        details["result"] = row.details[-1]
    record_event(session, kind, actor=str(row.request.get("actor") or SYSTEM), details=details)


def _add_detail(row: JobRow, line: str | None) -> None:
    if line:
        row.details = [*row.details, line][-KEPT_DETAIL_LINES:]
