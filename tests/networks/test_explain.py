"""The class maps against Grad-CAM as its paper computes it, with gradients."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from sonoloop.networks.build import build_network
from sonoloop.networks.ensemble import Ensemble, Member
from sonoloop.networks.explain import ClassMaps, class_maps

EXPLAINED = [
    ("efficientnet_b0", "bn2"),
    ("mobilenetv3_small", "blocks"),
    ("resnet18", "layer4"),
    ("efficientnet_lite0", "encoder.bn2"),
]
"""A network of every kind of head, with the module that makes its last feature maps."""


def grad_cam(network: nn.Module, layer: str, images: Tensor, index: int) -> Tensor:
    """Selvaraju et al., equations 1 and 2, before negative values are cut off: (N, h, w)."""
    kept: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        output.retain_grad()
        kept.append(output)

    handle = network.get_submodule(layer).register_forward_hook(keep)
    network(images)[:, index].sum().backward()
    handle.remove()
    (features,) = kept
    assert features.grad is not None
    weights = features.grad.mean((2, 3), keepdim=True)
    return (weights * features).sum(1).detach()


def trained(architecture: str) -> nn.Module:
    """Random weights with random statistics: no term is one that happens to vanish."""
    torch.manual_seed(0)
    network = build_network("classification", architecture)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d) and module.running_mean is not None:
                module.running_mean += 0.1 * torch.randn(
                    module.running_mean.shape, generator=generator
                )
    return network.eval()


@pytest.mark.parametrize(("architecture", "layer"), EXPLAINED)
def test_maps_are_those_of_grad_cam_and_logits_stay(architecture: str, layer: str) -> None:
    network = trained(architecture)
    images = torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(2))
    explained = class_maps(network)
    assert explained is not None

    with torch.no_grad():
        logits, maps = explained(images)
        torch.testing.assert_close(logits, network(images))

    places = maps.shape[2] * maps.shape[3]
    assert places > 1
    for index in range(3):
        expected = grad_cam(network, layer, images, index) * places
        scale = float(expected.abs().max())
        assert scale > 0
        torch.testing.assert_close(maps[:, index] / scale, expected / scale, atol=1e-4, rtol=1e-3)


def test_maps_of_a_linear_head_add_up_to_the_logits() -> None:
    network = trained("multi_attention")
    images = torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(2))
    explained = class_maps(network)
    assert isinstance(explained, ClassMaps)

    with torch.no_grad():
        logits, maps = explained(images)
        torch.testing.assert_close(logits, network(images))

    torch.testing.assert_close(maps.mean((2, 3)) + explained.head.bias, logits)


def test_an_ensemble_is_explained_by_the_mean_of_its_members() -> None:
    first, second = trained("multi_attention"), trained("mobilenetv3_small")
    ensemble = Ensemble([Member(first, 64, 0.5), Member(second, 96, 2.0)], segments=False).eval()
    images = torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(2))
    explained, one, other = class_maps(ensemble), class_maps(first), class_maps(second)
    assert explained is not None
    assert one is not None
    assert other is not None

    with torch.no_grad():
        logits, maps = explained(images)
        torch.testing.assert_close(logits, ensemble(images))
        larger = functional.interpolate(images, size=(96, 96), mode="bilinear")
        fine = other(larger)[1]
        coarse = functional.interpolate(one(images)[1], size=fine.shape[2:], mode="bilinear")

        torch.testing.assert_close(maps, (coarse / 0.5 + fine / 2.0) / 2)


def test_an_ensemble_with_a_member_that_cannot_be_explained_is_not() -> None:
    flat = nn.Sequential(nn.Flatten(), nn.Linear(64 * 64, 3))
    members = [Member(trained("multi_attention"), 64, 1.0), Member(flat, 64, 1.0)]

    assert class_maps(Ensemble(members, segments=False)) is None


def test_a_network_with_another_head_is_not_explained() -> None:
    flat = nn.Sequential(nn.Flatten(), nn.Linear(64 * 64, 3))
    pooled_by_maximum = build_network("classification", "resnet18")
    pooling: Any = pooled_by_maximum.global_pool
    pooling.pool_type = "max"

    assert class_maps(flat) is None
    assert class_maps(pooled_by_maximum) is None
