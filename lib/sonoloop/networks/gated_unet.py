"""A U-Net with attention gates whose encoder is a network of timm, and a lesion-presence head.

Attention gates: Oktay et al., "Attention U-Net: Learning Where to Look for the Pancreas", MIDL
2018. No library pairs them with encoders that have ImageNet weights, which is what this does.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import timm
import torch
from monai.networks.nets.attentionunet import AttentionBlock
from torch import Tensor, nn
from torch.nn import functional

DECODER_CHANNELS = (128, 64, 48, 32)
"""Of the decoder's blocks at 1/16, 1/8, 1/4 and 1/2 of the input's side."""


class GatedUnet(nn.Module):
    """Attention-gated decoder on an encoder of timm.

    In evaluation mode returns mask logits (N, 1, S, S), nowhere above the logit of "there is a
    lesion at all" plus ``presence_bias``: a picture thought to be without lesion gets no mark. In
    training mode returns (N, 2, S, S): mask logits, and the presence logit at every pixel.

    Args:
        encoder: Name of a timm network with feature maps at 1/2 to 1/32 of the input's side.
        encoder_options: Passed to timm.
        decoder_channels: Of the decoder's blocks, coarse to fine.
        dropout: Share of channels dropped before the last layer.
    """

    def __init__(
        self,
        *,
        encoder: str,
        encoder_options: Mapping[str, Any] = MappingProxyType({}),
        decoder_channels: Sequence[int] = DECODER_CHANNELS,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.imagenet_name = encoder
        layers = timm.create_model(
            encoder,
            pretrained=False,
            features_only=True,
            in_chans=1,
            out_indices=(0, 1, 2, 3, 4),
            **encoder_options,
        )
        *skips, deepest = layers.feature_info.channels()  # type: ignore[operator, union-attr]
        self.encoder = layers
        coming = [deepest, *decoder_channels[:-1]]
        self.blocks = nn.ModuleList(
            _Up(below, skip, out)
            for below, skip, out in zip(coming, reversed(skips), decoder_channels, strict=True)
        )
        self.head = nn.Sequential(
            nn.Dropout2d(dropout), nn.Conv2d(decoder_channels[-1], 1, 3, padding=1)
        )
        self.presence = nn.Linear(deepest, 1)
        self.register_buffer("presence_bias", torch.zeros(()))

    def forward(self, images: Tensor) -> Tensor:
        """See the class; ``images`` is (N, 1, S, S) in [0, 1], S a multiple of 32."""
        *skips, features = self.encoder(images * 2 - 1)
        presence = self.presence(features.mean((2, 3)))[:, :, None, None]
        for block, skip in zip(self.blocks, reversed(skips), strict=True):
            features = block(features, skip)
        logits = functional.interpolate(
            self.head(features), scale_factor=2.0, mode="bilinear", align_corners=False
        )
        if self.training:
            return torch.cat([logits, presence.expand_as(logits)], 1)
        return torch.minimum(logits, presence + self.presence_bias)


class _Up(nn.Module):
    """Doubles the side, adds the gated skip connection, convolves twice."""

    def __init__(self, below: int, skip: int, out: int) -> None:
        super().__init__()
        self.reduce = _convolution(below, out, 1)
        self.gate = AttentionBlock(2, f_int=max(8, skip // 2), f_g=out, f_l=skip)
        self.merge = nn.Sequential(_convolution(out + skip, out, 3), _convolution(out, out, 3))

    def forward(self, below: Tensor, skip: Tensor) -> Tensor:
        """(N, out, 2h, 2w) of (N, below, h, w) and (N, skip, 2h, 2w)."""
        up = functional.interpolate(
            self.reduce(below), scale_factor=2.0, mode="bilinear", align_corners=False
        )
        merged: Tensor = self.merge(torch.cat([up, self.gate(up, skip)], 1))
        return merged


def _convolution(inside: int, out: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inside, out, kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(out),
        nn.ReLU(inplace=True),
    )
