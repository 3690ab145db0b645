"""A network with its last step: logits to probabilities, the card's temperature applied."""

from pathlib import Path

import torch
from torch import Tensor

from sonoloop.networks.card import ModelCard
from sonoloop.networks.explain import class_maps
from sonoloop.networks.weights import load_model
from sonoloop.records import ModelTask


class ProbabilityNetwork(torch.nn.Module):
    """Sigmoid for a segmenter, softmax for a classifier; returns float32.

    A classifier that can be explained returns its class maps (N, classes, h, w) as well.
    """

    def __init__(self, network: torch.nn.Module, task: ModelTask, temperature: float) -> None:
        super().__init__()
        self.segments = task == "segmentation"
        explained = None if self.segments else class_maps(network)
        self.has_maps = explained is not None
        self.network = explained or network
        self.temperature = temperature

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """(N, 1, S, S) in [0, 1] to (N, 1, S, S) or (N, classes) probabilities, and maps."""
        if self.has_maps:
            logits, maps = self.network(images)
            return torch.softmax(logits.float() / self.temperature, dim=1), maps.float()
        logits = self.network(images).float() / self.temperature
        return torch.sigmoid(logits) if self.segments else torch.softmax(logits, dim=1)


def probability_network(model_dir: Path) -> tuple[ProbabilityNetwork, ModelCard]:
    """The network of a model folder as probabilities, in evaluation mode on the CPU.

    Raises:
        ModelError: If the folder is incomplete or corrupt.
    """
    network, card = load_model(model_dir)
    return ProbabilityNetwork(network, card.task, card.temperature).eval(), card
