"""Rows of the database as the values that rooms hand to one another."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Row

from sonoloop.labels import Pathology
from sonoloop.records import (
    Annotation,
    AnnotationState,
    ImageRecord,
    ImageSource,
    Job,
    JobKind,
    JobStatus,
    LabelTag,
    ModelRecord,
    ModelTask,
    Review,
    Skip,
    SkipKind,
    Verdict,
)
from sonoloop.store.schema import AnnotationRow, ImageRow, JobRow, ModelRow
from sonoloop.store.schema_readers import ReviewRow, SkipRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A file that could not be registered.

    Attributes:
        locator: Path relative to the root of the source, posix; with ``:<line>`` for a row of a
            side file.
        code: Machine-readable reason, such as ``truncated``.
        size: Bytes of the file when it was refused.
        mtime_ns: Its modification time then.
    """

    locator: str
    code: str
    message: str
    size: int = 0
    mtime_ns: int = 0


def image_record(row: ImageRow | Row[Any]) -> ImageRecord:
    """The image of a row, mapped or plain."""
    spacing_mm = None
    if row.row_spacing_mm is not None and row.column_spacing_mm is not None:
        spacing_mm = (row.row_spacing_mm, row.column_spacing_mm)
    return ImageRecord(
        image_id=row.image_id,
        source=cast("ImageSource", row.source),
        locator=row.locator,
        frame=row.frame,
        frame_count=row.frame_count,
        rows=row.rows,
        columns=row.columns,
        spacing_mm=spacing_mm,
        patient_id=row.patient_id,
        study_instance_uid=row.study_instance_uid,
        series_instance_uid=row.series_instance_uid,
        sop_instance_uid=row.sop_instance_uid,
        modality=row.modality,
        study_date=row.study_date,
        group=row.near_duplicates,
        split=row.split,
        available=row.available,
        flags=tuple(row.flags),
        file_size=row.file_size,
        file_mtime_ns=row.file_mtime_ns,
        readers_wanted=row.readers_wanted,
        readers_done=row.readers_done,
        labelled=row.labelled,
        info=dict(row.info),
    )


def annotation(row: AnnotationRow, image_id: str) -> Annotation:
    """The annotation of a row."""
    return Annotation(
        annotation_id=row.id,
        image_id=image_id,
        tag=cast("LabelTag", row.tag),
        revision=row.revision,
        mask_path=row.mask_path,
        mask_sha256=row.mask_sha256,
        pathology=None if row.pathology is None else Pathology(row.pathology),
        birads=row.birads,
        reader=row.reader,
        source_model=row.source_model,
        seconds_spent=row.seconds_spent,
        info=dict(row.info),
        created_at=row.created_at,
        withdrawn_at=row.withdrawn_at,
        state=cast("AnnotationState", row.state),
        adjudicates=row.adjudicates,
        base_revision=row.base_revision,
        in_force=row.in_force,
    )


def skip(row: SkipRow, image_id: str) -> Skip:
    """The skip of a row."""
    return Skip(
        image_id=image_id,
        reader=row.reader,
        kind=cast("SkipKind", row.kind),
        reason=row.reason,
        created_at=row.created_at,
        withdrawn_at=row.withdrawn_at,
    )


def review(row: ReviewRow, image_id: str) -> Review:
    """The review of a row."""
    return Review(
        annotation_id=row.annotation,
        image_id=image_id,
        reviewer=row.reviewer,
        verdict=cast("Verdict", row.verdict),
        note=row.note,
        created_at=row.created_at,
    )


def model_record(row: ModelRow, models_dir: Path, *, serving: bool) -> ModelRecord:
    """The model of a row."""
    return ModelRecord(
        model_id=row.model_id,
        task=cast("ModelTask", row.task),
        architecture=row.architecture,
        parent_id=row.parent_id,
        directory=models_dir / row.model_id,
        metrics=dict(row.metrics),
        created_at=row.created_at,
        serving=serving,
    )


def job(row: JobRow) -> Job:
    """The job of a row."""
    return Job(
        job_id=row.job_id,
        kind=cast("JobKind", row.kind),
        target=row.target,
        status=cast("JobStatus", row.status),
        request=dict(row.request),
        progress=dict(row.progress),
        details=tuple(row.details),
        pid=row.pid,
        pid_started=row.pid_started,
        heartbeat_at=row.heartbeat_at,
        created_at=row.created_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
    )
