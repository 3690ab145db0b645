"""The most doubtful image first: by the outline's entropy, by BALD, or by the class margin.

* Entropy of lesion and border pixels: the strongest single score in nnActive's comparison of eight
  on four data sets, at the price of the most annotation work (Lüth et al., "nnActive: A Framework
  for Evaluation of Active Learning in 3D Biomedical Segmentation", TMLR 2025).
* BALD, what the members of a model disagree about: Houlsby et al., arXiv 1112.5745, 2011; for
  images Gal, Islam, Ghahramani, ICML 2017.
* Margin between the two most probable pathologies: Scheffer, Decomain, Wrobel, IDA 2001.

See ``active_learning.scores`` for the formulas.
"""

from dataclasses import dataclass

import numpy as np

from sonoloop.active_learning.candidates import BALD, ENTROPY, MARGIN, Candidates, Proposal
from sonoloop.active_learning.families import in_turn, shuffled, wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class MostUncertain:
    """The highest value of one score first; equal values in random order.

    Attributes:
        score: Name of the score.
        doubt: What a high value means, as the beginning of a sentence; ``{value}`` is the value.
    """

    name: str
    description: str
    score: str
    doubt: str

    @property
    def needs(self) -> tuple[str, ...]:
        """The one score."""
        return (self.score,)

    def propose(
        self, pool: Candidates, labelled: Candidates, *, count: int, seed: int
    ) -> list[Proposal]:
        """See :class:`~sonoloop.active_learning.candidates.Strategy`."""
        count = wanted(count, pool)
        values = pool.score(self.score)
        chosen = in_turn(shuffled(values, seed=seed), pool, labelled, count=count)
        below = np.searchsorted(np.sort(values), values[chosen], side="left") / max(1, len(pool))
        return [
            Proposal(
                pool.image_ids[place],
                float(values[place]),
                f"{self.doubt.format(value=f'{values[place]:.2f}')}, more than in "
                f"{share:.0%} of the images without a label.",
            )
            for place, share in zip(chosen, below, strict=True)
        ]


ENTROPY_FIRST = MostUncertain(
    name="entropy",
    description="The most uncertain outline: entropy of the lesion and its border",
    score=ENTROPY,
    doubt="The model is unsure where the lesion ends: entropy {value} bits a pixel",
)
BALD_FIRST = MostUncertain(
    name="bald",
    description="The outline that views of the same image disagree about most (BALD)",
    score=BALD,
    doubt="Views of this image give different outlines: mutual information {value} bits a pixel",
)
MARGIN_FIRST = MostUncertain(
    name="margin",
    description="The least decided pathology: smallest lead of one class over the next",
    score=MARGIN,
    doubt="The model cannot decide on a pathology: indecision {value} of 1",
)
