"""ImageNet weights as the start of a network of :mod:`sonoloop.networks.build`.

Grey images take the place of three equal colours: the first convolution is summed over its
colours, and the scale its inputs had is folded into it and into the normalisation behind it. That
is exact but for the outermost pixels, where the network pads with black instead of the mean
colour.
"""

import logging

import torch
from torch import Tensor

from sonoloop.errors import ConfigError
from sonoloop.networks.gated_unet import GatedUnet
from sonoloop.networks.pretrained import Pretrained, Weights, pretrained, source_of
from sonoloop.networks.scaled import Scaled

logger = logging.getLogger(__name__)

HEADS = ("classifier.", "fc.")
"""Last layers of timm's networks, which are not taken over."""


def start_from_imagenet(network: torch.nn.Module, *, allow_download: bool = False) -> None:
    """Fill the encoder of a network with ImageNet weights.

    Args:
        network: Of :func:`~sonoloop.networks.build.build_network`.
        allow_download: Fetch what this machine does not have.

    Raises:
        ConfigError: If there are no ImageNet weights of this architecture, or not on this machine.
    """
    name = _encoder_name(network)
    if name is None:
        raise ConfigError(
            ["this architecture has no ImageNet weights (set initial_weights to random)"]
        )
    scale, shift = (2.0, -1.0) if isinstance(network, GatedUnet | Scaled) else (1.0, 0.0)
    found = pretrained(name, allow_download=allow_download)
    fill(getattr(network, "encoder", network), grey(found, scale=scale, shift=shift))
    logger.info("the encoder starts from %s", source_of(name))


def imagenet_source(network: torch.nn.Module) -> str:
    """Where :func:`start_from_imagenet` takes the weights of a network from; empty for nowhere."""
    name = _encoder_name(network)
    return "" if name is None else source_of(name)


def _encoder_name(network: torch.nn.Module) -> str | None:
    return getattr(network, "imagenet_name", None)


def grey(found: Pretrained, *, scale: float, shift: float) -> Weights:
    """The same weights for one channel ``scale * x + shift`` of grey values x in [0, 1].

    With mean m and deviation s of a colour, the network saw ``(x - m) / s``; of z = scale * x +
    shift that is ``z / (scale * s) - (shift / scale + m) / s``. The factor goes into the first
    kernel, what is left into the mean of the batch norm behind it.
    """
    stem = next(name for name, tensor in found.weights.items() if tensor.ndim == 4)
    mean = next(name for name in found.weights if name.endswith("running_mean"))
    kernel = found.weights[stem]
    over_std = kernel / torch.tensor(found.std).view(1, -1, 1, 1)
    offset = torch.tensor(found.mean).view(1, -1, 1, 1) + shift / scale
    return {
        **found.weights,
        stem: over_std.sum(1, keepdim=True) / scale,
        mean: found.weights[mean] + (over_std * offset).sum((1, 2, 3)),
    }


def fill(encoder: torch.nn.Module, weights: Weights) -> None:
    """Copy weights by name; all but the last layer must be among them.

    Raises:
        ConfigError: If one is missing or of another shape, which means another architecture.
    """
    own = encoder.state_dict()
    fitting: dict[str, Tensor] = {
        name: weights[name]
        for name, tensor in own.items()
        if name in weights and weights[name].shape == tensor.shape
    }
    missing = [name for name in own if name not in fitting and not name.startswith(HEADS)]
    if missing:
        raise ConfigError(
            [
                f"the ImageNet weights found do not fit this encoder: {len(missing)} of {len(own)} "
                f"tensors are missing or of another shape, the first {missing[0]}"
            ]
        )
    encoder.load_state_dict(fitting, strict=False)
