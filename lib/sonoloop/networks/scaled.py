"""A network behind the input scale that its ImageNet weights were trained with."""

import torch
from torch import Tensor


class Scaled(torch.nn.Module):
    """Turns grey values in [0, 1] to [-1, 1] before the network."""

    def __init__(self, encoder: torch.nn.Module, *, imagenet_name: str) -> None:
        super().__init__()
        self.imagenet_name = imagenet_name
        self.encoder = encoder

    def forward(self, images: Tensor) -> Tensor:
        """What the network says of (N, 1, S, S) in [0, 1]."""
        result: Tensor = self.encoder(images * 2 - 1)
        return result
