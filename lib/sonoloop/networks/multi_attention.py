"""A small convolutional classifier with three parallel kinds of attention, each of which can go.

Channel and spatial attention: Woo et al., "CBAM: Convolutional Block Attention Module", ECCV
2018, here side by side instead of in a row. Several scales: dilated convolutions side by side, as
in Chen et al., "Rethinking Atrous Convolution for Semantic Image Segmentation", 2017.
"""

from collections.abc import Sequence

import torch
from timm.layers.cbam import ChannelAttn, SpatialAttn
from torch import Tensor, nn

CHANNELS = (32, 64, 128, 256)
"""Of the stages; each halves the side of its input, and the stem halves it before."""

DILATIONS = (1, 2, 4)
"""Of the multi-scale branch: 3, 5 and 9 pixels wide, of a sixteenth of the input's side each."""


class MultiAttention(nn.Module):
    """(N, 1, S, S) in [0, 1] to logits (N, classes).

    The branches see the same features, their results are concatenated; without any branch the
    network is a plain convolutional one, the base line of an ablation.

    Args:
        classes: Number of outputs.
        channel: Have the branch that weighs channels.
        spatial: Have the branch that weighs places.
        multi_scale: Have the branch that looks at several scales.
        channels: Of the stages, fine to coarse.
        dropout: Share of features dropped before the last layer.
    """

    def __init__(
        self,
        *,
        classes: int,
        channel: bool = True,
        spatial: bool = True,
        multi_scale: bool = True,
        channels: Sequence[int] = CHANNELS,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.stem = _convolution(1, channels[0], stride=2)
        self.stages = nn.Sequential(
            *(
                nn.Sequential(_convolution(before, after), _convolution(after, after, stride=2))
                for before, after in zip((channels[0], *channels[:-1]), channels, strict=True)
            )
        )
        width = channels[-1]
        self.branches = nn.ModuleDict()
        if channel:
            self.branches["channel"] = ChannelAttn(width)
        if spatial:
            self.branches["spatial"] = SpatialAttn()
        if multi_scale:
            self.branches["multi_scale"] = _MultiScale(width)
        pooled = width * max(1, len(self.branches))
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(pooled, classes))

    def forward(self, images: Tensor) -> Tensor:
        """See the class."""
        return self.forward_head(self.forward_features(images))

    def forward_features(self, images: Tensor) -> Tensor:
        """What the branches see, (N, K, h, w)."""
        features = self.stages(self.stem(images))
        seen = [branch(features) for branch in self.branches.values()] or [features]
        return torch.cat(seen, 1)

    def forward_head(self, features: Tensor) -> Tensor:
        """Logits (N, classes) of the means of the features."""
        logits: Tensor = self.head(features.mean((2, 3)))
        return logits


class _MultiScale(nn.Module):
    """As many channels as it is given, of convolutions with growing dilation."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inside = channels // len(DILATIONS)
        self.scales = nn.ModuleList(
            _convolution(channels, inside, dilation=dilation) for dilation in DILATIONS
        )
        self.mix = _convolution(inside * len(DILATIONS), channels, kernel=1)

    def forward(self, features: Tensor) -> Tensor:
        result: Tensor = self.mix(torch.cat([scale(features) for scale in self.scales], 1))
        return result


def _convolution(
    before: int, after: int, *, kernel: int = 3, stride: int = 1, dilation: int = 1
) -> nn.Sequential:
    padding = dilation * (kernel // 2)
    return nn.Sequential(
        nn.Conv2d(before, after, kernel, stride, padding, dilation, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(inplace=True),
    )
