"""How well drafts agree with readers, image by image."""

import logging
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from sonoloop.errors import NotFoundError, SonoloopError
from sonoloop.evaluation.overlap import dice
from sonoloop.imaging.labelled import read_mask_files
from sonoloop.records import Job, LabelledImage
from sonoloop.service.background import BackgroundJobs, JobHandle
from sonoloop.service.images import ImageLibrary
from sonoloop.service.inference import InferenceService
from sonoloop.service.truth import training_truth
from sonoloop.settings import ConsensusMethod
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
        *,
        consensus: ConsensusMethod = "majority",
    ) -> None:
        self._store = store
        self._images = images
        self._inference = inference
        self._jobs = jobs
        self._consensus: ConsensusMethod = consensus

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
        truth = training_truth(self._store, method=self._consensus, doubted_too=True)
        scores: list[float] = []
        for done, known in enumerate(truth, start=1):
            if handle.should_stop():
                break
            problem = None
            try:
                score = self._score(known)
                if score is not None:
                    scores.append(score)
            except SonoloopError as error:
                problem = f"{known.image_id}: {error}"
                logger.warning("scoring left out %s: %s", known.image_id, error)
            mean = round(float(np.mean(scores)), 4) if scores else None
            progress = {"done": done, "total": len(truth), "scored": len(scores), "mean": mean}
            handle.report(progress, problem)
        return f"{len(scores)} of {len(truth)} labelled images scored"

    def _score(self, known: LabelledImage) -> float | None:
        if not known.mask_paths:
            return None
        record = self._store.images.get(known.image_id)
        draft = self._store.annotations.latest(known.image_id, "original")
        if draft is not None and draft.mask_path is not None:
            predicted = self._store.annotations.mask(draft) > 0
            model = draft.source_model
        else:
            findings = self._inference.analyse(self._images.load(record))
            predicted, model = findings.mask, findings.models["segmentation"]
        reference = read_mask_files(known.mask_paths, shape=(record.rows, record.columns))
        score = dice(reference, predicted)
        told = {"dice": round(score, 4), "dice_model": model}
        self._store.images.update_info(known.image_id, told)
        return score
