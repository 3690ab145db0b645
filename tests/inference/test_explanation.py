import numpy as np
import pytest

from sonoloop.errors import ConflictError, InvalidRequestError
from sonoloop.geometry import Box
from sonoloop.imaging.image import UltrasoundImage
from sonoloop.inference.engine import Batch
from sonoloop.inference.explain import Explains, heat_map
from sonoloop.inference.pipeline import DualStagePipeline
from sonoloop.labels import Pathology
from sonoloop.networks.card import ModelCard
from sonoloop.settings import PipelineSettings
from sonoloop.transforms.letterbox import placement_in


class Bright:
    """A segmenter that takes grey values for probabilities."""

    card = ModelCard(model_id="bright", task="segmentation", architecture="none", input_size_px=64)

    def __call__(self, batch: Batch) -> Batch:
        return batch.copy()


class SeesTheUpperLeft:
    """A classifier of whom only the upper left quarter of a crop speaks for malignancy."""

    card = ModelCard(
        model_id="quarter",
        task="classification",
        architecture="none",
        input_size_px=64,
        classes=("benign", "malignant"),
        crop_margin=0.0,
    )
    has_maps = True

    def __call__(self, batch: Batch) -> Batch:
        return np.tile(np.array([0.2, 0.8], np.float32), (len(batch), 1))

    def class_maps(self, batch: Batch) -> Batch:
        maps = np.full((len(batch), 2, 4, 4), -1.0, np.float32)
        maps[:, 1, :2, :2] = np.arange(1, len(batch) + 1)[:, None, None]
        return maps


class Silent(SeesTheUpperLeft):
    has_maps = False


def two_squares() -> UltrasoundImage:
    pixels = np.zeros((128, 128), np.uint8)
    pixels[16:56, 16:56] = 255
    pixels[80:112, 80:112] = 255
    return UltrasoundImage(pixels=pixels, source_format="png")


@pytest.fixture
def pipeline() -> DualStagePipeline:
    return DualStagePipeline(Bright(), SeesTheUpperLeft(), PipelineSettings())


def test_heat_lies_where_the_classifier_looked(pipeline: DualStagePipeline) -> None:
    image = two_squares()

    explanation = pipeline.explain(image)

    assert isinstance(pipeline, Explains)
    assert explanation.pathology is Pathology.MALIGNANT
    assert explanation.boxes == tuple(lesion.box for lesion in explanation.findings.lesions)
    heat = explanation.heat
    assert heat.shape == image.shape
    assert heat.dtype == np.float32
    for box in explanation.boxes:
        inside = heat[box.top : box.bottom, box.left : box.right]
        quarter = inside[: box.height // 2, : box.width // 2]
        assert quarter.sum() > 0.85 * inside.sum()
        inside[:] = 0
    assert not heat.any()


def test_crops_share_one_scale(pipeline: DualStagePipeline) -> None:
    explanation = pipeline.explain(two_squares())

    first, second = (
        explanation.heat[box.top : box.bottom, box.left : box.right].max()
        for box in explanation.boxes
    )
    assert (first, second) == (pytest.approx(0.5), pytest.approx(1.0))


def test_what_nothing_speaks_for_stays_cold(pipeline: DualStagePipeline) -> None:
    explanation = pipeline.explain(two_squares(), Pathology.BENIGN)

    assert explanation.pathology is Pathology.BENIGN
    assert not explanation.heat.any()


def test_an_image_without_a_mark_is_explained_whole(pipeline: DualStagePipeline) -> None:
    blank = UltrasoundImage(pixels=np.zeros((60, 100), np.uint8), source_format="png")

    explanation = pipeline.explain(blank)

    assert explanation.boxes == (Box(0, 0, 60, 100),)
    assert explanation.heat.max() == pytest.approx(1.0)


def test_a_pathology_the_classifier_does_not_tell_is_refused(pipeline: DualStagePipeline) -> None:
    with pytest.raises(InvalidRequestError, match=r"does not tell normal \(it tells benign, mal"):
        pipeline.explain(two_squares(), Pathology.NORMAL)


def test_a_classifier_without_maps_says_why() -> None:
    pipeline = DualStagePipeline(Bright(), Silent(), PipelineSettings())

    assert pipeline.unexplained is not None
    with pytest.raises(ConflictError, match="quarter offers no explanation: the head of none"):
        pipeline.explain(two_squares())


def test_where_crops_overlap_the_hotter_one_counts() -> None:
    maps = np.stack([np.full((2, 2), 1.0), np.full((2, 2), 4.0)]).astype(np.float32)
    boxes = [Box(0, 0, 20, 20), Box(10, 10, 30, 30)]
    placements = [placement_in((20, 20), 32)] * 2

    heat = heat_map(maps, placements, boxes, size_px=32, shape=(40, 40))

    assert heat[5, 5] == pytest.approx(0.25)
    assert heat[15, 15] == pytest.approx(1.0)
    assert heat[35, 35] == 0
