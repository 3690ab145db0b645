from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from sonoloop.geometry import Box, SpacingMm
from sonoloop.imaging.image import ImageIdentity, UltrasoundImage
from sonoloop.inference.components import lesion_masks
from sonoloop.inference.engine import Batch
from sonoloop.inference.evaluate import evaluate_images
from sonoloop.inference.findings_json import findings_to_params
from sonoloop.inference.pipeline import DualStagePipeline
from sonoloop.labels import Pathology
from sonoloop.networks.card import ModelCard
from sonoloop.records import LabelledImage
from sonoloop.settings import PipelineSettings


class BrightIsLesion:
    """A segmenter that takes grey values for probabilities."""

    card = ModelCard(model_id="bright", task="segmentation", architecture="none", input_size_px=64)

    def __call__(self, batch: Batch) -> Batch:
        return batch.copy()


class LeftIsMalignant:
    """A classifier whose malignancy is the mean grey of a crop; remembers what it saw."""

    card = ModelCard(
        model_id="mean",
        task="classification",
        architecture="none",
        input_size_px=32,
        crop_margin=0.5,
    )

    def __init__(self) -> None:
        self.seen: list[Batch] = []

    def __call__(self, batch: Batch) -> Batch:
        self.seen.append(batch)
        grey = batch.mean(axis=(1, 2, 3))
        return np.stack([np.zeros_like(grey), 1 - grey, grey], axis=1)


def image_of(pixels: npt.NDArray[np.uint8], spacing_mm: SpacingMm | None = None) -> UltrasoundImage:
    identity = ImageIdentity(
        sop_instance_uid=None,
        series_instance_uid=None,
        study_instance_uid=None,
        patient_id=None,
        modality="US",
        study_date=None,
    )
    return UltrasoundImage(
        pixels=pixels,
        frame=0,
        frame_count=1,
        spacing_mm=spacing_mm,
        region=None,
        identity=identity,
        flags=("burned_in_annotation",),
        source_format="png",
    )


def picture(*boxes: Box, shape: tuple[int, int] = (96, 160)) -> npt.NDArray[np.uint8]:
    pixels = np.zeros(shape, np.uint8)
    for box in boxes:
        pixels[box.top : box.bottom, box.left : box.right] = 255
    return pixels


@pytest.fixture
def classifier() -> LeftIsMalignant:
    return LeftIsMalignant()


@pytest.fixture
def pipeline(classifier: LeftIsMalignant) -> DualStagePipeline:
    settings = PipelineSettings(min_relative_component=0, test_time_flips=False)
    return DualStagePipeline(BrightIsLesion(), classifier, settings)


def test_the_mask_lies_on_the_images_own_grid(pipeline: DualStagePipeline) -> None:
    lesion = Box(20, 40, 60, 100)

    findings = pipeline(image_of(picture(lesion)))

    expected = picture(lesion) > 0
    assert findings.mask.shape == (96, 160)
    assert (findings.mask != expected).mean() < 0.02
    assert len(findings.lesions) == 1


def test_two_lesions_come_largest_first_each_with_its_own_assessment(
    pipeline: DualStagePipeline,
) -> None:
    findings = pipeline(image_of(picture(Box(10, 10, 26, 30), Box(30, 80, 80, 140))))

    first, second = findings.lesions
    assert first.area_px > second.area_px
    assert first.box.left > second.box.left
    leading = max(first.probabilities[p] for p in (Pathology.MALIGNANT,))
    assert findings.probabilities[Pathology.MALIGNANT] == pytest.approx(
        max(leading, second.probabilities[Pathology.MALIGNANT])
    )


def test_specks_are_not_lesions(pipeline: DualStagePipeline) -> None:
    findings = pipeline(image_of(picture(Box(40, 40, 42, 42), shape=(400, 400))))

    assert findings.lesions == ()
    assert not findings.mask.any()


