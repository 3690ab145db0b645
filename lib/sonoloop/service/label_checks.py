"""Everything that can be doubtful about the labels of one image, looked for and kept."""

import logging
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from sonoloop.errors import SonoloopError
from sonoloop.geometry import Mask
from sonoloop.imaging.image import UltrasoundImage
from sonoloop.quality.checks import Answer, Outline, doubt_beside, doubt_on_picture, doubts_alone
from sonoloop.quality.doubt import FLAG_KINDS, Doubt, FlagKind, QualityFlag
from sonoloop.quality.duplicates import doubt_beside_duplicate
from sonoloop.quality.limits import Limits
from sonoloop.records import Annotation
from sonoloop.service.images import ImageLibrary
from sonoloop.service.inference import InferenceService
from sonoloop.store.store import Store

logger = logging.getLogger(__name__)

WITHOUT_PIXELS: Final[frozenset[FlagKind]] = frozenset(FLAG_KINDS) - {
    "far_from_model",
    "outside_picture",
}
"""What the labels themselves tell."""
DUPLICATES: Final[frozenset[FlagKind]] = frozenset({"duplicates_disagree"})
COUNTING: Final = ("submitted", "accepted")

Near: TypeAlias = Mapping[str, float | None]
"""Near-duplicates of an image: id, and the NCC of the pictures; None where a data set says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """One annotation that counts, with its mask."""

    annotation: Annotation
    answer: Answer


class LabelChecks:
    """Checks the labels of one image at a time.

    Args:
        store: Has the labels, and keeps the flags.
        images: Give the pixels.
        inference: Tells what the serving model marks.
        limits: From where on a label is doubtful.
        ignored: Kinds of doubt this project does not mind.
    """

    def __init__(
        self,
        store: Store,
        images: ImageLibrary,
        inference: InferenceService,
        *,
        limits: Limits,
        ignored: Collection[str],
    ) -> None:
        self._store, self._images, self._inference = store, images, inference
        self._limits = limits
        self._ignored = frozenset(ignored)

    def check(self, image_id: str, *, deep: bool) -> list[QualityFlag]:
        """Check an image and, for answers that differ, its near-duplicates.

        Args:
            image_id: What to check.
            deep: Look at the pixels too, and at what the serving model marks in them.

        Returns:
            Flags of the image that were raised.

        Raises:
            NotFoundError: If there is no such image.
            StoreError: If a mask cannot be read.
        """
        readings, newest = self._readings(image_id)
        near = self._near(image_id)
        doubtful = _doubtful(readings)
        found: dict[int, list[Doubt]] = {r.annotation.annotation_id: [] for r in doubtful}
        kinds = set(WITHOUT_PIXELS)
        for reading in doubtful:
            found[reading.annotation.annotation_id] += [
                *doubts_alone(reading.answer, self._limits),
                *self._beside_readers(reading, readings),
                *self._beside_duplicates(reading, near),
            ]
        if deep and doubtful:
            self._look_at_pixels(image_id, doubtful, found, kinds)
        raised = self._keep(image_id, found, kinds, newest)
        for other in near:
            self.check_duplicates(other, {})
        return raised

    def check_duplicates(self, image_id: str, near: Near) -> None:
        """Compare the answers of an image with those of its near-duplicates, and nothing else.

        Args:
            image_id: What to check.
            near: Near-duplicates beside those that are known already.

        Raises:
            NotFoundError: If there is no such image.
            StoreError: If a mask cannot be read.
        """
        readings, _ = self._readings(image_id)
        known = self._near(image_id) | dict(near)
        found = {
            reading.annotation.annotation_id: list(self._beside_duplicates(reading, known))
            for reading in _doubtful(readings)
        }
        self._keep(image_id, found, DUPLICATES, None)

    def _readings(self, image_id: str) -> tuple[list[_Reading], int]:
        """Annotations that count, and the newest annotation id there is."""
        history = self._store.annotations.history(image_id)
        readings = [
            _Reading(annotation=annotation, answer=self._answer(annotation))
            for annotation in history
            if annotation.tag == "final"
            and annotation.in_force
            and annotation.withdrawn_at is None
            and annotation.state in COUNTING
        ]
        return readings, max((annotation.annotation_id for annotation in history), default=0)

    def _answer(self, annotation: Annotation) -> Answer:
        mask = self._mask(annotation) if annotation.mask_path is not None else None
        return Answer(mask=mask, pathology=annotation.pathology)

    def _mask(self, annotation: Annotation) -> Mask:
        return self._store.annotations.mask(annotation) > 0

    def _keep(
        self,
        image_id: str,
        found: Mapping[int, list[Doubt]],
        kinds: Collection[FlagKind],
        newest: int | None,
    ) -> list[QualityFlag]:
        minded = {
            annotation: [doubt for doubt in doubts if doubt.kind not in self._ignored]
            for annotation, doubts in found.items()
        }
        return self._store.quality.settle(image_id, minded, kinds=kinds, up_to=newest)

    def _beside_readers(self, reading: _Reading, readings: list[_Reading]) -> Iterator[Doubt]:
        mask = reading.answer.mask
        for other in readings:
            if other is reading or mask is None or other.answer.mask is None:
                continue
            outline = Outline(mask=other.answer.mask, reader=other.annotation.reader)
            doubt = doubt_beside(mask, outline, self._limits)
            if doubt is not None:
                yield doubt

    def _near(self, image_id: str) -> dict[str, float | None]:
        """Near-duplicates that are known: stated ones, and those whose pixels gave them away."""
        near: dict[str, float | None] = dict.fromkeys(self._store.quality.duplicates_of(image_id))
        flags = self._store.quality.list(
            state=None, kind="duplicates_disagree", image_id=image_id, limit=None
        )
        for flag in flags:
            if "ncc" in flag.figures:
                near[flag.subject.removeprefix("image:")] = float(flag.figures["ncc"])
        return near

    def _beside_duplicates(self, reading: _Reading, near: Near) -> Iterator[Doubt]:
        for image_id, correlation in near.items():
            other = self._store.annotations.latest(image_id)
            if other is None:
                continue
            doubt = doubt_beside_duplicate(
                reading.answer,
                self._answer(other),
                self._limits,
                image_id=image_id,
                correlation=correlation,
            )
            if doubt is not None:
                yield doubt

    def _look_at_pixels(
        self,
        image_id: str,
        readings: list[_Reading],
        found: dict[int, list[Doubt]],
        kinds: set[FlagKind],
    ) -> None:
        """Add doubts of masks on their picture and beside the model's, and what was looked for."""
        try:
            picture = self._images.load(self._store.images.get(image_id))
            outline = self._model_outline(image_id, picture)
        except SonoloopError as error:
            logger.info("the labels of image %s are not held against it: %s", image_id, error)
            return
        kinds.add("outside_picture")
        if outline is not None:
            kinds.add("far_from_model")
        for reading in readings:
            mask = reading.answer.mask
            if mask is None:
                continue
            doubts = [doubt_on_picture(mask, picture.pixels, self._limits)]
            if outline is not None:
                doubts.append(doubt_beside(mask, outline, self._limits))
            found[reading.annotation.annotation_id] += [doubt for doubt in doubts if doubt]

    def _model_outline(self, image_id: str, picture: UltrasoundImage) -> Outline | None:
        """What the serving model marks; None while no model is loaded.

        Raises:
            SonoloopError: If the model fails.
        """
        serving = self._inference.model_ids.get("segmentation")
        if serving is None:
            return None
        draft = self._store.annotations.latest(image_id, "original")
        if draft is not None and draft.mask_path is not None and draft.source_model == serving:
            return Outline(mask=self._mask(draft), model_id=serving)
        findings = self._inference.analyse(picture)
        return Outline(mask=findings.mask, model_id=findings.models["segmentation"])


def _doubtful(readings: list[_Reading]) -> list[_Reading]:
    """Those that nobody has confirmed; none once the image was adjudicated."""
    if any(reading.annotation.adjudicates for reading in readings):
        return []
    return [reading for reading in readings if reading.annotation.state != "accepted"]
