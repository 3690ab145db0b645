"""Random choice that gives every kind of lesion its share: the strongest of the plain baselines.

Foreground-aware random choice was not reliably beaten by any of eight strategies in nnActive (Lüth
et al., TMLR 2025); for whole images of one lesion each the like of it is to stratify by what makes
them differ, the lesion's size and class, here as the serving model sees them.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from sonoloop.active_learning.candidates import (
    LESION_SHARE,
    PREDICTED_CLASS,
    Candidates,
    Places,
    Proposal,
)
from sonoloop.active_learning.families import Turns, wanted
from sonoloop.active_learning.strata import size_limits, strata_of, stratum_name


@dataclass(frozen=True, slots=True)
class Stratified:
    """Any image of the group with the fewest labels so far, the batch included."""

    name: str = "stratified"
    description: str = "Random, with equal shares for every lesion size and predicted pathology"
    needs: tuple[str, ...] = (LESION_SHARE, PREDICTED_CLASS)

    def propose(
        self, pool: Candidates, labelled: Candidates, *, count: int, seed: int
    ) -> list[Proposal]:
        """See :class:`~sonoloop.active_learning.candidates.Strategy`.

        Labelled images count towards their group where they carry the scores.
        """
        count = wanted(count, pool)
        limits = size_limits(pool.score(LESION_SHARE))
        strata = strata_of(pool, limits)
        taken = Counter[int]()
        if set(self.needs) <= set(labelled.scores):
            taken.update(strata_of(labelled, limits).tolist())
        rng = np.random.default_rng(seed)
        turns, proposals = Turns(pool, labelled), []
        for _ in range(count):
            place = _draw(turns.open(), strata, taken, rng)
            stratum = int(strata[place])
            reason = (
                f"Drawn at random from {stratum_name(stratum)}, "
                f"of which {taken[stratum]} were chosen so far."
            )
            proposals.append(Proposal(pool.image_ids[place], -float(taken[stratum]), reason))
            taken[stratum] += 1
            turns.take(place)
        return proposals


def _draw(allowed: Places, strata: Places, taken: Counter[int], rng: np.random.Generator) -> int:
    there = np.unique(strata[allowed])
    counts = np.array([taken[int(stratum)] for stratum in there])
    stratum = rng.choice(there[counts == counts.min()])
    return int(rng.choice(allowed[strata[allowed] == stratum]))
