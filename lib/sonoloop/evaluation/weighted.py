"""Statistics of weighted cases, for many resamples at once.

A resample of the bootstrap draws a case zero, one or several times: that is a weight. Every
function here gives a statistic, which turns weights (R, N) of N cases into R values; nan stands
for a resample that cannot give one, such as an AUC of a single class.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Weights: TypeAlias = npt.NDArray[np.float64]
Values: TypeAlias = npt.NDArray[np.float64]
Flags: TypeAlias = npt.NDArray[np.bool_]
Statistic: TypeAlias = Callable[[Weights], Values]

ECE_BINS = 15
"""Bins of the expected calibration error, as in Guo et al., "On Calibration of Modern Neural
Networks", ICML 2017."""


def _ratio(part: Values, whole: Values) -> Values:
    return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)


def mean(values: npt.ArrayLike) -> Statistic:
    """Weighted mean of (N,) values."""
    numbers = np.asarray(values, dtype=np.float64)
    return lambda weights: _ratio(weights @ numbers, weights.sum(axis=1))


def share(hits: Flags, among: Flags) -> Statistic:
    """Share of the cases ``among`` that are ``hits``; both (N,)."""
    whole = among.astype(np.float64)
    part = (hits & among).astype(np.float64)
    return lambda weights: _ratio(weights @ part, weights @ whole)


def f1(called: Flags, truth: Flags) -> Statistic:
    """Harmonic mean of precision and sensitivity, in [0, 1]; 0 when neither finds a case."""
    part = 2.0 * (called & truth)
    whole = called.astype(np.float64) + truth
    return lambda weights: _ratio(weights @ part, weights @ whole)


def difference(first: Statistic, second: Statistic) -> Statistic:
    """``first`` minus ``second`` on the same resamples: a paired comparison."""
    return lambda weights: first(weights) - second(weights)


class _Runs:
    """Cases in the order of a key, equal keys pooled."""

    def __init__(self, key: npt.ArrayLike) -> None:
        keys = np.asarray(key, dtype=np.float64)
        self.order = np.argsort(keys, kind="stable")
        ordered = keys[self.order]
        self.starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])

    def totals(self, weighted: Values) -> Values:
        """(R, N) summed within each run of equal keys: (R, U)."""
        summed: Values = np.add.reduceat(weighted[:, self.order], self.starts, axis=1)
        return summed


def auc(truth: Flags, score: npt.ArrayLike) -> Statistic:
    """Area under the ROC curve: share of pairs that are ranked rightly, ties counting half.

    Hanley & McNeil, "The Meaning and Use of the Area under a Receiver Operating Characteristic
    (ROC) Curve", Radiology 143, 1982.
    """
    runs = _Runs(score)

    def statistic(weights: Weights) -> Values:
        positive, negative = runs.totals(weights * truth), runs.totals(weights * ~truth)
        below = np.cumsum(negative, axis=1) - negative / 2
        pairs = positive.sum(axis=1) * negative.sum(axis=1)
        return _ratio((positive * below).sum(axis=1), pairs)

    return statistic


def roc_curves(
    truth: Flags, score: npt.ArrayLike, weights: Weights, *, at: Values
) -> npt.NDArray[np.float64]:
    """Sensitivity of every resample at given false-positive rates, by linear interpolation.

    Args:
        truth: (N,).
        score: (N,), higher means more likely positive.
        weights: (R, N).
        at: (F,) increasing false-positive rates in [0, 1].

    Returns:
        (R, F); nan rows for resamples of a single class.
    """
    runs = _Runs(-np.asarray(score, dtype=np.float64))
    positive = np.cumsum(runs.totals(weights * truth), axis=1)
    negative = np.cumsum(runs.totals(weights * ~truth), axis=1)
    curves = np.full((len(weights), len(at)), np.nan)
    for row in np.flatnonzero((positive[:, -1] > 0) & (negative[:, -1] > 0)):
        rate = np.r_[0.0, negative[row] / negative[row, -1]]
        found = np.r_[0.0, positive[row] / positive[row, -1]]
        curves[row] = np.interp(at, rate, found)
    return curves


def calibration_error(
    truth: Flags, probability: npt.ArrayLike, *, bins: int = ECE_BINS
) -> Statistic:
    """Mean gap between stated probability and observed frequency over equal-width bins, in [0, 1].

    Naeini et al., "Obtaining Well Calibrated Probabilities Using Bayesian Binning", AAAI 2015.
    """
    stated = np.asarray(probability, dtype=np.float64)
    index = np.minimum((stated * bins).astype(int), bins - 1)
    surplus = np.eye(bins)[index] * (truth - stated)[:, None]
    return lambda weights: _ratio(np.abs(weights @ surplus).sum(axis=1), weights.sum(axis=1))


def kept_mean(doubt: npt.ArrayLike, values: npt.ArrayLike, *, coverage: float) -> Statistic:
    """Mean of the least doubtful share of the cases.

    Cases of equal doubt are kept together, in part where the share ends among them.

    Args:
        doubt: (N,), higher means set aside earlier.
        values: (N,).
        coverage: Share that is kept, in (0, 1].
    """
    runs = _Runs(doubt)
    numbers = np.asarray(values, dtype=np.float64)

    def statistic(weights: Weights) -> Values:
        size, total = runs.totals(weights), runs.totals(weights * numbers)
        before = np.cumsum(size, axis=1) - size
        room = coverage * weights.sum(axis=1, keepdims=True) - before
        kept = np.divide(np.clip(room, 0, size), size, out=np.zeros_like(size), where=size > 0)
        return _ratio((kept * total).sum(axis=1), (kept * size).sum(axis=1))

    return statistic
