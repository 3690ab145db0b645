"""What a network is trained on is what it is asked about."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sonoloop.geometry import Box, bounding_box
from sonoloop.imaging.read import read_image
from sonoloop.inference.engine import Batch
from sonoloop.inference.pipeline import DualStagePipeline
from sonoloop.labels import Pathology
from sonoloop.networks.card import ModelCard, read_card
from sonoloop.networks.weights import load_model
from sonoloop.records import LabelledImage
from sonoloop.settings import PipelineSettings, TrainingSettings
from sonoloop.training.examples import classification_examples, segmentation_examples
from sonoloop.training.segmentation import train_segmentation
from sonoloop.training.start import starting_network

STEPS = ("strip_border", "despeckle", "equalise")
LESION = Box(100, 140, 180, 240)


class Remembers:
    """An engine that keeps what it was shown and answers with a constant."""

    def __init__(self, card: ModelCard, answer: float) -> None:
        self.card, self._answer = card, answer
        self.seen: list[Batch] = []

    def __call__(self, batch: Batch) -> Batch:
        self.seen.append(batch)
        if self.card.task == "segmentation":
            return np.full_like(batch, self._answer)
        return np.full((len(batch), 3), self._answer, dtype=np.float32)


@pytest.fixture
def framed(tmp_path: Path) -> LabelledImage:
    """Speckle with a dark lesion, in a black frame."""
    rng = np.random.default_rng(0)
    pixels = np.zeros((300, 400), dtype=np.uint8)
    speckle = np.clip(110 + 25 * np.log(rng.rayleigh(size=(200, 250)) + 1e-3), 0, 255)
    pixels[50:250, 90:340] = speckle
    mask = np.zeros((300, 400), dtype=np.uint8)
    inside = (slice(LESION.top, LESION.bottom), slice(LESION.left, LESION.right))
    pixels[inside] //= 3
    mask[inside] = 255
    Image.fromarray(pixels).save(tmp_path / "framed.png")
    Image.fromarray(mask).save(tmp_path / "mask.png")
    return LabelledImage(
        image_id="framed",
        image_path=tmp_path / "framed.png",
        mask_paths=(tmp_path / "mask.png",),
        has_mask=True,
        pathology=Pathology.BENIGN,
        patient="p",
    )


def test_training_and_inference_show_the_networks_the_same(framed: LabelledImage) -> None:
    seg = ModelCard(
        model_id="s",
        task="segmentation",
        architecture="none",
        input_size_px=96,
        preprocessing=STEPS,
    )
    cls = ModelCard(
        model_id="c",
        task="classification",
        architecture="none",
        input_size_px=64,
        crop_margin=0.25,
        preprocessing=STEPS,
    )
    segmenter, classifier = Remembers(seg, 0.0), Remembers(cls, 1 / 3)
    pipeline = DualStagePipeline(segmenter, classifier, PipelineSettings())
    settings = TrainingSettings(input_size_px=64, preprocessing=STEPS)
    image = read_image(framed.image_path)

    pipeline(image)
    pipeline.classify(image.pixels, [LESION])
    outline = segmentation_examples([framed], 96, preprocessing=STEPS)
    crop = classification_examples([framed], settings, min_pathologies=1)

    np.testing.assert_allclose(segmenter.seen[0][0, 0], outline.images[0] / 255, atol=1e-6)
    np.testing.assert_allclose(classifier.seen[1][0, 0], crop.crops[0] / 255, atol=1e-6)


def test_the_mask_stays_on_the_lesion_when_the_frame_goes(framed: LabelledImage) -> None:
    whole = segmentation_examples([framed], 96)
    stripped = segmentation_examples([framed], 96, preprocessing=["strip_border"])

    before, after = bounding_box(whole.masks[0] > 0), bounding_box(stripped.masks[0] > 0)
    assert before is not None
    assert after is not None
    assert after.height > 1.3 * before.height
    inside, around = stripped.images[0][stripped.masks[0] > 0], stripped.images[0][10:86, :20]
    assert inside.mean() < 0.6 * around[around > 0].mean()


@pytest.mark.usefixtures("small_networks")
def test_the_card_asks_for_what_was_trained_with_and_a_warm_start_keeps_it(
    blobs: list[LabelledImage], tmp_path: Path
) -> None:
    quick = TrainingSettings(
        input_size_px=64, max_epochs=1, tracking="none", device="cpu", preprocessing=("equalise",)
    )

    folder = train_segmentation(blobs, quick, tmp_path)

    assert read_card(folder).preprocessing == ("equalise",)
    assert load_model(folder)[1].preprocessing == ("equalise",)
    plain = starting_network("segmentation", TrainingSettings(), folder)[-1]
    other = TrainingSettings(preprocessing=("despeckle",))
    assert plain.preprocessing == ("equalise",)
    assert starting_network("segmentation", other, folder)[-1].preprocessing == ("despeckle",)
