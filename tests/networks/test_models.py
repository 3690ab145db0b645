import json
from pathlib import Path

import pytest
import torch

from sonoloop.errors import ConfigError, ModelError
from sonoloop.networks.build import architectures, build_network, default_architecture
from sonoloop.networks.card import ModelCard, card_from_dict, read_card, write_card
from sonoloop.networks.device import bf16_pays, mostly_depthwise, resolve_device
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


@pytest.mark.parametrize("architecture", architectures("classification"))
def test_a_classifier_has_as_many_outputs_as_classes(architecture: str) -> None:
    images = torch.zeros(2, 1, 64, 64)

    with torch.inference_mode():
        two, three = (
            build_network("classification", architecture, **options).eval()(images)
            for options in ({"classes": 2}, {})
        )

    assert tuple(two.shape) == (2, 2)
    assert tuple(three.shape) == (2, 3)


@pytest.mark.parametrize(
    ("options", "million"),
    [
        ({}, 3.14),
        (
            {
                "channels": [8, 16, 32, 64, 128],
                "depths": [1, 1, 1, 1, 1],
                "kernels": [3, 3, 7, 7, 9],
            },
            0.41,
        ),
    ],
)
def test_cmunext_has_the_size_of_its_paper(options: dict[str, list[int]], million: float) -> None:
    network = build_network("segmentation", "cmunext", **options)

    parameters = sum(p.numel() for p in network.parameters())
    assert million <= parameters / 1e6 < million + 0.01


@pytest.mark.parametrize(
    ("branches", "widths"),
    [
        ({}, 3),
        ({"channel": False}, 2),
        ({"spatial": False, "multi_scale": False}, 1),
        ({"channel": False, "spatial": False, "multi_scale": False}, 1),
    ],
)
def test_branches_of_the_multi_attention_network_can_go(
    branches: dict[str, bool], widths: int
) -> None:
    network = build_network("classification", "multi_attention", channels=[8, 16], **branches)

    assert network.get_parameter("head.1.weight").shape == (3, 16 * widths)
    present = {name.split(".")[1] for name in network.state_dict() if name.startswith("branches.")}
    assert present.isdisjoint(branches)


def test_the_decoder_of_linknet_is_weighed_by_channel_and_place() -> None:
    plain, attended = (
        set(build_network("segmentation", "linknet_inceptionresnetv2", attention=on).state_dict())
        for on in (False, True)
    )

    blocks = {n.split(".")[2] for n in attended if ".attention." in n and n.startswith("decoder.")}
    assert blocks == {"0", "1", "2", "3", "4"}
    assert not any(".attention." in name for name in plain)


def test_the_defaults_are_attention_unet_and_efficientnet_b0() -> None:
    assert default_architecture("segmentation") == "attention_unet"
    assert default_architecture("classification") == "efficientnet_b0"


def test_a_misspelt_architecture_is_refused_with_a_suggestion() -> None:
    with pytest.raises(ConfigError, match="did you mean 'attention_unet'"):
        build_network("segmentation", "atention_unet")


@pytest.mark.parametrize(
    ("architecture", "options", "told"),
    [
        ("attention_unet", {"dropuot": 0.1}, "unknown 'dropuot'; did you mean 'dropout'"),
        ("attention_unet", {"depth": 3}, "unknown 'depth'; one of channels, dropout"),
        ("attention_unet", {"dropout": 1.5}, "dropout: input should be less than 1, got 1.5"),
        ("attention_unet", {"channels": [16]}, "channels: tuple should have at least 2 items"),
        ("cmunext", {"channels": [8, 16]}, r"channels\.2: field required"),
        ("cmunext", {"kernels": [3, 3, 7, 7, 0]}, r"kernels\.4: .*greater than or equal to 3"),
    ],
)
def test_an_option_that_does_not_fit_is_refused_with_the_rule(
    architecture: str, options: dict[str, object], told: str
) -> None:
    with pytest.raises(ConfigError, match=f"options of {architecture}: {told}"):
        build_network("segmentation", architecture, **options)


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


@pytest.mark.parametrize(
    ("task", "architecture", "mostly"),
    [
        ("segmentation", "attention_unet", False),
        ("segmentation", "cmunext", False),
        ("segmentation", "deeplabv3plus_resnet34", False),
        ("segmentation", "attention_unet_efficientnet_lite2", True),
        ("classification", "efficientnet_b0", True),
        ("classification", "resnet18", False),
    ],
)
def test_networks_of_mostly_depthwise_convolutions_are_known(
    task: ModelTask, architecture: str, mostly: bool
) -> None:
    network = build_network(task, architecture)

    assert mostly_depthwise(network) is mostly
    assert not (mostly and bf16_pays(torch.device("cpu"), network))


def test_a_gpu_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match="not available"):
        resolve_device("cuda:63")


@pytest.mark.parametrize("architecture", architectures("classification"))
def test_a_new_classifier_holds_nothing_for_certain(architecture: str) -> None:
    torch.manual_seed(0)
    images = torch.rand(4, 1, 64, 64)

    with torch.inference_mode():
        logits = build_network("classification", architecture).train()(images)

    chances = torch.softmax(logits, 1)
    assert float(chances.max()) < 0.75
