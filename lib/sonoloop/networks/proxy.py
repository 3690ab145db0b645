"""A segmenter that learns in seconds: a small decoder on the features of an encoder that is frozen.

Simulations of active learning train hundreds of networks. With the encoder's features computed
once, only the decoder is left to train, on maps a quarter of the image's side.
"""

import logging
from typing import Final, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from sonoloop.errors import ConfigError
from sonoloop.networks.build import build_network
from sonoloop.networks.imagenet import imagenet_source, start_from_imagenet

logger = logging.getLogger(__name__)

ENCODERS: Final = ("efficientnet_lite0", "mobilenetv2")
"""Encoders of which ImageNet weights can be on the machine, the preferred first."""
RANDOM: Final = "random"
"""In place of an encoder's name: the first of them as it is drawn by chance, seed 0."""
LEVELS: Final = (1, 2, 3, 4)
"""Feature maps that are used: at 1/4, 1/8, 1/16 and 1/32 of the image's side."""
STRIDE: Final = 4
"""Side of the image over side of the finest map."""
LARGEST_STRIDE: Final = 32


class FrozenEncoder(nn.Module):
    """The encoder of a network of :mod:`sonoloop.networks.segmenters`, never trained.

    Attributes:
        source: Where its weights are from.
        channels: Of the maps at :data:`LEVELS`.
    """

    def __init__(self, encoder: nn.Module, *, source: str) -> None:
        super().__init__()
        self.encoder = encoder.eval().requires_grad_(requires_grad=False)
        self.source = source
        with torch.inference_mode():
            maps = self(torch.zeros(1, 1, LARGEST_STRIDE, LARGEST_STRIDE))
        self.channels = tuple(int(one.shape[1]) for one in maps)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Maps (N, C, S / stride, S / stride) of (N, 1, S, S) in [0, 1], fine to coarse."""
        maps = cast(list[Tensor], self.encoder(images * 2 - 1))
        return [maps[level] for level in LEVELS]


def frozen_encoder(name: str) -> FrozenEncoder:
    """An encoder by name; nothing is ever downloaded.

    Args:
        name: One of :data:`ENCODERS`, :data:`RANDOM`, or ``auto``: the first one whose ImageNet
            weights are on this machine, else random.

    Raises:
        ConfigError: If there is no such encoder, or its weights are not on this machine.
    """
    if name == RANDOM:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            network = build_network("segmentation", f"attention_unet_{ENCODERS[0]}")
        encoder = cast(nn.Module, network.encoder)
        return FrozenEncoder(encoder, source=f"{ENCODERS[0]}, random weights")
    if name != "auto":
        return _from_imagenet(name)
    for known in ENCODERS:
        try:
            return _from_imagenet(known)
        except ConfigError as error:
            logger.warning("no frozen encoder %s: %s", known, error)
    return frozen_encoder(RANDOM)


def _from_imagenet(name: str) -> FrozenEncoder:
    if name not in ENCODERS:
        raise ConfigError(
            [f"unknown frozen encoder {name!r} (one of auto, {', '.join(ENCODERS)}, {RANDOM})"]
        )
    network = build_network("segmentation", f"attention_unet_{name}")
    start_from_imagenet(network)
    return FrozenEncoder(cast(nn.Module, network.encoder), source=imagenet_source(network))


class ProxyDecoder(nn.Module):
    """From feature maps, coarse to fine, to the logits of lesion masks, one of each member.

    At every step the coarser map is doubled in side and added to the finer one, as in Lin et al.,
    "Feature Pyramid Networks for Object Detection", CVPR 2017. Members share nothing but their
    input; side by side, as groups of the same convolutions, they cost less than one after another.

    Args:
        channels: Of the maps at :data:`LEVELS`.
        widths: Channels of each member, at 1/16, 1/8 and 1/4 of the image's side.
        members: How many.
        dropout: Share of channels dropped before the last layer.
    """

    def __init__(
        self,
        channels: tuple[int, ...],
        widths: tuple[int, int, int],
        *,
        members: int = 1,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        coarse, middle, fine = (width * members for width in widths)
        inside = (fine, middle, coarse, coarse)
        self.lateral = nn.ModuleList(
            nn.Conv2d(channel, width, 1, bias=False)
            for channel, width in zip(channels, inside, strict=True)
        )
        self.coarse = _refine(coarse, members, _point(coarse, middle, members))
        self.middle = _refine(middle, members, _point(middle, fine, members))
        self.fine = _refine(fine, members, nn.Dropout2d(dropout), _point(fine, members, members))
        self.to(memory_format=torch.channels_last)

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Logits (N, M, S / 4, S / 4) of feature maps, fine to coarse."""
        finest, fine, coarse, coarsest = (
            layer(one.contiguous(memory_format=torch.channels_last))
            for layer, one in zip(self.lateral, maps, strict=True)
        )
        features = self.coarse(_doubled(coarsest) + coarse)
        features = self.middle(_doubled(features) + fine)
        logits: Tensor = self.fine(_doubled(features) + finest)
        return logits


def _doubled(maps: Tensor) -> Tensor:
    return functional.interpolate(maps, scale_factor=2.0, mode="bilinear", align_corners=False)


def _point(inside: int, out: int, members: int) -> nn.Conv2d:
    return nn.Conv2d(inside, out, 1, groups=members)


def _refine(width: int, members: int, *last: nn.Module) -> nn.Sequential:
    return nn.Sequential(
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.Conv2d(width, width, 3, padding=1, groups=members, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        *last,
    )
