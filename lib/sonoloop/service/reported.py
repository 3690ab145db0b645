"""An annotation of the store as a reading, and a reading as DICOM documents."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from sonoloop.errors import DocumentError
from sonoloop.geometry import Box, LabelMap
from sonoloop.labels import Pathology
from sonoloop.records import Annotation, ImageRecord, InstanceAddress, Lesion, ModelTask
from sonoloop.reporting.reading import Reading
from sonoloop.service.inference import TASKS
from sonoloop.service.labelling import SUGGESTION
from sonoloop.service.suggestions import mask_digest
from sonoloop.settings import WriteBackSettings
from sonoloop.store.outbox_entries import DocumentKind
from sonoloop.store.store import Store

Files: TypeAlias = Mapping[DocumentKind, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeDocument:
    """One DICOM file and where it belongs."""

    kind: DocumentKind
    address: InstanceAddress
    data: bytes


MakeDocuments: TypeAlias = Callable[
    [Any, Reading, Files, WriteBackSettings], tuple[MadeDocument, ...]
]
"""Given the DICOM header of the image, what is said of it, and the documents of the revision
before, none where there was none."""


def make_documents(
    header: Any, reading: Reading, previous: Files, settings: WriteBackSettings
) -> tuple[MadeDocument, ...]:
    """The documents of a reading, the segmentation first; those that are wanted.

    Raises:
        DocumentError: If they cannot be made.
    """
    # Costs a second the first time, and many servers have nothing to write.
    from sonoloop.reporting.documents import DocumentOptions, documents_for, read_documents

    options = DocumentOptions(
        segmentation=settings.write_seg,
        report=settings.write_sr,
        geometry=settings.seg_geometry,
    )
    before = None
    if previous:
        before = read_documents(previous.get("segmentation"), previous.get("report"))
    documents = documents_for(header, reading, previous=before, options=options)
    by_kind: dict[DocumentKind, Any] = {
        "segmentation": documents.segmentation,
        "report": documents.report,
    }
    return tuple(
        MadeDocument(kind=kind, address=one.address, data=one.data)
        for kind, one in by_kind.items()
        if one is not None
    )


MakeRejection: TypeAlias = Callable[
    [Any, ImageRecord, Annotation, Mapping[DocumentKind, InstanceAddress]], MadeDocument
]
"""Given the DICOM header of the image, the image, the annotation that was withdrawn, and where its
documents are."""


def make_rejection(
    header: Any,
    record: ImageRecord,
    annotation: Annotation,
    said: Mapping[DocumentKind, InstanceAddress],
) -> MadeDocument:
    """The note that takes the documents of a withdrawn annotation back.

    Raises:
        DocumentError: If it cannot be made.
    """
    from sonoloop.reporting.documents import rejection_of

    at = annotation.withdrawn_at or annotation.created_at
    note = rejection_of(header, record, said, number=annotation.revision, at=at)
    return MadeDocument(kind="rejection", address=note.address, data=note.data)


def warm_up() -> None:
    """Load what the first document needs; nothing else of this process gets on for a moment.

    Raises:
        DocumentError: If documents cannot be made at all.
    """
    from sonoloop.reporting import warming

    warming.warm_up()


def reading_of(store: Store, record: ImageRecord, annotation: Annotation) -> Reading:
    """What an annotation says of its image, with what the model said it was made from.

    Raises:
        DocumentError: If it does not fit its image.
        StoreError: If its label file is gone or was changed behind our back.
    """
    is_draft = annotation.tag == "original"
    draft = annotation if is_draft else _draft(store, annotation)
    mask = _mask(store, record, annotation)
    told = _told(annotation, draft)
    models = _models(told, annotation.source_model)
    return Reading(
        record=record,
        mask=mask,
        state="draft" if is_draft else "final",
        reader="" if is_draft else annotation.reader,
        assessed_at=annotation.created_at,
        pathology=annotation.pathology,
        birads=annotation.birads,
        models=models,
        lesions=_lesions(told),
        probabilities=_probabilities(told.get("probabilities")),
        proposed=None if is_draft else _proposed(store, record, draft, told, mask),
    )


def _draft(store: Store, annotation: Annotation) -> Annotation | None:
    """What the model said that the reader began with, where it was kept."""
    if annotation.source_model is None:
        return None
    drafts = [
        one
        for one in store.annotations.history(annotation.image_id)
        if one.tag == "original"
        and one.source_model == annotation.source_model
        and one.annotation_id < annotation.annotation_id
    ]
    return drafts[-1] if drafts else None


def _mask(store: Store, record: ImageRecord, annotation: Annotation) -> LabelMap:
    if annotation.mask_path is None:
        return np.zeros((record.rows, record.columns), dtype=np.uint8)
    return store.annotations.mask(annotation)


def _told(annotation: Annotation, draft: Annotation | None) -> Mapping[str, Any]:
    """What the model said, as it was kept with the answer or with its draft."""
    told = annotation.info.get(SUGGESTION) or (draft.info.get("params") if draft else None)
    return told if isinstance(told, dict) else {}


def _proposed(
    store: Store,
    record: ImageRecord,
    draft: Annotation | None,
    told: Mapping[str, Any],
    mask: LabelMap,
) -> LabelMap | None:
    if told.get("mask_digest") == mask_digest(mask):
        return mask
    return _mask(store, record, draft) if draft else None


def _models(told: Mapping[str, Any], source_model: str | None) -> dict[ModelTask, str]:
    named = told.get("models")
    models = {task: named[task] for task in TASKS if isinstance(named, dict) and task in named}
    if source_model is not None:
        models["segmentation"] = source_model
    return models


def _lesions(told: Mapping[str, Any]) -> tuple[Lesion, ...]:
    try:
        return tuple(
            Lesion(
                box=Box(*lesion["box"]),
                area_px=lesion["area_px"],
                area_mm2=lesion["area_mm2"],
                probabilities=_probabilities(lesion["probabilities"]) or {},
                confidence=lesion["confidence"],
            )
            for lesion in told.get("lesions", ())
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DocumentError(f"the draft of the model tells its lesions oddly: {error!r}") from error


def _probabilities(told: object) -> dict[Pathology, float] | None:
    if not isinstance(told, dict) or not told:
        return None
    return {Pathology(name): float(value) for name, value in told.items()}
