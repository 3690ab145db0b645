"""What is simulated: strategies, seeds, and how many labels there are after each round."""

from dataclasses import dataclass
from typing import Final

from sonoloop.errors import ConfigError

ALL_LABELS: Final = "all labels"
"""In place of a strategy's name: a training on every image, which the others are held to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Every strategy begins with a few labels and asks for more, round by round.

    Attributes:
        strategies: Names.
        seeds: Everything is done once with each.
        start: Labels of the first round.
        batch: Labels added by the second round.
        growth: By how much every further batch is larger than the one before it. Batches that
            grow reach far with few rounds, and look closely where the curve is steep.
        rounds: How many, the first included.
    """

    strategies: tuple[str, ...]
    seeds: tuple[int, ...]
    start: int = 20
    batch: int = 20
    growth: float = 2.0
    rounds: int = 5

    def __post_init__(self) -> None:
        rules = {
            "at least one strategy is needed": bool(self.strategies),
            "strategies must differ": len(set(self.strategies)) == len(self.strategies),
            "at least one seed is needed": bool(self.seeds),
            f"start must be at least 2, got {self.start}": self.start >= 2,
            f"batch must be at least 1, got {self.batch}": self.batch >= 1,
            f"growth must be in [1, 10], got {self.growth}": 1 <= self.growth <= 10,
            f"rounds must be at least 2, got {self.rounds}": self.rounds >= 2,
        }
        problems = [rule for rule, kept in rules.items() if not kept]
        if problems:
            raise ConfigError(problems)

    def label_counts(self, images: int) -> tuple[int, ...]:
        """Labels there are in each round.

        Args:
            images: In the pool.

        Raises:
            ConfigError: If the last round asks for more.

        Example:
            >>> Plan(strategies=("random",), seeds=(0,)).label_counts(1000)
            (20, 40, 80, 160, 320)
        """
        counts, batch = [self.start], float(self.batch)
        for _ in range(1, self.rounds):
            counts.append(counts[-1] + round(batch))
            batch *= self.growth
        if counts[-1] > images:
            raise ConfigError(
                [
                    f"{self.rounds} rounds reach {counts[-1]} labels, there are {images} images "
                    "(fewer rounds, smaller batches or less growth)"
                ]
            )
        return tuple(counts)
