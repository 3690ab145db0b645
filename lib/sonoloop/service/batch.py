"""Runs the pipeline over many images and keeps the results as drafts (``original`` labels)."""

import logging
import time
from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias, get_args

from sonoloop.errors import InvalidRequestError, NotFoundError, SonoloopError
from sonoloop.inference.findings_json import findings_to_params
from sonoloop.records import Findings, ImageRecord, Job
from sonoloop.service.background import BackgroundJobs, JobHandle
from sonoloop.service.images import ImageLibrary
from sonoloop.service.inference import InferenceService
from sonoloop.store.annotations import NewAnnotation
from sonoloop.store.store import Store

logger = logging.getLogger(__name__)

ImageChoice: TypeAlias = Literal["all", "labeled", "unlabeled"]
CHOICES: Final[tuple[ImageChoice, ...]] = get_args(ImageChoice)
LESION_MODEL: Final = "lesion"
DRAFT_READER: Final = "model"


class BatchService:
    """Batch inference as a background job."""

    def __init__(
        self,
        store: Store,
        images: ImageLibrary,
        inference: InferenceService,
        jobs: BackgroundJobs,
    ) -> None:
        self._store = store
        self._images = images
        self._inference = inference
        self._jobs = jobs

    def start(
        self, model: str, choice: str, params: Mapping[str, Any], *, wait: bool = False
    ) -> Job:
        """Begin a batch; with ``wait``, return when it has ended.

        Raises:
            NotFoundError: If ``model`` cannot run in batches, or no model is published yet.
            InvalidRequestError: If ``choice`` is unknown.
            JobConflictError: If a batch runs already.
        """
        if model != LESION_MODEL:
            raise NotFoundError(f"no batch inference with {model!r:.80} (only {LESION_MODEL})")
        if choice not in CHOICES:
            raise InvalidRequestError(
                f"unknown choice of images {choice!r:.80} (one of {', '.join(CHOICES)})"
            )
        self._inference.pipeline()
        request = {"model": model, "images": choice, **params}
        return self._jobs.start(
            "batch_infer", model, request, lambda handle: self._run(choice, handle), wait=wait
        )

    def _ids(self, choice: str) -> tuple[str, ...]:
        labelled = self._store.images.labelled_ids() if choice != "unlabeled" else ()
        unlabelled = self._store.images.unlabelled_ids() if choice != "labeled" else ()
        return unlabelled + labelled

    def _run(self, choice: str, handle: JobHandle) -> str:
        ids = self._ids(choice)
        done = failed = 0
        began = time.monotonic()
        for image_id in ids:
            if handle.should_stop():
                break
            problem = self._draft(image_id)
            failed += problem is not None
            done += 1
            spent = time.monotonic() - began
            progress = {
                "done": done,
                "total": len(ids),
                "failed": failed,
                "eta_seconds": round(spent / done * (len(ids) - done), 1),
            }
            handle.report(progress, problem)
        return f"{done - failed} of {len(ids)} images analysed, {failed} failed"

    def _draft(self, image_id: str) -> str | None:
        """Analyse one image and keep the draft; the reason when that cannot be done."""
        try:
            record = self._store.images.get(image_id)
            image = self._images.load(record)
            findings = self._inference.analyse(image)
            save_draft(self._store, record, findings)
        except SonoloopError as error:
            logger.warning("batch inference left out %s: %s", image_id, error)
            return f"{image_id}: {error}"
        return None


def save_draft(store: Store, record: ImageRecord, findings: Findings) -> None:
    """Keep findings as the ``original`` label of an image.

    Raises:
        StoreError: If it cannot be written.
    """
    store.annotations.save(
        NewAnnotation(
            image_id=record.image_id,
            tag="original",
            pathology=findings.pathology,
            reader=DRAFT_READER,
            source_model=findings.models["segmentation"],
            info={"params": findings_to_params(findings)},
        ),
        findings.mask.astype("uint8"),
    )
