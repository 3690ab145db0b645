import dataclasses

import numpy as np
import numpy.typing as npt
import pytest

from sonoloop.imaging.image import UltrasoundImage
from sonoloop.inference.absent import Absent
from sonoloop.inference.engine import Batch
from sonoloop.inference.pipeline import DualStagePipeline
from sonoloop.labels import PATHOLOGIES, Pathology
from sonoloop.networks.card import ModelCard
from sonoloop.records import LabelledImage
from sonoloop.scenarios.assay import WithMargin, assay, examiner
from sonoloop.scenarios.catalogue import Setup
from sonoloop.scenarios.plan import Crop
from sonoloop.settings import PipelineSettings

STRAIGHT = PipelineSettings(test_time_flips=False)
"""Looks at each image once: what is on the left alone stays there."""


class BrightIsMalignant:
    """A classifier whose malignancy is the mean grey of what it is shown."""

    card = ModelCard(
        model_id="mean",
        task="classification",
        architecture="none",
        input_size_px=64,
        classes=tuple(PATHOLOGIES),
        crop_margin=0.0,
    )

    def __call__(self, batch: Batch) -> Batch:
        grey = batch.mean(axis=(1, 2, 3))
        return np.stack([np.zeros_like(grey), 1 - grey, grey], axis=1)


class LeftHalf:
    """A segmenter that marks the left half of everything."""

    card = ModelCard(model_id="left", task="segmentation", architecture="none", input_size_px=64)

    def __call__(self, batch: Batch) -> Batch:
        marked = np.zeros_like(batch)
        marked[..., :32] = 1
        return marked


def image_of(pixels: npt.NDArray[np.uint8]) -> UltrasoundImage:
    return UltrasoundImage(pixels=pixels, source_format="png")


@pytest.fixture
def picture() -> UltrasoundImage:
    """64 px square: dark, 100 in the left half, 200 in a lesion on the right."""
    pixels = np.zeros((64, 64), np.uint8)
    pixels[:, :32] = 100
    pixels[16:32, 40:56] = 200
    return image_of(pixels)


@pytest.mark.parametrize(
    ("crop", "seen"),
    [("whole", 100 / 2 + 200 / 16), ("true", 200), ("predicted", 100 / 2)],  # half is black bars
)
def test_the_classifier_sees_the_crop_that_is_named(
    picture: UltrasoundImage, crop: Crop, seen: float
) -> None:
    pipeline = DualStagePipeline(LeftHalf(), BrightIsMalignant(), STRAIGHT)
    truth = picture.pixels == 200

    findings = examiner(pipeline, crop)(picture, truth)

    assert findings.probabilities[Pathology.MALIGNANT] == pytest.approx(seen / 255, abs=0.01)


def test_the_lesion_most_likely_malignant_speaks_for_the_image(picture: UltrasoundImage) -> None:
    pixels = picture.pixels.copy()
    pixels[50:60, 40:60] = 120
    pipeline = DualStagePipeline(Absent("segmentation"), BrightIsMalignant(), PipelineSettings())

    findings = examiner(pipeline, "true")(image_of(pixels), pixels >= 120)

    assert findings.probabilities[Pathology.MALIGNANT] == pytest.approx(200 / 255, abs=0.01)


def test_another_margin_shows_more_of_the_image(picture: UltrasoundImage) -> None:
    wide = WithMargin(BrightIsMalignant(), 0.5)
    truth = picture.pixels == 200

    found = [
        examiner(DualStagePipeline(Absent("segmentation"), classifier, PipelineSettings()), "true")(
            picture, truth
        ).probabilities[Pathology.MALIGNANT]
        for classifier in (BrightIsMalignant(), wide)
    ]

    assert found[1] == pytest.approx(found[0] / 4, abs=0.01)


def test_absent_models_mark_nothing_and_know_nothing(picture: UltrasoundImage) -> None:
    pipeline = DualStagePipeline(
        Absent("segmentation"), Absent("classification"), PipelineSettings()
    )

    findings = pipeline(picture)

    assert not findings.mask.any()
    assert list(findings.probabilities.values()) == pytest.approx([1 / 3] * 3)


def test_an_unreadable_image_is_told_and_the_others_are_evaluated(setup: Setup) -> None:
    items: list[LabelledImage] = list(setup.sets["north"].images[:3])
    items[1] = dataclasses.replace(items[1], image_path=items[1].image_path.with_name("gone.png"))
    pipeline = DualStagePipeline(LeftHalf(), BrightIsMalignant(), STRAIGHT)

    cases, failures = assay(examiner(pipeline, "predicted"), items)

    assert [case.image_id for case in cases] == [items[0].image_id, items[2].image_id]
    assert [name for name, _ in failures] == [items[1].image_id]
