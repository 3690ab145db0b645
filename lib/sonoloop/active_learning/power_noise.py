"""Class-stratified sampling of uncertain outlines, with noise that fades as labels come in.

The idea is that of ClaSP PE (Lüth et al., "Finally Outshining the Random Baseline: A Simple and
Effective Solution for Active Learning in 3D Biomedical Imaging", TMLR 2026): two thirds of a batch
are shared equally among the predicted classes, the rest is drawn from all; within each, images are
ranked by the logarithm of their predictive entropy plus Gumbel noise of scale 1 / beta, which is
drawing without replacement with odds entropy ** beta (Kirsch et al., "Stochastic Batch Acquisition
for Deep Active Learning", TMLR 2023). A small beta spreads the first batches, a large one trusts
the score later. There the unit is a patch of a volume and the class that of its voxels; here an
image and its predicted pathology. The paper's schedule counts rounds; readers do not label in
rounds, so ours counts labels, and its constants are our own choice.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from sonoloop.active_learning.candidates import (
    ENTROPY,
    PREDICTED_CLASS,
    Candidates,
    Places,
    Proposal,
)
from sonoloop.active_learning.families import in_turn, wanted
from sonoloop.active_learning.strata import class_name

STRATIFIED_SHARE: Final = 2 / 3
"""Share of a batch that is split equally among the classes; of the authors' implementation."""
LABELS_PER_DOUBLING: Final = 50
"""Beta doubles with so many labels."""
LARGEST_BETA: Final = 64.0
SMALLEST_ENTROPY: Final = 1e-6
"""Entropies below count as this: the logarithm of none is no number."""


def beta(labels: int) -> float:
    """How far the score is trusted over chance once there are so many labels; 1 at none.

    Example:
        >>> beta(0), beta(100), beta(10_000)
        (1.0, 4.0, 64.0)
    """
    return float(2 ** min(labels / LABELS_PER_DOUBLING, np.log2(LARGEST_BETA)))


@dataclass(frozen=True, slots=True)
class PowerNoise:
    """Uncertain outlines of every predicted class, drawn with odds by entropy."""

    name: str = "power_noise"
    description: str = "Uncertain outlines of every predicted pathology, with fading chance"
    needs: tuple[str, ...] = (ENTROPY, PREDICTED_CLASS)

    def propose(
        self, pool: Candidates, labelled: Candidates, *, count: int, seed: int
    ) -> list[Proposal]:
        """See :class:`~sonoloop.active_learning.candidates.Strategy`."""
        count = wanted(count, pool)
        entropy, classes = pool.score(ENTROPY), pool.score(PREDICTED_CLASS).astype(np.int64)
        rng = np.random.default_rng(seed)
        noise = rng.gumbel(0.0, 1.0 / beta(len(labelled)), size=len(pool))
        power = np.log(np.maximum(entropy, SMALLEST_ENTROPY)) + noise
        order = interleaved(power, classes, rng)
        return [
            Proposal(
                pool.image_ids[place],
                float(power[place]),
                f"Drawn with odds by doubt from images called {class_name(int(classes[place]))}: "
                f"entropy of the outline {entropy[place]:.2f} bits a pixel.",
            )
            for place in in_turn(order, pool, labelled, count=count)
        ]


def interleaved(
    power: npt.NDArray[np.float64], classes: Places, rng: np.random.Generator
) -> Places:
    """All places so that every beginning of the order keeps the shares.

    Of any run of three, two take the next class in turn and one the best of all. The classes take
    turns in random order; one that has run out is passed over.
    """
    ranked = np.argsort(-power, kind="stable").astype(np.int64)
    queues = [list(ranked[classes[ranked] == number][::-1]) for number in np.unique(classes)]
    rng.shuffle(queues)
    everything = list(ranked[::-1])
    taken = np.zeros(len(power), dtype=bool)
    order: list[int] = []
    stratified = 0
    while len(order) < len(power):
        by_class = stratified < STRATIFIED_SHARE * (len(order) + 1) - 1e-9
        queue = queues[stratified % len(queues)] if by_class else everything
        stratified += by_class
        while queue and taken[queue[-1]]:
            queue.pop()
        if queue:
            place = int(queue.pop())
            taken[place] = True
            order.append(place)
    return np.array(order, dtype=np.int64)
