"""The values that rooms hand to one another: frozen, without behaviour."""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from sonoloop.geometry import Box, Mask, ProbabilityMap, SpacingMm
from sonoloop.labels import Pathology

ModelTask = Literal["segmentation", "classification"]
LabelTag = Literal["final", "original"]
AnnotationState = Literal["draft", "submitted", "accepted", "rejected", "conflicting"]
Verdict = Literal["accept", "reject", "reopen"]
SkipKind = Literal["skip", "not_assessable"]
Role = Literal["annotator", "reviewer", "engineer"]
JobKind = Literal["train", "batch_infer", "scoring", "acquisition"]
JobStatus = Literal["SUBMITTED", "RUNNING", "DONE", "ERROR", "STOPPED"]
ImageSource = Literal["folder", "dicomweb", "upload"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesion:
    """One connected component of the mask, with its assessment.

    Attributes:
        box: Tight box around the component, on the image's own grid.
        area_px: Pixels in the component.
        area_mm2: Area in square millimetres, or None without calibration.
        probabilities: Probability of each pathology; sums to 1.
        confidence: Mean lesion probability over the component, in [0, 1].
    """

    box: Box
    area_px: int
    area_mm2: float | None
    probabilities: dict[Pathology, float]
    confidence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What the dual-stage pipeline says of one image.

    Attributes:
        mask: (H, W), True on every lesion, on the image's own grid.
        probability_map: (H, W) float32 in [0, 1], same grid.
        lesions: Components, largest first; empty when nothing was marked.
        probabilities: Image-level probability of each pathology: those of the lesion most likely
            malignant, or of the whole image when nothing was marked.
        pathology: The most probable one.
        spacing_mm: (row, column) or None.
        models: Model id per task.
        seconds: Wall time of the pipeline.
        flags: What a reader should know of the image, such as ``burned_in_annotation``.
        uncertainty: How doubtful the mask is, in [0, 1]: an estimate of 1 - Dice; None when the
            pipeline does not tell.
        pathology_uncertainty: How undecided the image-level probabilities are, in [0, 1]: their
            entropy as a share of the largest possible one; None when the pipeline does not tell.
    """

    mask: Mask
    probability_map: ProbabilityMap
    lesions: tuple[Lesion, ...]
    probabilities: dict[Pathology, float]
    pathology: Pathology
    spacing_mm: SpacingMm | None
    models: dict[ModelTask, str]
    seconds: float
    flags: tuple[str, ...] = ()
    uncertainty: float | None = None
    pathology_uncertainty: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledImage:
    """One image of a data set or of the store with what is known of it; for training and tests.

    Attributes:
        image_id: Unique within its data set.
        image_path: DICOM, PNG, JPEG, BMP or TIFF.
        frame: Frame of a cine, from 0.
        mask_paths: Files whose union is the lesion mask; empty when there is no mask *file*.
        has_mask: True when the lesion outline is known: from files, or because the image is
            known to be normal (then the mask is empty).
        pathology: None when unknown.
        birads: Assessment category as text, or None.
        patient: Never crosses splits.
        group: Near-duplicates share it and never cross splits either; None when there is none.
        split: Fold or split the data set itself names, such as ``"4"``; None when it names none.
        device: Scanner, or None.
        label_conflict: True when near-duplicates of this image carry another class.
    """

    image_id: str
    image_path: Path
    frame: int = 0
    mask_paths: tuple[Path, ...] = ()
    has_mask: bool = False
    pathology: Pathology | None = None
    birads: str | None = None
    patient: str = ""
    group: str | None = None
    split: str | None = None
    device: str | None = None
    label_conflict: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRecord:
    """One image (or one frame of a cine) as the store knows it.

    Attributes:
        image_id: SOPInstanceUID, with ``_f<k>`` (k from 0) for a frame of a cine; a safe name for
            images that are not DICOM.
        source: Where the pixels come from.
        locator: Path relative to the root of its source (posix), or the DICOMweb
            ``study/series/instance`` triple.
        frame: Frame index, from 0.
        spacing_mm: (row, column) or None.
        group: Near-duplicates share it; None when unknown.
        split: Fold or split the data set itself names; None when it names none.
        available: False once its file has left the source; annotations stay.
        readers_wanted: Readers whose answer the image waits for.
        readers_done: Readers who have answered; "not assessable" is an answer too.
        labelled: True once these are enough, or an adjudication stands.
        info: Free JSON of clients.
    """

    image_id: str
    source: ImageSource
    locator: str
    frame: int
    frame_count: int
    rows: int
    columns: int
    spacing_mm: SpacingMm | None
    patient_id: str | None
    study_instance_uid: str | None
    series_instance_uid: str | None
    sop_instance_uid: str | None
    modality: str = "US"
    study_date: str | None = None
    group: str | None = None
    split: str | None = None
    available: bool = True
    flags: tuple[str, ...] = ()
    file_size: int = 0
    file_mtime_ns: int = 0
    readers_wanted: int = 1
    readers_done: int = 0
    labelled: bool = False
    info: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceAddress:
    """Where one DICOM instance lies in an archive; all three are valid UIDs."""

    study: str
    series: str
    instance: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """One revision of what somebody (or a model) said of an image; never overwritten.

    Attributes:
        revision: 1 for the first of its image and tag, then counting up.
        mask_path: Path of the label map relative to the label folder, or None: PNG, 0 where there
            is no lesion, else 1; lesions that the reader told apart count up from there.
        source_model: Id of the model that proposed the mask, or None.
        seconds_spent: Reader's time on the image, or None.
        info: Whatever else the client sent (``label_info`` and so on).
        withdrawn_at: When it was taken back; None while it stands.
        state: How far it is: a reader's ``draft``, ``submitted``, reviewed (``accepted`` or
            ``rejected``), or ``conflicting`` because it was made from a stale revision.
        adjudicates: True when it settles what the readers disagree on.
        base_revision: The reader's own revision it was made from, 0 for none; None when the
            client did not tell.
        in_force: True for the newest reading (or adjudication) of its reader, which counts.
    """

    annotation_id: int
    image_id: str
    tag: LabelTag
    revision: int
    mask_path: str | None
    mask_sha256: str | None
    pathology: Pathology | None
    birads: str | None
    reader: str
    source_model: str | None
    seconds_spent: float | None
    info: dict[str, Any]
    created_at: datetime
    withdrawn_at: datetime | None = None
    state: AnnotationState = "submitted"
    adjudicates: bool = False
    base_revision: int | None = None
    in_force: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A reader's right to work on an image, for a while.

    Attributes:
        strategy: What chose the image.
        reason: Why, as a sentence for the reader.
    """

    image_id: str
    reader: str
    strategy: str
    reason: str
    taken_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip:
    """A reader who gave no outline: passed over for now, or not assessable, which is an answer.

    Attributes:
        withdrawn_at: When it was taken back or the reader answered after all; None while it
            stands.
    """

    image_id: str
    reader: str
    kind: SkipKind
    reason: str
    created_at: datetime
    withdrawn_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """What a reviewer decided of one revision, and why."""

    annotation_id: int
    image_id: str
    reviewer: str
    verdict: Verdict
    note: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignmentProgress:
    """How far an image is that several readers are to answer.

    Attributes:
        named: Readers it is assigned to by name, in alphabetical order; empty when anybody may
            answer.
        answered: Readers whose answer counts, in alphabetical order.
        adjudicated: Whether somebody has settled the image.
    """

    image_id: str
    readers_wanted: int
    named: tuple[str, ...]
    answered: tuple[str, ...]
    adjudicated: bool
    labelled: bool


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who may log in.

    Attributes:
        name: As it was spelt when the account was made; the reader of all that he says.
        role: What he may do; each role may do what those before it may.
        disabled: True when he may not log in at present.
    """

    name: str
    role: Role
    disabled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """A right to ask in somebody's name; the token itself is known to its holder alone.

    Attributes:
        label: Name of a token that was made for a script; None for a log-in.
        expires_at: When it ends by itself; None for never.
    """

    token_id: int
    account: str
    label: str | None
    created_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRecord:
    """One version of a model in the registry.

    Attributes:
        directory: Absolute folder with ``weights.safetensors`` and ``card.json``.
        metrics: Figures measured when it was made.
    """

    model_id: str
    task: ModelTask
    architecture: str
    parent_id: str | None
    directory: Path
    metrics: dict[str, Any]
    created_at: datetime
    serving: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A piece of background work and how far it is.

    Attributes:
        target: Model task for training, pipeline name for batch inference, method for scoring,
            ``pool`` for what strategies ask of the images (acquisition).
        progress: JSON with at least ``epoch``, ``total_epochs``, ``best_metric``, ``eta_seconds``
            for a training; ``done`` and ``total`` otherwise.
        details: Last log lines, oldest first.
        pid: Process that does the work, None while not started or when it is a thread.
        pid_started: Start time of that process (seconds since the epoch), which tells it from
            another that was given the same pid later.
    """

    job_id: str
    kind: JobKind
    target: str
    status: JobStatus
    request: dict[str, Any]
    progress: dict[str, Any]
    details: tuple[str, ...]
    pid: int | None
    pid_started: float | None
    heartbeat_at: datetime | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
