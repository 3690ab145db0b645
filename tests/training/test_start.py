import dataclasses
from pathlib import Path

import pytest
import torch

from sonoloop.errors import ConfigError, TrainingError
from sonoloop.networks.build import build_network
from sonoloop.networks.card import ModelCard, read_card
from sonoloop.networks.weights import load_model, save_model
from sonoloop.records import LabelledImage
from sonoloop.settings import TrainingSettings
from sonoloop.training import start
from sonoloop.training.classification import train_classification
from sonoloop.training.start import starting_network

QUICK = TrainingSettings(
    input_size_px=64,
    max_epochs=1,
    batch_size=4,
    validation_fraction=0.3,
    tracking="none",
    precision="float32",
    threads=1,
    device="cpu",
)
SMALL = dataclasses.replace(
    QUICK,
    architecture="multi_attention",
    architecture_options={"channel": False, "channels": [4, 8]},
)


def test_options_of_the_architecture_are_kept_in_the_card(
    blobs: list[LabelledImage], tmp_path: Path
) -> None:
    folder = train_classification(blobs, SMALL, tmp_path)

    assert read_card(folder).options == {"channel": False, "channels": [4, 8]}
    network, _ = load_model(folder)
    assert network.get_parameter("head.1.weight").shape == (3, 16)


def test_two_classes_are_kept_beside_other_options() -> None:
    settings = dataclasses.replace(SMALL, task="benign-malignant")

    network, _, options, _, _ = starting_network("classification", settings, None)

    assert options == {"channel": False, "channels": [4, 8], "classes": 2}
    assert tuple(network.eval()(torch.zeros(1, 1, 64, 64)).shape) == (1, 2)


def test_the_number_of_classes_is_no_option_of_a_training() -> None:
    settings = dataclasses.replace(SMALL, architecture_options={"classes": 5})

    with pytest.raises(ConfigError, match="classes follows from the task"):
        starting_network("classification", settings, None)


def test_a_warm_start_with_other_options_is_refused(tmp_path: Path) -> None:
    options = {"channels": [4, 8]}
    card = ModelCard(
        model_id="one", task="segmentation", architecture="attention_unet", options=options
    )
    save_model(build_network("segmentation", "attention_unet", **options), card, tmp_path)
    same = dataclasses.replace(QUICK, architecture_options={"channels": [4, 8]})
    other = dataclasses.replace(QUICK, architecture_options={"channels": [8, 16]})

    assert starting_network("segmentation", same, tmp_path)[2] == options
    with pytest.raises(TrainingError, match="leave architecture_options empty"):
        starting_network("segmentation", other, tmp_path)


def test_the_card_says_where_imagenet_weights_came_from(
    blobs: list[LabelledImage], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def fill(network: torch.nn.Module, *, allow_download: bool) -> None:
        asked.append(allow_download)

    monkeypatch.setattr(start, "start_from_imagenet", fill)
    settings = dataclasses.replace(
        QUICK, architecture="mobilenetv3_small", initial_weights="imagenet", allow_download=True
    )

    folder = train_classification(blobs, settings, tmp_path)

    source = read_card(folder).data["initial_weights"]
    assert source == "huggingface.co/timm/mobilenetv3_small_100.lamb_in1k"
    assert asked == [True]


def test_missing_imagenet_weights_are_told_before_any_image_is_read(
    blobs: list[LabelledImage], tmp_path: Path
) -> None:
    settings = dataclasses.replace(SMALL, initial_weights="imagenet")
    unread = [dataclasses.replace(item, image_path=tmp_path / "none.png") for item in blobs]

    with pytest.raises(ConfigError, match="has no ImageNet weights"):
        train_classification(unread, settings, tmp_path)
