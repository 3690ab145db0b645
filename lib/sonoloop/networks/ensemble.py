"""Several networks that answer as one.

Lakshminarayanan et al., "Simple and Scalable Predictive Uncertainty Estimation using Deep
Ensembles", NeurIPS 2017.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class Member:
    """How one network takes part.

    Attributes:
        network: Takes (N, 1, s, s), s its own size.
        input_size_px: s.
        temperature: Its logits are divided by it.
    """

    network: nn.Module
    input_size_px: int
    temperature: float


class Ensemble(nn.Module):
    """Logits of the mean probability of its members.

    In training mode the mean of the members' logits, so that an ensemble can be fine-tuned like
    any other network.

    Args:
        members: At least two, of one task.
        segments: Whether they are segmenters; their maps are brought to the size of the input.
    """

    def __init__(self, members: Sequence[Member], *, segments: bool) -> None:
        super().__init__()
        self.members = nn.ModuleList(member.network for member in members)
        self.sizes = tuple(member.input_size_px for member in members)
        self.temperatures = tuple(member.temperature for member in members)
        self.segments = segments

    def forward(self, images: Tensor) -> Tensor:
        """Logits of (N, 1, S, S) in [0, 1]: (N, 1, S, S) of segmenters, (N, classes) else."""
        return self.merged(
            [
                self._answer(network, size, images)
                for network, size in zip(self.members, self.sizes, strict=True)
            ]
        )

    def merged(self, answers: Sequence[Tensor]) -> Tensor:
        """Logits of the whole, of the logits of every member in their order."""
        logits = torch.stack(
            [
                answer.float() / temperature
                for answer, temperature in zip(answers, self.temperatures, strict=True)
            ]
        )
        if self.training:
            return logits.mean(0)
        if self.segments:
            return torch.logit(torch.sigmoid(logits).mean(0), eps=1e-6)
        return torch.log(torch.softmax(logits, -1).mean(0).clamp_min(1e-6))

    def _answer(self, network: nn.Module, size: int, images: Tensor) -> Tensor:
        side = images.shape[-1]
        if size == side:
            answer: Tensor = network(images)
            return answer
        answer = network(resized(images, size))
        return resized(answer, side) if self.segments else answer


def resized(images: Tensor, size: int) -> Tensor:
    """(N, C, S, S) as (N, C, size, size), bilinear."""
    return functional.interpolate(images, size=(size, size), mode="bilinear", align_corners=False)