def test_an_image_without_a_mark_is_classified_whole(
    pipeline: DualStagePipeline, classifier: LeftIsMalignant
) -> None:
    findings = pipeline(image_of(np.full((96, 160), 100, np.uint8)))

    assert findings.lesions == ()
    assert findings.pathology is Pathology.BENIGN
    assert classifier.seen[0].shape == (1, 1, 32, 32)


def test_the_classifier_sees_the_margin_of_its_own_card(
    pipeline: DualStagePipeline, classifier: LeftIsMalignant
) -> None:
    pipeline(image_of(picture(Box(32, 64, 64, 96))))

    inner = classifier.seen[0][0, 0] > 0.5
    assert inner.mean() == pytest.approx(1 / 4, abs=0.06)


def test_areas_need_a_calibration(pipeline: DualStagePipeline) -> None:
    pixels = picture(Box(20, 40, 60, 100))

    without = pipeline(image_of(pixels)).lesions[0]
    calibrated = pipeline(image_of(pixels, (0.1, 0.2))).lesions[0]

    assert without.area_mm2 is None
    assert calibrated.area_mm2 == pytest.approx(calibrated.area_px * 0.02)


def test_flips_average_both_views(classifier: LeftIsMalignant) -> None:
    class LeftHalf(BrightIsLesion):
        def __call__(self, batch: Batch) -> Batch:
            marked = np.zeros_like(batch)
            marked[..., :32] = 1
            return marked

    settings = PipelineSettings(test_time_flips=True)
    flipping = DualStagePipeline(LeftHalf(), classifier, settings)

    np.testing.assert_allclose(flipping.probability_map(np.zeros((64, 64), np.uint8)), 0.5)


def test_flips_average_what_the_classifier_says_of_both_views(
    classifier: LeftIsMalignant,
) -> None:
    left = np.zeros((64, 64), np.uint8)
    left[:, :32] = 255
    flipping = DualStagePipeline(BrightIsLesion(), classifier, PipelineSettings())

    of_left, of_right = (flipping.classify(view, []) for view in (left, left[:, ::-1]))

    np.testing.assert_allclose(of_left, of_right, atol=1e-6)
    assert classifier.seen[0].shape == (2, 1, 32, 32)


def test_params_carry_everything_but_the_pixels(pipeline: DualStagePipeline) -> None:
    params = findings_to_params(pipeline(image_of(picture(Box(20, 40, 60, 100)), (0.1, 0.1))))

    assert params["label_names"] == {"lesion": 1}
    assert params["models"] == {"segmentation": "bright", "classification": "mean"}
    assert params["flags"] == ["burned_in_annotation"]
    assert sum(params["probabilities"].values()) == pytest.approx(1, abs=1e-3)
    assert params["lesions"][0]["pathology"] in ("benign", "malignant")


def test_holes_are_filled_and_the_input_is_left_alone() -> None:
    ring = np.zeros((40, 40), np.float32)
    ring[5:35, 5:35] = 0.9
    ring[15:25, 15:25] = 0.1
    before = ring.copy()

    (mask,) = lesion_masks(ring, threshold=0.5, min_fraction=0.01, max_lesions=3)

    assert mask.sum() == 900
    np.testing.assert_array_equal(ring, before)


def test_only_so_many_lesions_are_kept() -> None:
    dots = np.zeros((40, 40), np.float32)
    dots[::4, ::4] = 1

    assert len(lesion_masks(dots, threshold=0.5, min_fraction=0, max_lesions=7)) == 7


def test_an_unreadable_image_is_told_and_the_others_go_on(
    pipeline: DualStagePipeline, tmp_path: Path
) -> None:
    from PIL import Image

    Image.fromarray(picture(Box(20, 40, 60, 100))).save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"torn")
    items = [
        LabelledImage(image_id=name, image_path=tmp_path / f"{name}.png", patient=name)
        for name in ("bad", "good")
    ]

    cases, unread = evaluate_images(pipeline, items)

    assert [case.image_id for case in cases] == ["good"]
    assert [image for image, _ in unread] == ["bad"]
