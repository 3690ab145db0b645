"""What strategies choose among, what they hand back, and what a strategy is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from sonoloop.errors import ScoreError

Scores = npt.NDArray[np.float64]
Embeddings = npt.NDArray[np.float32]
Places = npt.NDArray[np.int64]
"""Positions within the candidates."""

ENTROPY: Final = "entropy"
BALD: Final = "bald"
MARGIN: Final = "margin"
LESION_SHARE: Final = "lesion_share"
PREDICTED_CLASS: Final = "predicted_class"
SCORE_NAMES: Final = (ENTROPY, BALD, MARGIN, LESION_SHARE, PREDICTED_CLASS)
"""What is known of an image once a model has seen it; see ``active_learning.scores``."""

EMBEDDINGS: Final = "embeddings"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """Images with what a model makes of them; row by row the same image in every field.

    Attributes:
        image_ids: Each once.
        families: Images of one patient, and near-duplicates, have the same name here.
        embeddings: (N, D) float32, one row of features of an image; None when there are none.
        scores: (N,) finite values by name, of :data:`SCORE_NAMES` or others.

    Raises:
        ScoreError: If the fields do not fit one another, an id comes twice, or a value is not
            finite.
    """

    image_ids: tuple[str, ...]
    families: tuple[str, ...]
    embeddings: Embeddings | None = None
    scores: Mapping[str, Scores] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count = len(self.image_ids)
        if len(set(self.image_ids)) < count:
            raise ScoreError(f"{count} candidates, but {len(set(self.image_ids))} image ids")
        if len(self.families) != count:
            raise ScoreError(f"{count} candidates, but {len(self.families)} families")
        given: dict[str, npt.NDArray[np.floating]] = dict(self.scores)
        if self.embeddings is not None:
            if self.embeddings.ndim != 2:
                raise ScoreError(f"embeddings must be (N, D), got {self.embeddings.shape}")
            given[EMBEDDINGS] = self.embeddings
        for name, values in given.items():
            if len(values) != count:
                raise ScoreError(f"{count} candidates, but {len(values)} values of {name!r}")
            if not np.isfinite(values).all():
                place = int(np.flatnonzero(~np.isfinite(values.reshape(count, -1)).all(axis=1))[0])
                raise ScoreError(
                    f"{name!r} of candidate {place} is not finite (leave images without scores out)"
                )

    def __len__(self) -> int:
        return len(self.image_ids)

    def score(self, name: str) -> Scores:
        """The (N,) values of one score.

        Raises:
            ScoreError: If the candidates carry none of that name.
        """
        try:
            return self.scores[name]
        except KeyError:
            known = ", ".join(self.scores) or "no scores at all"
            raise ScoreError(
                f"the candidates carry no score {name!r} but {known} (score the images first)"
            ) from None

    def features(self) -> Embeddings:
        """The (N, D) embeddings.

        Raises:
            ScoreError: If the candidates carry none.
        """
        if self.embeddings is None:
            raise ScoreError("the candidates carry no embeddings (embed the images first)")
        return self.embeddings

    def take(self, places: Sequence[int] | Places) -> "Candidates":
        """The candidates at ``places``, in that order."""
        chosen = np.asarray(places, dtype=np.int64)
        return Candidates(
            image_ids=tuple(self.image_ids[place] for place in chosen),
            families=tuple(self.families[place] for place in chosen),
            embeddings=None if self.embeddings is None else self.embeddings[chosen],
            scores={name: values[chosen] for name, values in self.scores.items()},
        )

    def joined(self, others: "Candidates") -> "Candidates":
        """These and then the others, with what both know.

        Raises:
            ScoreError: If an image is in both, or their embeddings are of different length.
        """
        if not len(self) or not len(others):
            return self if len(self) else others
        both = None
        if self.embeddings is not None and others.embeddings is not None:
            widths = self.embeddings.shape[1], others.embeddings.shape[1]
            if widths[0] != widths[1]:
                raise ScoreError(
                    f"embeddings of {widths[0]} and of {widths[1]} values cannot be joined "
                    "(embed both with the same model)"
                )
            both = np.concatenate([self.embeddings, others.embeddings])
        return Candidates(
            image_ids=self.image_ids + others.image_ids,
            families=self.families + others.families,
            embeddings=both,
            scores={
                name: np.concatenate([values, others.scores[name]])
                for name, values in self.scores.items()
                if name in others.scores
            },
        )


NOTHING: Final = Candidates(image_ids=(), families=())
"""No image at all, as before the first label."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """An image to label next.

    Attributes:
        score: What the strategy ranked it by; comparable only within one answer of one strategy.
        reason: A sentence for the reader: why this image.
    """

    image_id: str
    score: float
    reason: str


class Strategy(Protocol):
    """A way to choose images.

    Attributes:
        name: As clients ask for it.
        description: One line for clients.
        needs: Names of the scores it cannot do without, ``embeddings`` among them.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - told above

    @property
    def description(self) -> str: ...  # noqa: D102

    @property
    def needs(self) -> tuple[str, ...]: ...  # noqa: D102

    def propose(
        self, pool: Candidates, labelled: Candidates, *, count: int, seed: int
    ) -> list[Proposal]:
        """The images to label next, the most wanted first.

        At most one image of a family is proposed while other families are left, and one whose
        family is labelled already only after those whose family is not.

        Args:
            pool: Images nobody has labelled.
            labelled: Images somebody has; their scores and embeddings where the strategy uses
                them.
            count: At most so many; all of the pool where it is smaller.
            seed: The same seed and images give the same proposals.

        Raises:
            ScoreError: If the candidates lack what the strategy needs, or ``count`` is negative.
        """
        ...
