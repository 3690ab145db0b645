"""What strategies are told of an image by the serving networks."""

from pathlib import Path

import numpy as np
import pytest

from sonoloop.active_learning.candidates import SCORE_NAMES
from sonoloop.active_learning.scores import bald_score, entropy_score
from sonoloop.errors import ModelError
from sonoloop.imaging.image import UltrasoundImage
from sonoloop.inference.acquisition import load_scorer
from sonoloop.inference.engine import Batch
from sonoloop.inference.features import OpenVinoFeatures, TorchFeatures, deepest, load_features
from sonoloop.inference.load import load_engine, load_pipeline
from sonoloop.settings import PipelineSettings
from sonoloop.transforms.letterbox import letterbox

CPU = PipelineSettings(device="cpu", threads=1)


def batch(count: int = 2) -> Batch:
    return np.random.default_rng(0).random((count, 1, 64, 64), dtype=np.float32)


def picture(seed: int, shape: tuple[int, int] = (50, 70)) -> UltrasoundImage:
    pixels = np.random.default_rng(seed).integers(0, 120, shape, dtype=np.uint8)
    pixels[10:30, 20:45] //= 4
    return UltrasoundImage(pixels=pixels, source_format="png")


def test_features_are_the_same_compiled_and_eager(segmenter_dir: Path) -> None:
    compiled, eager = load_features(segmenter_dir, CPU), TorchFeatures(segmenter_dir, device="cpu")

    assert isinstance(compiled, OpenVinoFeatures)
    for mine, theirs in zip(
        compiled.with_features(batch()), eager.with_features(batch()), strict=True
    ):
        np.testing.assert_allclose(mine, theirs, atol=1e-4)


def test_features_come_from_the_deepest_layer(segmenter_dir: Path) -> None:
    _, features = load_features(segmenter_dir, CPU).with_features(batch(3))

    assert features.shape == (3, 16)  # channels of the bottleneck
    assert features.dtype == np.float32
    assert not np.allclose(features[0], features[1])


def test_the_probabilities_are_those_of_the_serving_engine(segmenter_dir: Path) -> None:
    probabilities, _ = load_features(segmenter_dir, CPU).with_features(batch())

    np.testing.assert_allclose(probabilities, load_engine(segmenter_dir, CPU)(batch()), atol=1e-6)


def test_a_network_without_maps_has_no_features() -> None:
    with pytest.raises(ModelError, match="no feature maps"):
        deepest([(1, 64, 64), (128, 1, 1)])


class TestScorer:
    def test_every_score_is_there_and_the_same_every_time(
        self, segmenter_dir: Path, classifier_dir: Path
    ) -> None:
        scorer = load_scorer(segmenter_dir, classifier_dir, CPU)

        first, again = scorer(picture(0)), scorer(picture(0))

        assert tuple(first.scores) == SCORE_NAMES
        assert first.scores == again.scores
        assert first.embedding.tolist() == again.embedding.tolist()
        assert first.embedding.shape == (16,)

    def test_scores_are_those_of_the_image_and_its_mirror(
        self, segmenter_dir: Path, classifier_dir: Path
    ) -> None:
        image = picture(1)
        square, placement = letterbox(image.pixels, 64)
        engine = load_engine(segmenter_dir, CPU)
        straight = engine(square[None, None])[0, 0]
        mirrored = engine(np.ascontiguousarray(square[None, None, :, ::-1]))[0, 0][:, ::-1]
        rows = slice(placement.top, placement.top + placement.shape[0])
        members = np.stack([straight, mirrored])[:, rows]

        sight = load_scorer(segmenter_dir, classifier_dir, CPU)(image)

        assert sight.scores["entropy"] == pytest.approx(entropy_score(members), abs=1e-4)
        assert sight.scores["bald"] == pytest.approx(bald_score(members), abs=1e-4)

    def test_the_class_is_that_of_the_pipeline_with_flips(
        self, segmenter_dir: Path, classifier_dir: Path
    ) -> None:
        settings = PipelineSettings(device="cpu", threads=1, test_time_flips=True)
        image = picture(2)
        findings = load_pipeline(segmenter_dir, classifier_dir, settings)(image)

        sight = load_scorer(segmenter_dir, classifier_dir, settings)(image)

        second, first = sorted(findings.probabilities.values())[-2:]
        assert sight.scores["margin"] == pytest.approx(1 - (first - second), abs=1e-4)
        assert list(findings.probabilities)[int(sight.scores["predicted_class"])] == (
            findings.pathology
        )

    def test_a_mirrored_image_scores_the_same(
        self, segmenter_dir: Path, classifier_dir: Path
    ) -> None:
        scorer = load_scorer(segmenter_dir, classifier_dir, CPU)
        image = picture(3)
        mirror = UltrasoundImage(pixels=image.pixels[:, ::-1].copy(), source_format="png")

        mine, theirs = scorer(image), scorer(mirror)

        assert mine.scores["entropy"] == pytest.approx(theirs.scores["entropy"], abs=1e-4)
        np.testing.assert_allclose(mine.embedding, theirs.embedding, atol=1e-4)
