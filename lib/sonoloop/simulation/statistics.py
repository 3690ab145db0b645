"""Curves over seeds: means with intervals, areas, labels needed, paired comparisons.

A figure is ``{"value": x, "ci95": [low, high]}`` as in ``evaluation.bootstrap``; here seeds are
what varies, and patients of the test split are not.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import stats

from sonoloop.errors import ScoreError

Values = npt.NDArray[np.float64]
Figure = dict[str, Any]

LEVEL: Final = 0.95
RESAMPLES: Final = 2000
NEVER: Final = float("inf")


def mean_figure(values: Values) -> Figure:
    """Mean over seeds with its 95 % interval by Student's t; no interval for a single seed.

    Example:
        >>> mean_figure(np.array([0.5]))
        {'value': 0.5, 'ci95': None}
    """
    mean = float(np.mean(values))
    if len(values) < 2:
        return {"value": mean, "ci95": None}
    reach = float(stats.t.ppf((1 + LEVEL) / 2, len(values) - 1) * stats.sem(values))
    return {"value": mean, "ci95": [mean - reach, mean + reach]}


def area(counts: Sequence[int], curves: Values) -> Values:
    """Mean height of each curve over the logarithm of the number of labels.

    The area under the curve by the trapezoid rule, divided by its width: every doubling of the
    labels counts the same, whatever the size of the batches.

    Args:
        counts: (R,) labels, growing.
        curves: (..., R).

    Returns:
        (...), in the unit of the curves.
    """
    places = np.log(np.asarray(counts, dtype=np.float64))
    heights: Values = np.trapezoid(curves, places, axis=-1) / (places[-1] - places[0])
    return heights


def labels_needed(counts: Sequence[int], curve: Values, target: float) -> float:
    """Labels at which a curve first reaches ``target``, straight lines between the rounds.

    Returns:
        The first count where the curve begins above it; infinity where it never gets there.

    Example:
        >>> labels_needed([10, 20, 40], np.array([0.5, 0.7, 0.8]), 0.6)
        15.0
    """
    reached = np.flatnonzero(curve >= target)
    if not reached.size:
        return NEVER
    place = int(reached[0])
    if place == 0:
        return float(counts[0])
    low, high = curve[place - 1], curve[place]
    share = (target - low) / (high - low)
    return float(counts[place - 1] + share * (counts[place] - counts[place - 1]))


def labels_figure(
    counts: Sequence[int], curves: Values, full: Values, *, share: float, seed: int = 0
) -> Figure:
    """Labels needed for a share of what all labels give, by the mean curve over seeds.

    The interval is the percentile bootstrap over seeds; both ends can be None, which is more than
    the last count.

    Args:
        counts: (R,).
        curves: (S, R) by seed.
        full: (S,) with all labels, same seeds.
        share: Of the mean of ``full``.
        seed: Of the bootstrap.
    """

    def needed(chosen: npt.NDArray[np.int64]) -> float:
        return labels_needed(counts, curves[chosen].mean(0), share * float(full[chosen].mean()))

    seeds = len(curves)
    value = _finite(needed(np.arange(seeds)))
    if seeds < 2:
        return {"value": value, "ci95": None}
    draws = np.random.default_rng(seed).integers(0, seeds, (RESAMPLES, seeds))
    repeats = np.sort([needed(row) for row in draws])
    ends = [repeats[int(q * (RESAMPLES - 1))] for q in ((1 - LEVEL) / 2, (1 + LEVEL) / 2)]
    return {"value": value, "ci95": [_finite(float(end)) for end in ends]}


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def paired(first: Values, second: Values) -> dict[str, Any]:
    """Whether one strategy is better than another, seed by seed.

    Args:
        first: (S,).
        second: (S,), same seeds in the same order.

    Returns:
        ``difference``: mean of first minus second, as a figure; ``p``: two-sided Wilcoxon
        signed-rank test (Wilcoxon, Biometrics Bulletin 1, 1945), None for fewer than two seeds;
        ``better``: seeds in which the first is higher; ``seeds``.

    Raises:
        ScoreError: If the lengths differ.
    """
    if first.shape != second.shape:
        raise ScoreError(
            f"seeds cannot be paired: {len(first)} values and {len(second)} (take common seeds)"
        )
    difference = first - second
    if len(difference) < 2:
        p = None
    elif not difference.any():
        p = 1.0
    else:
        p = float(stats.wilcoxon(difference).pvalue)
    return {
        "difference": mean_figure(difference),
        "p": p,
        "better": int((difference > 0).sum()),
        "seeds": len(difference),
    }


def holm(p_values: Sequence[float]) -> list[float]:
    """P values after the step-down correction for several comparisons.

    Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 6, 1979.

    Example:
        >>> [round(p, 6) for p in holm([0.01, 0.04, 0.03])]
        [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values)
    factors = np.arange(len(p_values), 0, -1)
    raised = np.maximum.accumulate(np.asarray(p_values)[order] * factors)
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(raised, 1.0)
    return [float(p) for p in corrected]
