"""A learner that is quick and all known: the figures follow from how many labels there are."""

from collections.abc import Sequence
from functools import cache

import numpy as np

from sonoloop.active_learning.candidates import SCORE_NAMES, Candidates, Scores
from sonoloop.simulation.cells import Cell
from sonoloop.simulation.learner import Outcome


class FakeLearner:
    """Dice grows with the number of labels and with the mean place of the labelled images."""

    def __init__(self, images: int = 40, *, dies_at: int | None = None) -> None:
        rng = np.random.default_rng(5)
        self.pool = Candidates(
            image_ids=tuple(f"i{n}" for n in range(images)),
            families=tuple(f"family {n // 2}" for n in range(images)),
            embeddings=rng.normal(size=(images, 6)).astype(np.float32),
        )
        self.learnt: list[tuple[tuple[int, ...], int]] = []
        self.scored: list[int] = []
        self._dies_at = dies_at

    def learn(self, places: Sequence[int], *, seed: int) -> Outcome:
        if len(self.learnt) == self._dies_at:
            raise KeyboardInterrupt
        self.learnt.append((tuple(sorted(places)), seed))
        count, size = len(places), len(self.pool)
        rng = np.random.default_rng([seed, count, int(sum(places))])

        def scores() -> dict[str, Scores]:
            self.scored.append(count)
            values = {name: rng.random(size) for name in SCORE_NAMES}
            return values | {"predicted_class": rng.integers(1, 3, size).astype(float)}

        dice = 0.9 * count / (count + 5) + 0.001 * float(np.mean(places)) / size
        return Outcome(dice=dice, auc=dice - 0.05, scores=cache(scores))


class Remembering:
    """A watch that remembers which cells were computed and which reused."""

    def __init__(self) -> None:
        self.computed: list[tuple[int, str, int]] = []
        self.reused: list[tuple[int, str, int]] = []

    def done(self, cell: Cell, *, reused: bool) -> None:
        (self.reused if reused else self.computed).append((cell.seed, cell.strategy, cell.round))
