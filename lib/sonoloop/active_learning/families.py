"""One image of a family at a time: the second view of a lesion teaches less than another lesion.

Families are patients and near-duplicates. Among the breast ultrasound images of BUSI 38 % have a
near-duplicate, so a strategy that overlooks this asks for the same outline twice.
"""

from collections import Counter

import numpy as np
import numpy.typing as npt

from sonoloop.active_learning.candidates import Candidates, Places
from sonoloop.errors import ScoreError


class Turns:
    """Which candidates may be chosen now, while a batch is put together one by one.

    Those come first whose family the batch has the fewest images of; among these, those whose
    family is not labelled yet.
    """

    def __init__(self, pool: Candidates, labelled: Candidates) -> None:
        names, self._family = np.unique(np.array(pool.families, dtype=str), return_inverse=True)
        known = set(labelled.families)
        seen = np.array([name in known for name in names], dtype=np.int64)
        self._turn = seen[self._family]
        self._free = np.ones(len(pool), dtype=bool)

    def open(self) -> Places:
        """Places of the candidates whose turn it is, ascending; none when all are taken."""
        free: Places = np.flatnonzero(self._free)
        if not free.size:
            return free
        turn = self._turn[free]
        first: Places = free[turn == turn.min()]
        return first

    def take(self, place: int) -> None:
        """Put the candidate at ``place`` into the batch."""
        self._free[place] = False
        self._turn[self._family == self._family[place]] += 2


def in_turn(order: Places, pool: Candidates, labelled: Candidates, *, count: int) -> Places:
    """The first ``count`` of a ranking once families take turns; the same as :class:`Turns`.

    Args:
        order: Places of all candidates, the most wanted first.
        pool: The candidates.
        labelled: Images whose families come last.
        count: Not negative.
    """
    met: Counter[str] = Counter()
    known = set(labelled.families)
    turn = np.empty(len(order), dtype=np.int64)
    for rank, place in enumerate(order):
        family = pool.families[place]
        turn[rank] = 2 * met[family] + (family in known)
        met[family] += 1
    return order[np.argsort(turn, kind="stable")][:count]


def shuffled(values: npt.NDArray[np.float64], *, seed: int) -> Places:
    """Places by falling value, equal values in random order."""
    ties = np.random.default_rng(seed).permutation(len(values))
    return np.lexsort((ties, -values)).astype(np.int64)


def wanted(count: int, pool: Candidates) -> int:
    """How many images can be proposed.

    Raises:
        ScoreError: If ``count`` is negative.
    """
    if count < 0:
        raise ScoreError(f"cannot propose {count} images (0 or more)")
    return min(count, len(pool))
