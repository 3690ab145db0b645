"""Agreement beyond chance: Cohen's kappa of two readers, Fleiss' of any number.

Both are None where there is nothing to tell: with fewer than two images that were answered, or
when every answer is the same category, since agreement by chance is then complete as well.
"""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

from sonoloop.evaluation.birads import SUSPICION, suspicion

MIN_IMAGES: Final = 2
BIRADS_RANKS: Final = sorted(set(SUSPICION.values()))
"""Distinct places of the categories in order of suspicion: 1, 2, 3, 4A, 4 or 4B, 4C, 5."""


@dataclass(frozen=True, slots=True)
class Kappa:
    """A coefficient and what it rests on.

    Attributes:
        value: In [-1, 1]; None where it is not defined.
        images: Images that counted.
    """

    value: float | None
    images: int

    def as_json(self) -> dict[str, Any]:
        """Names and values."""
        return {
            "value": None if self.value is None else round(self.value, 4),
            "images": self.images,
        }


def birads_rank(category: str | None) -> int | None:
    """Place of a category in order of suspicion; None for none, 0 and 6 (no final assessment).

    Example:
        >>> birads_rank("1"), birads_rank("4A"), birads_rank("4"), birads_rank("0")
        (0, 3, 4, None)
    """
    known = suspicion(category)
    return None if known is None else BIRADS_RANKS.index(known)


def cohen(
    first: Sequence[Hashable | None],
    second: Sequence[Hashable | None],
    *,
    weights: Literal["quadratic"] | None = None,
) -> Kappa:
    """Cohen's kappa over the images both readers answered.

    Cohen, Educ. Psychol. Meas. 20:37, 1960; weighted: Cohen, Psychol. Bull. 70:213, 1968.

    Args:
        first: Answer of one reader to each image; None is no answer.
        second: Of the other, in the same order.
        weights: ``quadratic`` takes answers for ranks (whole numbers) and counts a disagreement
            by the square of its distance; None counts all alike.

    Example:
        >>> cohen(["b", "b", "m", "m"], ["b", "b", "m", "b"])
        Kappa(value=0.5, images=4)
    """
    pairs = [(a, b) for a, b in zip(first, second, strict=True) if a is not None and b is not None]
    answers = {answer for pair in pairs for answer in pair}
    if len(pairs) < MIN_IMAGES or len(answers) == 1:
        return Kappa(None, len(pairs))
    from sklearn.metrics import cohen_kappa_score

    one, other = zip(*pairs, strict=True)
    # Without every rank in between, distances would be counted in categories that occur.
    labels = range(len(BIRADS_RANKS)) if weights else sorted(answers, key=str)
    value = float(cohen_kappa_score(one, other, labels=list(labels), weights=weights))
    return Kappa(value, len(pairs))


def fleiss(images: Sequence[Sequence[Hashable | None]]) -> Kappa:
    """Fleiss' kappa of the answers of several readers, for categories without order.

    Fleiss, Psychol. Bull. 76:378, 1971. Images need not have the same number of answers: each
    image with at least two counts once, in the agreement as in the shares of the categories
    (Gwet, "Handbook of Inter-Rater Reliability", 4th edition, 2014, chapter 2); with equal
    numbers that is the coefficient of 1971.

    Args:
        images: Answers to each image, in any order of readers; None is no answer.

    Example:
        >>> fleiss([["b", "b"], ["m", "m"], ["b", "m"], ["m", "b"]])
        Kappa(value=0.0, images=4)
    """
    answered = [[a for a in answers if a is not None] for answers in images]
    counts = [Counter(answers) for answers in answered if len(answers) > 1]
    categories = sorted({category for count in counts for category in count}, key=str)
    if len(counts) < MIN_IMAGES or len(categories) == 1:
        return Kappa(None, len(counts))
    table = np.array([[count[c] for c in categories] for count in counts], dtype=np.float64)
    readers = table.sum(axis=1)
    agreement = ((table * (table - 1)).sum(axis=1) / (readers * (readers - 1))).mean()
    by_chance = np.square((table / readers[:, None]).mean(axis=0)).sum()
    return Kappa(float((agreement - by_chance) / (1 - by_chance)), len(counts))
