"""Random choice: the line every other strategy is held to.

It is hard to beat on sets of a few hundred images (Gaillochet, Desrosiers, Lombaert, "Active
learning for medical image segmentation with stochastic batches", Medical Image Analysis 90, 2023).
"""

from dataclasses import dataclass

import numpy as np

from sonoloop.active_learning.candidates import Candidates, Proposal
from sonoloop.active_learning.families import in_turn, wanted


@dataclass(frozen=True, slots=True)
class Random:
    """Any image, each as likely as the other."""

    name: str = "random"
    description: str = "Any image without a label"
    needs: tuple[str, ...] = ()

    def propose(
        self, pool: Candidates, labelled: Candidates, *, count: int, seed: int
    ) -> list[Proposal]:
        """See :class:`~sonoloop.active_learning.candidates.Strategy`."""
        count = wanted(count, pool)
        order = np.random.default_rng(seed).permutation(len(pool)).astype(np.int64)
        reason = f"Drawn at random from {len(pool)} images without a label."
        return [
            Proposal(pool.image_ids[place], 0.0, reason)
            for place in in_turn(order, pool, labelled, count=count)
        ]
