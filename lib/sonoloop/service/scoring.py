"""How well drafts agree with readers, image by image."""

import logging
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from sonoloop.errors import NotFoundError, SonoloopError
from sonoloop.geometry import LabelMap
from sonoloop.records import Job
from sonoloop.service.background import BackgroundJobs, JobHandle
from sonoloop.service.images import ImageLibrary
from sonoloop.service.inference import InferenceService
from sonoloop.store.store import Store

logger = logging.getLogger(__name__)

METHODS: Final = {"dice": "Dice of the reader's mask and the model's draft"}


class ScoringService:
    """Scoring as a background job; the figures go into each image's info."""

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

    def start(self, method: str, params: Mapping[str, Any], *, wait: bool = False) -> Job:
        """Begin to score every labelled image; with ``wait``, return when that has ended.

        Raises:
            NotFoundError: If there is no method of that name.
            JobConflictError: If it runs already.
        """
        if method not in METHODS:
            known = ", ".join(METHODS)
            raise NotFoundError(f"unknown scoring method {method!r:.80} (one of {known})")
        request = {"method": method, **params}
        return self._jobs.start("scoring", method, request, self._run, wait=wait)

    def _run(self, handle: JobHandle) -> str:
        ids = self._store.images.labelled_ids()
        scores: list[float] = []
        for done, image_id in enumerate(ids, start=1):
            if handle.should_stop():
                break
            problem = None
            try:
                score = self._score(image_id)
                if score is not None:
                    scores.append(score)
            except SonoloopError as error:
                problem = f"{image_id}: {error}"
                logger.warning("scoring left out %s: %s", image_id, error)
            mean = round(float(np.mean(scores)), 4) if scores else None
            progress = {"done": done, "total": len(ids), "scored": len(scores), "mean": mean}
            handle.report(progress, problem)
        return f"{len(scores)} of {len(ids)} labelled images scored"

    def _score(self, image_id: str) -> float | None:
        final = self._store.annotations.latest(image_id, "final")
        if final is None or final.mask_path is None:
            return None
        draft = self._store.annotations.latest(image_id, "original")
        if draft is not None and draft.mask_path is not None:
            predicted = self._store.annotations.mask(draft)
            model = draft.source_model
        else:
            record = self._store.images.get(image_id)
            findings = self._inference.analyse(self._images.load(record))
            predicted = findings.mask.astype(np.uint8)
            model = findings.models["segmentation"]
        score = dice(self._store.annotations.mask(final), predicted)
        self._store.images.update_info(image_id, {"dice": round(score, 4), "dice_model": model})
        return score


def dice(reference: LabelMap, predicted: LabelMap) -> float:
    """Dice coefficient of two masks, in [0, 1]; 1 when both are empty.

    Example:
        >>> dice(np.array([[1, 1, 0]], dtype=np.uint8), np.array([[0, 1, 1]], dtype=np.uint8))
        0.5
    """
    first, second = reference > 0, predicted > 0
    total = int(first.sum()) + int(second.sum())
    return 2 * int((first & second).sum()) / total if total else 1.0
