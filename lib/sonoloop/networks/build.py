"""Networks by name; each takes (N, 1, S, S) in [0, 1] and returns logits.

Segmenters return (N, 1, S, S); classifiers (N, classes). Weights are random: what a network
knows comes from a model folder (:mod:`sonoloop.networks.weights`), never from a download.
"""

import difflib
from collections.abc import Callable
from typing import Any

import timm
import torch
from monai.networks.nets import AttentionUnet

from sonoloop.errors import ConfigError
from sonoloop.labels import PATHOLOGIES
from sonoloop.networks.gated_unet import GatedUnet
from sonoloop.networks.scaled import Scaled
from sonoloop.records import ModelTask


def _attention_unet(
    *, channels: tuple[int, ...] = (16, 32, 64, 128, 256), dropout: float = 0.0
) -> torch.nn.Module:
    """Oktay et al., "Attention U-Net: Learning Where to Look for the Pancreas", MIDL 2018."""
    return AttentionUnet(
        spatial_dims=2,
        in_channels=1,
        out_channels=1,
        channels=tuple(channels),
        strides=(2,) * (len(channels) - 1),
        dropout=dropout,
    )


def _timm(name: str) -> Callable[..., torch.nn.Module]:
    def build(
        *, dropout: float = 0.2, drop_path: float = 0.0, classes: int = len(PATHOLOGIES)
    ) -> torch.nn.Module:
        return timm.create_model(
            name,
            pretrained=False,
            in_chans=1,
            num_classes=classes,
            drop_rate=dropout,
            drop_path_rate=drop_path,
        )

    return build


def _gated(encoder: str) -> Callable[..., torch.nn.Module]:
    def build(*, dropout: float = 0.1) -> torch.nn.Module:
        return GatedUnet(encoder=encoder, dropout=dropout)

    return build


def _scaled(name: str) -> Callable[..., torch.nn.Module]:
    def build(**options: Any) -> torch.nn.Module:
        return Scaled(_timm(name)(**options), imagenet_name=name)

    return build


_BUILDERS: dict[ModelTask, dict[str, Callable[..., torch.nn.Module]]] = {
    "segmentation": {
        "attention_unet": _attention_unet,
        "attention_unet_efficientnet_lite0": _gated("tf_efficientnet_lite0"),
        "attention_unet_efficientnet_lite2": _gated("tf_efficientnet_lite2"),
        "attention_unet_mobilenetv2": _gated("mobilenetv2_100"),
    },
    "classification": {
        "efficientnet_b0": _timm("efficientnet_b0"),
        "mobilenetv3_small": _timm("mobilenetv3_small_100"),
        "efficientnet_lite0": _scaled("tf_efficientnet_lite0"),
        "efficientnet_lite2": _scaled("tf_efficientnet_lite2"),
        "mobilenetv2": _scaled("mobilenetv2_100"),
    },
}


def architectures(task: ModelTask) -> tuple[str, ...]:
    """Names :func:`build_network` knows for a task, the default first."""
    return tuple(_BUILDERS[task])


def default_architecture(task: ModelTask) -> str:
    """Attention U-Net for segmentation, EfficientNet-B0 for classification."""
    return architectures(task)[0]


def build_network(task: ModelTask, architecture: str, **options: Any) -> torch.nn.Module:
    """A network with random weights.

    Raises:
        ConfigError: If the architecture or an option is unknown.
    """
    builders = _BUILDERS[task]
    if architecture not in builders:
        close = difflib.get_close_matches(architecture, builders, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"one of {', '.join(builders)}"
        raise ConfigError([f"unknown {task} architecture {architecture!r}; {hint}"])
    try:
        return builders[architecture](**options)
    except TypeError as error:
        raise ConfigError([f"options of {architecture}: {error}"]) from None
