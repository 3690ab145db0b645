"""Grad-CAM without gradients: what in the image speaks for a class, out of one forward pass.

Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
Localization", ICCV 2017: the last feature maps A_k, weighted by a_k = mean over places of the
gradient of the class score y with respect to A_k, summed, negative values cut off.

Where a network ends in global average pooling, y depends on A through the means g_k alone, so that
a_k is dy/dg_k divided by the number of places: the same at every place, and of a linear layer its
weight (Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016). Of
MobileNetV3, which has one more layer behind the pooling, the derivative is written down here. So
the maps are an output of the network, up to a constant factor, and need no torch once compiled.
"""

from collections.abc import Sequence
from typing import Any

import torch
from timm.layers.adaptive_avgmax_pool import SelectAdaptivePool2d
from timm.models.mobilenetv3 import MobileNetV3
from torch import Tensor, nn

from sonoloop.networks.ensemble import Ensemble, resized
from sonoloop.networks.multi_attention import MultiAttention
from sonoloop.networks.scaled import Scaled


class ClassMaps(nn.Module):
    """Logits of a classifier together with the map of every class.

    Args:
        network: One of which :func:`class_maps` says that it can be explained.
        head: Its last layer.
    """

    def __init__(self, network: nn.Module, head: nn.Linear) -> None:
        super().__init__()
        self.network, self.head = network, head

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (N, classes) and maps (N, classes, h, w), of both signs, of (N, 1, S, S)."""
        network: Any = self.network
        if isinstance(network, Scaled):
            images, network = images * 2 - 1, network.encoder
        features: Tensor = network.forward_features(images)
        weights = self.head.weight[None]
        if isinstance(network, MobileNetV3):
            weights = _through(network.conv_head, features, weights)
        maps = torch.einsum("nck,nkhw->nchw", weights.expand(len(features), -1, -1), features)
        return network.forward_head(features), maps


def _through(layer: nn.Conv2d, features: Tensor, weights: Tensor) -> Tensor:
    """Derivatives of the logits by the means in front of ``layer`` and its hard swish.

    Args:
        layer: Convolution of 1 x 1 pixels on the means.
        features: (N, K, h, w).
        weights: (1, classes, J), derivatives behind the hard swish.

    Returns:
        (N, classes, K).
    """
    hidden = layer(features.mean((2, 3), keepdim=True)).flatten(1)
    bent = weights * _hard_swish_slope(hidden)[:, None]
    return torch.einsum("ncj,jk->nck", bent, layer.weight.flatten(1))


def _hard_swish_slope(x: Tensor) -> Tensor:
    """Derivative of x * clamp(x + 3, 0, 6) / 6 (Howard et al., MobileNetV3, ICCV 2019)."""
    between = (2 * x + 3) / 6
    return torch.where(x <= -3, 0.0, torch.where(x >= 3, 1.0, between))


class EnsembleMaps(nn.Module):
    """Logits of an ensemble of classifiers, with the mean of its members' maps.

    A map of a linear head is in units of the logit, whose mean over the places it is but for the
    bias; divided by the member's temperature, maps of several members can be added.
    """

    def __init__(self, ensemble: Ensemble, members: Sequence[ClassMaps]) -> None:
        super().__init__()
        self.ensemble, self.members = ensemble, nn.ModuleList(members)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """As :class:`ClassMaps`; the maps have the finest of the members' grids."""
        sizes, temperatures = self.ensemble.sizes, self.ensemble.temperatures
        answers = [
            member(images if size == images.shape[-1] else resized(images, size))
            for member, size in zip(self.members, sizes, strict=True)
        ]
        finest = max(maps.shape[-1] for _, maps in answers)
        maps = [
            resized(maps / temperature, finest)
            for (_, maps), temperature in zip(answers, temperatures, strict=True)
        ]
        return self.ensemble.merged([logits for logits, _ in answers]), torch.stack(maps).mean(0)


def class_maps(network: nn.Module) -> ClassMaps | EnsembleMaps | None:
    """The network with its maps, or None when it has another head than these.

    Known are heads of average pooling and one linear layer, that of MobileNetV3, and ensembles.
    """
    if isinstance(network, Ensemble):
        members = [_single(member) for member in network.members]
        known = [member for member in members if member is not None]
        return EnsembleMaps(network, known) if len(known) == len(members) else None
    return _single(network)


def _single(network: nn.Module) -> ClassMaps | None:
    inner: Any = network
    if isinstance(network, Scaled):
        inner = network.encoder
    head = _head_behind_average(inner)
    if isinstance(inner, MobileNetV3) and not isinstance(inner.act2, nn.Hardswish):
        return None
    return ClassMaps(network, head) if isinstance(head, nn.Linear) else None


def _head_behind_average(network: Any) -> Any:
    if isinstance(network, MultiAttention):
        return network.head[-1]
    pooling = getattr(network, "global_pool", None)
    if isinstance(pooling, SelectAdaptivePool2d) and pooling.pool_type == "avg":
        return network.get_classifier()
    return None
