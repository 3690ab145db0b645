"""What a simulation asks of a network: learn these images, be measured, say what is doubtful."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from sonoloop.active_learning.candidates import Candidates, Scores


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How good a network is, and what it makes of the pool.

    Attributes:
        dice: Mean over the lesion images of the test split.
        auc: Of malignancy, by test patient; None where they are all alike.
        scores: Tells (N,) values for every image of the pool, by name; a function, since they cost
            time that not every strategy needs.
    """

    dice: float
    auc: float | None
    scores: Callable[[], dict[str, Scores]]


class Learner(Protocol):
    """Learns any part of a pool of images.

    Attributes:
        pool: Every image that can be labelled, with embeddings and without scores.
    """

    @property
    def pool(self) -> Candidates: ...  # noqa: D102 - told above

    def learn(self, places: Sequence[int], *, seed: int) -> Outcome:
        """A network trained from nothing on the images at ``places``, and its figures.

        Args:
            places: Of the pool; the outcome does not depend on their order.
            seed: The same seed and images give the same outcome.
        """
        ...
