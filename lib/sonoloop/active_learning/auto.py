"""What the server does unless it is told otherwise: a cold start, then the best measured strategy.

Typical images first and uncertain ones once the model knows something is the recipe of the papers
on changing budgets (Hacohen, Dekel, Weinshall, ICML 2022). Which strategy follows the cold start is
decided by our own simulation, see ``docs/active-learning.md``.
"""

from dataclasses import dataclass, replace
from typing import Final

from sonoloop.active_learning.candidates import Candidates, Proposal, Strategy

COLD_START: Final = "typiclust"
COLD_START_LABELS: Final = 50
"""So many labels are chosen by the cold start."""
AUTO_AFTER_COLD_START: Final = "stratified"
"""Name of the strategy that chooses from then on: in the simulation none beat it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Auto:
    """One strategy for the first labels and another from then on.

    Attributes:
        cold: Chooses the first labels.
        later: Chooses from then on.
        cold_labels: How many labels are the first.
    """

    cold: Strategy
    later: Strategy
    cold_labels: int = COLD_START_LABELS
    name: str = "auto"

    @property
    def description(self) -> str:
        """One line for clients."""
        first, later = (
            one.description[:1].lower() + one.description[1:] for one in (self.cold, self.later)
        )
        return f"First {self.cold_labels} labels: {first}; after them: {later}"

    @property
    def needs(self) -> tuple[str, ...]:
        """What either of the two needs."""
        return tuple(dict.fromkeys(self.cold.needs + self.later.needs))

    def propose(
        self, pool: Candidates, labelled: Candidates, *, count: int, seed: int
    ) -> list[Proposal]:
        """See :class:`~sonoloop.active_learning.candidates.Strategy`.

        A batch that reaches past the cold start is the cold start's altogether.
        """
        cold = len(labelled) < self.cold_labels
        chosen = (self.cold if cold else self.later).propose(pool, labelled, count=count, seed=seed)
        if not cold:
            return chosen
        stage = f" (cold start: the first {self.cold_labels} labels)"
        return [replace(p, reason=p.reason.removesuffix(".") + stage + ".") for p in chosen]
