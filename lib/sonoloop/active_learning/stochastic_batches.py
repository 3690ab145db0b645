"""The best of many random batches.

Gaillochet, Desrosiers, Lombaert, "Active learning for medical image segmentation with stochastic
batches", Medical Image Analysis 90, 2023: a random batch is varied, a batch of the most uncertain
images is not; of many random ones the batch with the highest mean score is both.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from sonoloop.active_learning.candidates import ENTROPY, Candidates, Proposal
from sonoloop.active_learning.families import in_turn, wanted

BATCHES: Final = 100
"""Random batches that are compared; our choice, the paper cuts the whole pool into batches."""


@dataclass(frozen=True, slots=True)
class StochasticBatches:
    """The random batch with the highest mean of a score."""

    name: str = "stochastic_batches"
    description: str = "The random batch with the most uncertain outlines on average"
    needs: tuple[str, ...] = (ENTROPY,)

    def propose(
        self, pool: Candidates, labelled: Candidates, *, count: int, seed: int
    ) -> list[Proposal]:
        """See :class:`~sonoloop.active_learning.candidates.Strategy`."""
        count = wanted(count, pool)
        entropy = pool.score(ENTROPY)
        if count == 0:
            return []
        rng = np.random.default_rng(seed)
        batches = [
            in_turn(rng.permutation(len(pool)).astype(np.int64), pool, labelled, count=count)
            for _ in range(BATCHES)
        ]
        means = [float(entropy[batch].mean()) for batch in batches]
        best = int(np.argmax(means))
        reason = (
            f"One of the {count} images that were the most uncertain on average "
            f"(entropy {means[best]:.2f} bits a pixel) among {BATCHES} random batches."
        )
        return [
            Proposal(pool.image_ids[place], float(entropy[place]), reason)
            for place in batches[best]
        ]
