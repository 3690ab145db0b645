"""Jobs and images as MONAI Label's clients know them."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sonoloop.records import Annotation, AssignmentProgress, ImageRecord, Job, Lease, Review, Skip
from sonoloop.service.label_versions import listed
from sonoloop.service.labelling import SUGGESTION

SERVER_ONLY: Final = frozenset({"studies", "consensus"})
"""Parts of a job's request that are no client's business."""


def job_json(job: Job, *, log_lines: Sequence[str] = ()) -> dict[str, Any]:
    """A job as the status of a background task.

    ``details`` is never empty: Slicer shows its last line without looking whether there is one.
    """
    details = [*log_lines, *job.details] or [f"{job.kind} of {job.target}: {job.status}"]
    return {
        "id": job.job_id,
        "status": job.status,
        "request": {k: v for k, v in job.request.items() if k not in SERVER_ONLY},
        "start_ts": _stamp(job.started_at or job.created_at),
        "end_ts": _stamp(job.ended_at),
        "details": details[-20:],
        "progress": job.progress,
    }


def train_stats(job: Job) -> dict[str, Any]:
    """How far a training is, or how it went; numbers only, as viewers draw them.

    ``total_time`` is there once it has ended: viewers take it for the end of the training.
    """
    stats: dict[str, Any] = {"epoch": 0, "total_epochs": 1, "best_metric": 0.0}
    numbers = {name: value for name, value in job.progress.items() if name != "curve"}
    stats |= {name: value for name, value in numbers.items() if value is not None}
    stats |= {"job_id": job.job_id, "status": job.status, "start_ts": _stamp(job.started_at)}
    if job.ended_at and job.started_at:
        stats["total_time"] = str(job.ended_at - job.started_at).partition(".")[0]
    return stats


def file_name(image_id: str) -> str:
    """What a client may call the picture of an image.

    Slicer takes flat pictures beside one another whose names differ in one number alone, as UIDs
    do, for the slices of one volume; a piece of a hash in front makes two names differ twice.
    """
    return f"{hashlib.sha256(image_id.encode()).hexdigest()[:8]}-{image_id}.nrrd"


def image_json(record: ImageRecord) -> dict[str, Any]:
    """What is known of an image, with what clients have added."""
    known = {
        "name": file_name(record.image_id),
        "PatientID": record.patient_id,
        "StudyInstanceUID": record.study_instance_uid,
        "SeriesInstanceUID": record.series_instance_uid,
        "SOPInstanceUID": record.sop_instance_uid,
        "Modality": record.modality,
        "StudyDate": record.study_date,
        "rows": record.rows,
        "columns": record.columns,
        "frame": record.frame,
        "frame_count": record.frame_count,
        "spacing_mm": list(record.spacing_mm) if record.spacing_mm else None,
        "flags": list(record.flags),
        "source": record.source,
    }
    return record.info | {name: value for name, value in known.items() if value is not None}


def label_json(annotation: Annotation) -> dict[str, Any]:
    """What is known of a label, with what its client sent."""
    known = {
        "name": f"{annotation.image_id}.nrrd",
        "pathology": annotation.pathology,
        "birads": annotation.birads,
        "reader": annotation.reader,
        "source_model": annotation.source_model,
        "seconds_spent": annotation.seconds_spent,
        "revision": annotation.revision,
        "ts": int(annotation.created_at.timestamp()),
    }
    told = {name: value for name, value in annotation.info.items() if name != SUGGESTION}
    return told | {name: value for name, value in known.items() if value is not None}


def revision_json(annotation: Annotation) -> dict[str, Any]:
    """One revision of a label as those see it who work on it together."""
    return {
        "annotation": annotation.annotation_id,
        "image": annotation.image_id,
        "tag": annotation.tag,
        "revision": annotation.revision,
        "reader": annotation.reader,
        "state": annotation.state,
        "in_force": annotation.in_force,
        "adjudicates": annotation.adjudicates,
        "base_revision": annotation.base_revision,
        "pathology": annotation.pathology,
        "birads": annotation.birads,
        "has_mask": annotation.mask_path is not None,
        "source_model": annotation.source_model,
        "seconds_spent": annotation.seconds_spent,
        "created": annotation.created_at.isoformat(),
        "withdrawn": annotation.withdrawn_at and annotation.withdrawn_at.isoformat(),
    }


def lease_json(lease: Lease) -> dict[str, Any]:
    """Who holds an image until when, and why it was his."""
    return {
        "image": lease.image_id,
        "reader": lease.reader,
        "strategy": lease.strategy,
        "reason": lease.reason,
        "taken": lease.taken_at.isoformat(),
        "expires": lease.expires_at.isoformat(),
    }


def review_json(review: Review) -> dict[str, Any]:
    """What a reviewer decided."""
    return {
        "annotation": review.annotation_id,
        "image": review.image_id,
        "reviewer": review.reviewer,
        "verdict": review.verdict,
        "note": review.note,
        "created": review.created_at.isoformat(),
    }


def skip_json(skip: Skip) -> dict[str, Any]:
    """A reader who gave no outline, and why."""
    return {
        "image": skip.image_id,
        "reader": skip.reader,
        "kind": skip.kind,
        "reason": skip.reason,
        "created": skip.created_at.isoformat(),
        "withdrawn": skip.withdrawn_at and skip.withdrawn_at.isoformat(),
    }


def assignment_json(progress: AssignmentProgress) -> dict[str, Any]:
    """How far an image is that readers are to answer."""
    return {
        "image": progress.image_id,
        "readers_wanted": progress.readers_wanted,
        "named": list(progress.named),
        "answered": list(progress.answered),
        "adjudicated": progress.adjudicated,
        "labelled": progress.labelled,
    }


def object_json(record: ImageRecord, labels: Sequence[Annotation]) -> dict[str, Any]:
    """One entry of ``/datastore/?output=all``.

    Args:
        record: The image.
        labels: What holds for it, the weightiest first; versions of Slicer's reviewer module are
            listed by their names too.
    """
    return {
        "image": {"ext": ".nrrd", "info": image_json(record)},
        "labels": {
            name: {"ext": ".nrrd", "info": label_json(label)}
            for name, label in listed(labels).items()
        },
    }


def _stamp(when: datetime | None) -> str | None:
    return None if when is None else when.astimezone().strftime("%Y-%m-%d %H:%M:%S")
