import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from sonoloop.errors import TrainingError
from sonoloop.labels import PATHOLOGIES, Pathology
from sonoloop.networks.card import read_card
from sonoloop.records import LabelledImage
from sonoloop.settings import TrainingSettings
from sonoloop.training.classification import _Loss, train_classification
from sonoloop.training.examples import TASK_CLASSES, classification_examples, for_classifier
from sonoloop.training.start import starting_network

pytestmark = pytest.mark.usefixtures("small_networks")

QUICK = TrainingSettings(
    input_size_px=64,
    max_epochs=1,
    batch_size=4,
    learning_rate=5e-3,
    validation_fraction=0.3,
    ema_decay=0.5,
    tracking="none",
    precision="float32",
    threads=1,
    device="cpu",
)
TWO = dataclasses.replace(QUICK, task="benign-malignant")
WHOLE = dataclasses.replace(TWO, crop="whole")


@pytest.fixture
def pictures(blobs: list[LabelledImage]) -> list[LabelledImage]:
    """Pictures of which nothing but the pathology is known."""
    return [
        dataclasses.replace(item, mask_paths=(), has_mask=False, patient="")
        for item in blobs
        if item.pathology is not Pathology.NORMAL
    ]


def test_a_classifier_is_trained_calibrated_and_described(
    blobs: list[LabelledImage], tmp_path: Path
) -> None:
    settings = dataclasses.replace(QUICK, crop_margin=0.4, crop_jitter=0.15)

    card = read_card(train_classification(blobs, settings, tmp_path))

    assert card.classes == ("normal", "benign", "malignant")
    assert 0.2 <= card.temperature <= 10
    assert (card.crop_margin, card.crop, card.options) == (0.4, "lesion", {})
    assert 0 <= card.metrics["validation"]["auc"] <= 1


def test_the_operating_point_finds_the_malignant_validation_images(
    blobs: list[LabelledImage], tmp_path: Path
) -> None:
    card = read_card(train_classification(blobs, QUICK, tmp_path))

    figures = card.metrics["validation"]["at_operating_point"]
    assert card.operating_point == figures["threshold"]
    assert figures["sensitivity"] >= 0.95
    assert figures["malignant"] + figures["others"] == card.data["validation"]["images"]


def test_two_pathologies_are_told_apart_without_normal_images(
    blobs: list[LabelledImage], tmp_path: Path
) -> None:
    card = read_card(train_classification(blobs, TWO, tmp_path))

    assert card.classes == ("benign", "malignant")
    assert card.options == {"classes": 2}
    assert card.data["train"]["images"] + card.data["validation"]["images"] == 16


def test_whole_pictures_without_outline_or_patient_are_enough(
    pictures: list[LabelledImage], tmp_path: Path
) -> None:
    card = read_card(train_classification(pictures, WHOLE, tmp_path))

    assert card.crop == "whole"
    assert card.data["train"]["images"] + card.data["validation"]["images"] == 16


def test_lesions_cannot_be_cropped_without_outlines(pictures: list[LabelledImage]) -> None:
    with pytest.raises(TrainingError, match=r"none of 16 .* outline .*--crop whole"):
        for_classifier(pictures, TWO)


def test_what_is_left_out_is_counted_by_reason(blobs: list[LabelledImage]) -> None:
    nameless = [dataclasses.replace(item, pathology=None) for item in blobs[:3]]
    bare = dataclasses.replace(blobs[4], mask_paths=(), has_mask=False)

    usable, reasons = for_classifier([*nameless, bare, *blobs[6:]], TWO)

    assert len(usable) == 12
    assert reasons == {
        "without pathology": 3,
        "without lesion outline": 1,
        "normal, which benign-malignant does not tell apart": 6,
    }


def test_a_warm_start_keeps_the_classes_of_its_model(
    blobs: list[LabelledImage], tmp_path: Path
) -> None:
    two = train_classification(blobs, TWO, tmp_path / "two")

    *_, settings = starting_network("classification", QUICK, two)

    assert settings.task == "benign-malignant"


def test_a_warm_start_cannot_change_what_is_told_apart(
    blobs: list[LabelledImage], tmp_path: Path
) -> None:
    three = train_classification(blobs, QUICK, tmp_path)

    with pytest.raises(TrainingError, match="cannot start a benign-malignant training from"):
        starting_network("classification", TWO, three)


def test_one_pathology_is_too_few(blobs: list[LabelledImage]) -> None:
    benign = [item for item in blobs if item.pathology is Pathology.BENIGN]

    with pytest.raises(TrainingError, match="at least 2 pathologies to train on, got benign"):
        classification_examples(benign, QUICK)


def test_images_without_pathology_give_no_example(blobs: list[LabelledImage]) -> None:
    nameless = [dataclasses.replace(item, pathology=None) for item in blobs[6:12]]

    crops = classification_examples([*nameless, *blobs[12:]], QUICK)

    assert set(crops.image_ids) == {str(i) for i in range(12, 24)}


def test_a_normal_image_gives_whole_and_random_crops(blobs: list[LabelledImage]) -> None:
    crops = classification_examples(blobs, QUICK)

    assert np.bincount(crops.classes).tolist() == [8 * 4, 8, 8]
    assert crops.surroundings is None


def test_a_whole_image_is_one_example(blobs: list[LabelledImage]) -> None:
    crops = classification_examples(blobs, dataclasses.replace(QUICK, crop="whole"))

    assert np.bincount(crops.classes).tolist() == [8, 8, 8]


def test_every_task_names_the_outputs_in_the_order_of_pathologies() -> None:
    for names in TASK_CLASSES.values():
        assert list(names) == [name for name in PATHOLOGIES if name in names]


def test_a_loss_of_evenly_drawn_examples_is_least_where_outputs_follow_the_shares() -> None:
    classes = np.array([1, 1, 1, 2])
    loss = _Loss(classes, 3)
    drawn = (torch.zeros(2, 3), torch.eye(3)[1:])

    def of(shares: list[float]) -> float:
        return float(loss(lambda _: torch.log(torch.tensor([shares, shares])), drawn))

    followed, even = of([1e-3, 0.75, 0.25]), of([1e-3, 0.5, 0.5])

    assert followed < even
