"""How much there is to learn from an image, as the serving networks see it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sonoloop.active_learning.scores import image_scores
from sonoloop.imaging.image import UltrasoundImage
from sonoloop.inference.engine import Engine
from sonoloop.inference.features import FeatureEngine, load_features
from sonoloop.inference.load import load_engine
from sonoloop.inference.looks import Looks, put_back
from sonoloop.inference.pipeline import DualStagePipeline
from sonoloop.settings import PipelineSettings
from sonoloop.transforms.letterbox import letterbox


@dataclass(frozen=True, slots=True)
class Sight:
    """What strategies ask of an image.

    Attributes:
        scores: By the names of ``active_learning.candidates.SCORE_NAMES``.
        embedding: (D,) float32, the segmenter's features.
    """

    scores: dict[str, float]
    embedding: npt.NDArray[np.float32]


class ImageScorer:
    """Scores of images under the image and its left-right mirror, the two members.

    Args:
        segmenter: With features.
        classifier: Engine of a classification model.
        settings: Thresholds and margins of the serving pipeline.

    Raises:
        ModelError: If an engine holds a model of the other task.
    """

    def __init__(
        self, segmenter: FeatureEngine, classifier: Engine, settings: PipelineSettings
    ) -> None:
        self._pipeline = DualStagePipeline(segmenter, classifier, settings)
        self._segmenter = segmenter

    def __call__(self, image: UltrasoundImage) -> Sight:
        """Scores and embedding of one image."""
        card = self._segmenter.card
        pixels, part = Looks(image.pixels).after(card.preprocessing)
        square, placement = letterbox(pixels, card.input_size_px)
        views = np.stack([square, square[:, ::-1]])[:, None]
        maps, features = self._segmenter.with_features(views)
        members = np.stack([maps[0, 0], maps[1, 0][:, ::-1]])
        mean = put_back(placement.restore(members.mean(axis=0)), part, image.shape)
        height, width = placement.shape
        inside = members[
            :, placement.top : placement.top + height, placement.left : placement.left + width
        ]
        scores = image_scores(
            inside,
            self._pipeline.judge(image.pixels, mean),
            threshold=self._pipeline.settings.mask_threshold,
        )
        return Sight(scores, features.mean(axis=0))


def load_scorer(
    segmentation_dir: Path, classification_dir: Path, settings: PipelineSettings
) -> ImageScorer:
    """The scorer of two model folders.

    Raises:
        ModelError: If a folder is incomplete, corrupt, or of the wrong task.
        ConfigError: If a GPU is asked for that is not there.
    """
    return ImageScorer(
        load_features(segmentation_dir, settings),
        load_engine(classification_dir, settings),
        settings,
    )
