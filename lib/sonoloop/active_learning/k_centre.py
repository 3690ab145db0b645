"""Greedy core set: always the image farthest from all that are labelled or chosen.

Sener, Savarese, "Active Learning for Convolutional Neural Networks: A Core-Set Approach", ICLR
2018; the greedy 2-approximation of the k-centre problem, Gonzalez, "Clustering to minimize the
maximum intercluster distance", Theoretical Computer Science 38, 1985.
"""

from dataclasses import dataclass

import numpy as np

from sonoloop.active_learning.candidates import EMBEDDINGS, Candidates, Proposal
from sonoloop.active_learning.embedded import distances_to, points
from sonoloop.active_learning.families import Turns, wanted

NO_NEIGHBOUR = np.float32(2.0)
"""Distance while nothing is labelled: the largest there is between rows of length one."""


@dataclass(frozen=True, slots=True)
class KCentre:
    """The image least like any other, then the one least like these, and so on."""

    name: str = "k_centre"
    description: str = "The image least like any that is labelled (core set)"
    needs: tuple[str, ...] = (EMBEDDINGS,)

    def propose(
        self, pool: Candidates, labelled: Candidates, *, count: int, seed: int
    ) -> list[Proposal]:
        """See :class:`~sonoloop.active_learning.candidates.Strategy`."""
        count = wanted(count, pool)
        rows, known = points(pool, labelled)
        nearest = np.full(len(rows), NO_NEIGHBOUR, dtype=np.float32)
        for point in known:
            nearest = np.minimum(nearest, distances_to(rows, point))
        rng = np.random.default_rng(seed)
        turns, proposals = Turns(pool, labelled), []
        for number in range(count):
            allowed = turns.open()
            best = allowed[nearest[allowed] == nearest[allowed].max()]
            place = int(rng.choice(best))
            reason = (
                f"Least like any image that is labelled or was chosen before: distance "
                f"{nearest[place]:.2f} of at most 2."
                if number or len(known)
                else "An image to begin with, drawn at random: nothing is labelled yet."
            )
            proposals.append(Proposal(pool.image_ids[place], float(nearest[place]), reason))
            nearest = np.minimum(nearest, distances_to(rows, rows[place]))
            turns.take(place)
        return proposals
