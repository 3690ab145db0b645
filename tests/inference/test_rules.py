"""Which marks stand, what a classifier of fewer pathologies says, and doubt in the findings."""

import numpy as np
import numpy.typing as npt
import pytest

from sonoloop.errors import ModelError
from sonoloop.geometry import Box
from sonoloop.imaging.image import UltrasoundImage
from sonoloop.inference.components import lesion_masks
from sonoloop.inference.engine import Batch
from sonoloop.inference.findings_json import findings_to_params
from sonoloop.inference.pipeline import DualStagePipeline
from sonoloop.labels import PATHOLOGIES, Pathology
from sonoloop.networks.card import ModelCard
from sonoloop.settings import PipelineSettings

LARGE, SMALL = Box(20, 20, 80, 80), Box(20, 110, 44, 134)


class Bright:
    """A segmenter that takes grey values for probabilities."""

    def __init__(self, *steps: str) -> None:
        self.card = ModelCard(
            model_id="bright",
            task="segmentation",
            architecture="none",
            input_size_px=160,
            preprocessing=steps,
        )

    def __call__(self, batch: Batch) -> Batch:
        return batch.copy()


class Says:
    """A classifier that gives its rows in turn."""

    def __init__(self, *rows: list[float], classes: tuple[str, ...] = tuple(PATHOLOGIES)) -> None:
        self.card = ModelCard(
            model_id="says",
            task="classification",
            architecture="none",
            input_size_px=32,
            classes=classes,
            crop_margin=0.0,
        )
        self._rows = np.array(rows, dtype=np.float32)
        self.calls = 0

    def __call__(self, batch: Batch) -> Batch:
        self.calls += 1
        return self._rows[: len(batch)]


def image_of(*boxes: Box, grey: int = 255) -> UltrasoundImage:
    pixels = np.zeros((160, 160), np.uint8)
    for box in boxes:
        pixels[box.top : box.bottom, box.left : box.right] = grey
    return UltrasoundImage(pixels=pixels, source_format="png")


def boxes_in(mask: npt.NDArray[np.bool_]) -> set[tuple[int, int]]:
    return {(b.top, b.left) for b in (LARGE, SMALL) if mask[b.top + 5, b.left + 5]}


BENIGN, NORMAL = [0.1, 0.8, 0.1], [0.95, 0.04, 0.01]


def test_a_mark_the_classifier_calls_normal_is_dropped() -> None:
    pipeline = DualStagePipeline(
        Bright(),
        Says(NORMAL, BENIGN),
        PipelineSettings(test_time_flips=False, normal_veto=0.9, min_relative_component=0),
    )

    findings = pipeline(image_of(LARGE, SMALL))

    assert boxes_in(findings.mask) == {(SMALL.top, SMALL.left)}
    assert [lesion.box for lesion in findings.lesions] == [SMALL]
    assert findings.lesions[0].probabilities[Pathology.BENIGN] == pytest.approx(0.8)
    assert findings.probabilities[Pathology.BENIGN] == pytest.approx(0.8)


def test_when_every_mark_is_vetoed_nothing_is_marked_and_the_marks_still_answer() -> None:
    classifier = Says(NORMAL, [0.92, 0.05, 0.03])
    pipeline = DualStagePipeline(
        Bright(),
        classifier,
        PipelineSettings(test_time_flips=False, normal_veto=0.9, min_relative_component=0),
    )

    findings = pipeline(image_of(LARGE, SMALL))

    assert not findings.mask.any()
    assert findings.lesions == ()
    assert findings.pathology is Pathology.NORMAL
    assert findings.probabilities[Pathology.MALIGNANT] == pytest.approx(0.03)
    assert findings.uncertainty == pytest.approx(0.08)
    assert classifier.calls == 1


def test_without_a_veto_even_a_surely_normal_mark_stands() -> None:
    pipeline = DualStagePipeline(
        Bright(), Says([1.0, 0.0, 0.0]), PipelineSettings(test_time_flips=False)
    )

    assert len(pipeline(image_of(LARGE)).lesions) == 1


@pytest.mark.parametrize(("share", "kept"), [(0.0, 2), (0.15, 2), (0.17, 1), (1.0, 1)])
def test_components_far_smaller_than_the_largest_are_dropped(share: float, kept: int) -> None:
    settings = PipelineSettings(test_time_flips=False, min_relative_component=share)
    pipeline = DualStagePipeline(Bright(), Says(BENIGN, BENIGN), settings)

    findings = pipeline(image_of(LARGE, SMALL))  # 576 of 3,600 pixels: 0.16

    assert len(findings.lesions) == kept


