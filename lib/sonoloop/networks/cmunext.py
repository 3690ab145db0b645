"""CMUNeXt, a light U-Net of large-kernel depthwise convolutions; no library has it.

Tang et al., "CMUNeXt: An Efficient Medical Image Segmentation Network based on Large Kernel and
Skip Fusion", ISBI 2024, arXiv 2308.01239. The defaults are its base size (3.15 M parameters).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

CHANNELS = (16, 32, 128, 160, 256)
DEPTHS = (1, 1, 1, 3, 1)
KERNELS = (3, 3, 7, 7, 7)
"""Of the five levels from the full side of the input down to a sixteenth."""

EXPANSION = 4
"""Of the pointwise convolutions inside a block, the inverted bottleneck."""


class CMUNeXt(nn.Module):
    """(N, 1, S, S) in [0, 1] to mask logits (N, 1, S, S); S is a multiple of 16.

    Args:
        channels: Of the levels, fine to coarse.
        depths: Large-kernel residuals of each level.
        kernels: Side of the depthwise kernel of each level.
        dropout: Share of channels dropped before the last layer.
    """

    def __init__(
        self,
        *,
        channels: Sequence[int] = CHANNELS,
        depths: Sequence[int] = DEPTHS,
        kernels: Sequence[int] = KERNELS,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.stem = _convolution(1, channels[0])
        coming = (channels[0], *channels[:-1])
        self.levels = nn.ModuleList(
            _level(before, after, depth, kernel)
            for before, after, depth, kernel in zip(coming, channels, depths, kernels, strict=True)
        )
        finer, coarser = channels[-2::-1], channels[:0:-1]
        self.ups = nn.ModuleList(
            _convolution(below, skip) for below, skip in zip(coarser, finer, strict=True)
        )
        self.fusions = nn.ModuleList(_fusion(skip) for skip in finer)
        self.head = nn.Sequential(nn.Dropout2d(dropout), nn.Conv2d(channels[0], 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """See the class."""
        features = self.stem(images)
        skips = []
        for index, level in enumerate(self.levels):
            features = level(functional.max_pool2d(features, 2) if index else features)
            skips.append(features)
        skips.pop()
        for up, fusion in zip(self.ups, self.fusions, strict=True):
            larger = functional.interpolate(
                features, scale_factor=2.0, mode="bilinear", align_corners=False
            )
            features = fusion(torch.cat([skips.pop(), up(larger)], 1))
        logits: Tensor = self.head(features)
        return logits


class _LargeKernel(nn.Module):
    """Depthwise convolution beside an identity."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.spread = nn.Sequential(
            nn.Conv2d(channels, channels, kernel, padding="same", groups=channels),
            nn.GELU(),
            nn.BatchNorm2d(channels),
        )

    def forward(self, features: Tensor) -> Tensor:
        result: Tensor = features + self.spread(features)
        return result


def _level(before: int, after: int, depth: int, kernel: int) -> nn.Sequential:
    residuals = [
        nn.Sequential(_LargeKernel(before, kernel), _bottleneck(before, EXPANSION * before, before))
        for _ in range(depth)
    ]
    return nn.Sequential(*residuals, _convolution(before, after))


def _fusion(channels: int) -> nn.Sequential:
    """Skip connection and upsampled features, each convolved alone, then mixed."""
    both = 2 * channels
    return nn.Sequential(
        nn.Conv2d(both, both, 3, padding=1, groups=2),
        nn.GELU(),
        nn.BatchNorm2d(both),
        _bottleneck(both, EXPANSION * channels, channels),
    )


def _bottleneck(before: int, inside: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, inside, 1),
        nn.GELU(),
        nn.BatchNorm2d(inside),
        nn.Conv2d(inside, after, 1),
        nn.GELU(),
        nn.BatchNorm2d(after),
    )


def _convolution(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU(inplace=True)
    )
