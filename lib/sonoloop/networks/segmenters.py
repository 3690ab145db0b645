"""Segmentation networks by name: (N, 1, S, S) in [0, 1] to mask logits (N, 1, S, S).

Those with an encoder of which ImageNet weights exist carry its name as ``imagenet_name``
(:mod:`sonoloop.networks.imagenet`).
"""

from collections.abc import Callable
from typing import Annotated, Any

import segmentation_models_pytorch as smp
import torch
from monai.networks.nets import AttentionUnet, BasicUNet
from pydantic import Field
from segmentation_models_pytorch.base.modules import Attention
from torch import Tensor

from sonoloop.networks.cmunext import CHANNELS, DEPTHS, KERNELS, CMUNeXt
from sonoloop.networks.gated_unet import GatedUnet
from sonoloop.networks.pretrained import SMP

Share = Annotated[float, Field(ge=0, lt=1)]
Width = Annotated[int, Field(ge=4, le=4096)]
Levels = Annotated[tuple[Width, ...], Field(min_length=2, max_length=6)]
FiveWidths = tuple[Width, Width, Width, Width, Width]
Depth = Annotated[int, Field(ge=1, le=32)]
Kernel = Annotated[int, Field(ge=3, le=31)]
Builder = Callable[..., torch.nn.Module]


def _attention_unet(
    *, channels: Levels = (16, 32, 64, 128, 256), dropout: Share = 0.0
) -> torch.nn.Module:
    """Oktay et al., "Attention U-Net: Learning Where to Look for the Pancreas", MIDL 2018."""
    return AttentionUnet(
        spatial_dims=2,
        in_channels=1,
        out_channels=1,
        channels=channels,
        strides=(2,) * (len(channels) - 1),
        dropout=dropout,
    )


def _unet(
    *,
    channels: tuple[Width, Width, Width, Width, Width, Width] = (32, 32, 64, 128, 256, 32),
    dropout: Share = 0.0,
) -> torch.nn.Module:
    """Ronneberger et al., "U-Net", MICCAI 2015; five levels down, then the last one up.

    Batch normalisation, which compiled inference folds away, in place of MONAI's instance norm.
    """
    return BasicUNet(
        spatial_dims=2,
        in_channels=1,
        out_channels=1,
        features=channels,
        norm="batch",
        dropout=dropout,
    )


def _gated(encoder: str, **encoder_options: Any) -> Builder:
    def build(*, dropout: Share = 0.1) -> torch.nn.Module:
        return GatedUnet(encoder=encoder, encoder_options=encoder_options, dropout=dropout)

    return build


def _deeplabv3plus(*, dropout: Share = 0.5) -> torch.nn.Module:
    """Chen et al., "Encoder-Decoder with Atrous Separable Convolution", ECCV 2018."""
    network = smp.DeepLabV3Plus(
        "resnet34", encoder_weights=None, in_channels=1, classes=1, decoder_aspp_dropout=dropout
    )
    network.imagenet_name = f"{SMP}resnet34"
    return network  # type: ignore[no-any-return]


def _linknet(*, attention: bool = True) -> torch.nn.Module:
    """Chaurasia & Culurciello, "LinkNet", VCIP 2017, with scSE behind every decoder block."""
    network = smp.Linknet("inceptionresnetv2", encoder_weights=None, in_channels=1, classes=1)
    if attention:
        blocks = network.decoder.blocks
        for index, block in enumerate(blocks):
            blocks[index] = _Attended(block, channels=block.block[-1][0].out_channels)
    network.imagenet_name = f"{SMP}inceptionresnetv2"
    return network  # type: ignore[no-any-return]


class _Attended(torch.nn.Module):
    """A decoder block whose result is weighed by channel and by place.

    Roy et al., "Concurrent Spatial and Channel Squeeze & Excitation in Fully Convolutional
    Networks", MICCAI 2018.
    """

    def __init__(self, block: torch.nn.Module, *, channels: int) -> None:
        super().__init__()
        self.block = block
        self.attention = Attention("scse", in_channels=channels)

    def forward(self, features: Tensor, skip: Tensor | None = None) -> Tensor:
        result: Tensor = self.attention(self.block(features, skip))
        return result


def _cmunext(
    *,
    channels: FiveWidths = CHANNELS,
    depths: tuple[Depth, Depth, Depth, Depth, Depth] = DEPTHS,
    kernels: tuple[Kernel, Kernel, Kernel, Kernel, Kernel] = KERNELS,
    dropout: Share = 0.0,
) -> torch.nn.Module:
    return CMUNeXt(channels=channels, depths=depths, kernels=kernels, dropout=dropout)


SEGMENTERS: dict[str, Builder] = {
    "attention_unet": _attention_unet,
    "unet": _unet,
    "deeplabv3plus_resnet34": _deeplabv3plus,
    "linknet_inceptionresnetv2": _linknet,
    "attention_unet_efficientnet_lite0": _gated("tf_efficientnet_lite0"),
    "attention_unet_efficientnet_lite2": _gated("tf_efficientnet_lite2"),
    "attention_unet_mobilenetv2": _gated("mobilenetv2_100", pad_type="same"),
    "cmunext": _cmunext,
}
"""The default first."""
