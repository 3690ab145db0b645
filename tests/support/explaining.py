"""A stand-in pipeline that explains: what is bright speaks for the diagnosis."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from fakes import load_threshold
from sonoloop.errors import ConflictError, InvalidRequestError
from sonoloop.geometry import Box
from sonoloop.imaging.image import UltrasoundImage
from sonoloop.inference.explain import Explanation
from sonoloop.labels import Pathology
from sonoloop.records import Findings
from sonoloop.settings import PipelineSettings


class HotWhereBright:
    """The thresholding pipeline, whose grey values above 150 speak for malignancy."""

    def __init__(self, *paths: Path, settings: PipelineSettings, unexplained: str | None) -> None:
        self._pipeline = load_threshold(paths[0], paths[1], settings)
        self.unexplained = unexplained

    def __call__(self, image: UltrasoundImage) -> Findings:
        return self._pipeline(image)

    def explain(self, image: UltrasoundImage, pathology: Pathology | None = None) -> Explanation:
        if self.unexplained:
            raise ConflictError(self.unexplained)
        findings = self(image)
        pathology = pathology or findings.pathology
        if pathology is Pathology.NORMAL:
            raise InvalidRequestError("cls does not tell normal (it tells benign, malignant)")
        heat = (image.pixels > 150).astype(np.float32)
        if pathology is Pathology.BENIGN:
            heat[:] = 0
        boxes = (Box(0, 0, *image.shape),)
        return Explanation(heat=heat, pathology=pathology, boxes=boxes, findings=findings)


def load_explaining(unexplained: str | None) -> Callable[..., HotWhereBright]:
    """Loads such pipelines; ``unexplained`` says why they explain nothing, or is None."""

    def load(first: Path, second: Path, settings: PipelineSettings) -> HotWhereBright:
        return HotWhereBright(first, second, settings=settings, unexplained=unexplained)

    return load
