import json
from pathlib import Path

import pytest
import torch

from sonoloop.errors import ConfigError, ModelError
from sonoloop.networks.build import architectures, build_network, default_architecture
from sonoloop.networks.card import ModelCard, card_from_dict, read_card, write_card
from sonoloop.networks.device import resolve_device
from sonoloop.networks.weights import load_model, save_model
from sonoloop.records import ModelTask

SMALL = {"channels": [4, 8, 16]}


@pytest.fixture
def model_dir(tmp_path: Path) -> Path:
    card = ModelCard(
        model_id="seg-1",
        task="segmentation",
        architecture="attention_unet",
        options=SMALL,
        input_size_px=64,
        classes=("lesion",),
    )
    save_model(build_network("segmentation", "attention_unet", **SMALL), card, tmp_path / "seg-1")
    return tmp_path / "seg-1"


@pytest.mark.parametrize(
    ("task", "architecture"),
    [(t, a) for t in ("segmentation", "classification") for a in architectures(t)],
)
def test_every_architecture_takes_a_grey_batch(task: ModelTask, architecture: str) -> None:
    network = build_network(task, architecture).eval()

    with torch.inference_mode():
        output = network(torch.zeros(2, 1, 64, 64))

    assert tuple(output.shape) == ((2, 1, 64, 64) if task == "segmentation" else (2, 3))


def test_the_defaults_are_attention_unet_and_efficientnet_b0() -> None:
    assert default_architecture("segmentation") == "attention_unet"
    assert default_architecture("classification") == "efficientnet_b0"


def test_a_misspelt_architecture_is_refused_with_a_suggestion() -> None:
    with pytest.raises(ConfigError, match="did you mean 'attention_unet'"):
        build_network("segmentation", "atention_unet")


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(ConfigError, match="options of attention_unet"):
        build_network("segmentation", "attention_unet", depth=3)


def test_a_saved_model_comes_back_the_same(model_dir: Path) -> None:
    images = torch.rand(1, 1, 64, 64)

    first, card = load_model(model_dir)
    second, _ = load_model(model_dir)

    assert card.model_id == "seg-1"
    assert not first.training
    with torch.inference_mode():
        torch.testing.assert_close(first(images), second(images))


def test_weights_that_do_not_match_their_card_are_refused(model_dir: Path) -> None:
    weights = model_dir / "weights.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)

    with pytest.raises(ModelError, match="does not match its card"):
        load_model(model_dir)


def test_missing_weights_are_refused(model_dir: Path) -> None:
    (model_dir / "weights.safetensors").unlink()

    with pytest.raises(ModelError, match="cannot be loaded"):
        load_model(model_dir)


def test_weights_of_another_architecture_are_refused(model_dir: Path) -> None:
    content = json.loads((model_dir / "card.json").read_text())
    write_card(model_dir, card_from_dict({**content, "options": {"channels": [8, 16, 32]}}))

    with pytest.raises(ModelError, match="cannot be loaded"):
        load_model(model_dir)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "cannot be read"),
        ("[]", "no JSON object"),
        ("{}", "format None"),
        ('{"format": "sonoloop-model-1"}', "malformed"),
        ('{"format": "sonoloop-model-2"}', "format 'sonoloop-model-2'"),
    ],
)
def test_a_broken_card_is_refused(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "card.json").write_text(text)

    with pytest.raises(ModelError, match=told):
        read_card(tmp_path)


def test_a_gpu_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match="not available"):
        resolve_device("cuda:63")