def test_the_largest_component_stands_whatever_the_share() -> None:
    probability_map = (image_of(SMALL).pixels / 255).astype(np.float32)

    masks = lesion_masks(
        probability_map, threshold=0.5, min_fraction=0, max_lesions=3, min_relative=1.0
    )

    assert len(masks) == 1


def test_a_classifier_of_two_pathologies_says_nothing_of_the_third() -> None:
    classifier = Says([0.3, 0.7], classes=("benign", "malignant"))
    pipeline = DualStagePipeline(Bright(), classifier, PipelineSettings(test_time_flips=False))

    findings = pipeline(image_of(LARGE))

    assert list(findings.probabilities.values()) == pytest.approx([0.0, 0.3, 0.7])
    assert findings.pathology is Pathology.MALIGNANT
    assert pipeline.classify(image_of().pixels, []).shape == (1, 3)


def test_outputs_are_taken_by_name_not_by_place() -> None:
    classifier = Says([0.7, 0.1, 0.2], classes=("malignant", "normal", "benign"))

    rows = DualStagePipeline(
        Bright(), classifier, PipelineSettings(test_time_flips=False)
    ).classify(image_of().pixels, [])

    np.testing.assert_allclose(rows, [[0.1, 0.2, 0.7]], atol=1e-6)


@pytest.mark.parametrize("classes", [("cyst", "malignant"), ("benign", "benign")])
def test_a_classifier_of_other_things_is_refused(classes: tuple[str, ...]) -> None:
    with pytest.raises(ModelError, match=f"says tells {', '.join(classes)} apart"):
        DualStagePipeline(
            Bright(), Says([0.5, 0.5], classes=classes), PipelineSettings(test_time_flips=False)
        )


def test_doubt_is_told_and_grows_with_the_networks_hesitation() -> None:
    pipeline = DualStagePipeline(Bright(), Says(BENIGN), PipelineSettings(test_time_flips=False))

    sure, unsure = pipeline(image_of(LARGE)), pipeline(image_of(LARGE, grey=150))

    assert sure.uncertainty == pytest.approx(0, abs=0.02)
    assert unsure.uncertainty == pytest.approx(1 - 2 * 150 / (255 + 150), abs=0.02)
    params = findings_to_params(unsure)
    assert params["uncertainty"] == pytest.approx(unsure.uncertainty, abs=1e-4)
    assert 0 < params["pathology_uncertainty"] < 1


def test_two_classes_at_even_odds_are_as_undecided_as_can_be() -> None:
    classifier = Says([0.5, 0.5], classes=("benign", "malignant"))

    findings = DualStagePipeline(Bright(), classifier, PipelineSettings(test_time_flips=False))(
        image_of(LARGE)
    )

    assert findings.pathology_uncertainty == pytest.approx(1.0)


def test_views_that_disagree_raise_the_doubt() -> None:
    class OneSided(Bright):
        def __call__(self, batch: Batch) -> Batch:
            marked = np.zeros_like(batch)
            marked[..., 40:120, :80] = 1
            return marked

    plain, flipped = (
        DualStagePipeline(
            OneSided(), Says(*[BENIGN] * views), PipelineSettings(test_time_flips=views == 2)
        )
        for views in (1, 2)
    )

    assert plain(image_of()).uncertainty == pytest.approx(0, abs=0.01)
    assert (flipped(image_of()).uncertainty or 0) > 0.5


def test_masks_and_maps_of_a_stripped_image_lie_on_its_own_grid() -> None:
    rng = np.random.default_rng(0)
    pixels = np.zeros((300, 400), np.uint8)
    speckle = 60 + 20 * np.log(rng.rayleigh(size=(200, 250)) + 1e-3)
    pixels[50:250, 90:340] = np.clip(speckle, 0, 120)
    pixels[100:160, 150:250] = 250
    pixels[280:290, 10:60] = 255  # a text in the frame
    image = UltrasoundImage(pixels=pixels, source_format="png")

    settings = PipelineSettings(test_time_flips=False, min_relative_component=0, mask_threshold=0.5)
    stripped, plain = (
        DualStagePipeline(Bright(*steps), Says(BENIGN, BENIGN), settings)(image)
        for steps in (["strip_border"], [])
    )

    truth = np.zeros((300, 400), bool)
    truth[100:160, 150:250] = True
    assert len(plain.lesions) == 2
    assert len(stripped.lesions) == 1
    assert stripped.mask.shape == stripped.probability_map.shape == (300, 400)
    assert (stripped.mask != truth).sum() < 0.05 * truth.sum()
    assert not stripped.probability_map[260:].any()
