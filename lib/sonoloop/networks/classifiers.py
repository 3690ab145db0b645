"""Classification networks by name: (N, 1, S, S) in [0, 1] to logits (N, classes).

Those of which ImageNet weights exist carry the name of their encoder as ``imagenet_name``
(:mod:`sonoloop.networks.imagenet`).
"""

from typing import Annotated, Any

import timm
import torch
from pydantic import Field

from sonoloop.labels import PATHOLOGIES
from sonoloop.networks.multi_attention import CHANNELS, MultiAttention
from sonoloop.networks.scaled import Scaled
from sonoloop.networks.segmenters import Builder, Levels, Share

ALL_CLASSES = len(PATHOLOGIES)
HEAD_STD = 0.01
"""Of the first weights of a classifier's last layer."""

Classes = Annotated[int, Field(ge=2, le=1000)]


def _timm(name: str, **network_options: Any) -> Builder:
    def build(
        *, classes: Classes = ALL_CLASSES, dropout: Share = 0.2, drop_path: Share = 0.0
    ) -> torch.nn.Module:
        network: Any = timm.create_model(
            name,
            pretrained=False,
            in_chans=1,
            num_classes=classes,
            drop_rate=dropout,
            drop_path_rate=drop_path,
            **network_options,
        )
        network.imagenet_name = name
        _start_undecided(network.get_classifier())
        return network  # type: ignore[no-any-return]

    return build


def _start_undecided(head: torch.nn.Linear) -> None:
    """Small weights in the last layer.

    timm spreads those of EfficientNets by the number of classes, which of three gives logits so
    large that a short training is spent on taking them back.
    """
    torch.nn.init.normal_(head.weight, std=HEAD_STD)
    torch.nn.init.zeros_(head.bias)


def _scaled(name: str, **network_options: Any) -> Builder:
    def build(
        *, classes: Classes = ALL_CLASSES, dropout: Share = 0.2, drop_path: Share = 0.0
    ) -> torch.nn.Module:
        network = _timm(name, **network_options)(
            classes=classes, dropout=dropout, drop_path=drop_path
        )
        return Scaled(network, imagenet_name=name)

    return build


def _multi_attention(
    *,
    classes: Classes = ALL_CLASSES,
    channel: bool = True,
    spatial: bool = True,
    multi_scale: bool = True,
    channels: Levels = CHANNELS,
    dropout: Share = 0.2,
) -> torch.nn.Module:
    return MultiAttention(
        classes=classes,
        channel=channel,
        spatial=spatial,
        multi_scale=multi_scale,
        channels=channels,
        dropout=dropout,
    )


CLASSIFIERS: dict[str, Builder] = {
    "efficientnet_b0": _timm("efficientnet_b0"),
    "mobilenetv3_small": _timm("mobilenetv3_small_100"),
    "efficientnetv2_b0": _timm("tf_efficientnetv2_b0"),
    "resnet18": _timm("resnet18"),
    "multi_attention": _multi_attention,
    "efficientnet_lite0": _scaled("tf_efficientnet_lite0"),
    "efficientnet_lite2": _scaled("tf_efficientnet_lite2"),
    "mobilenetv2": _scaled("mobilenetv2_100", pad_type="same"),
}
"""The default first."""
