"""Figures with intervals: ``{"value": x, "ci95": [low, high]}``.

The interval is the percentile bootstrap over patients (Efron & Tibshirani, "An Introduction to the
Bootstrap", 1993), since images of one patient are not independent. A figure that the data cannot
give has the value None; one that rests on a single patient has no interval.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from sonoloop.evaluation.weighted import Statistic, Values, Weights

Figure: TypeAlias = dict[str, Any]

RESAMPLES = 1000
BLOCK = 4_000_000
"""Weights held at once; 32 MB."""


class Bootstrap:
    """Resamples of the patients of some cases; figures of the same cases share them.

    Args:
        patients: Of each case; cases of one patient are drawn together.
        seed: Of the draws.
        resamples: How many.
    """

    def __init__(
        self, patients: Sequence[str], *, seed: int = 0, resamples: int = RESAMPLES
    ) -> None:
        self.size = len(patients)
        self.patients = len(set(patients))
        if not patients:
            return
        names, self._patient = np.unique(np.asarray(patients, dtype=str), return_inverse=True)
        draws = np.random.default_rng(seed).integers(0, len(names), (resamples, len(names)))
        shifted = draws + np.arange(resamples)[:, None] * len(names)
        counts = np.bincount(shifted.ravel(), minlength=draws.size)
        self._counts: npt.NDArray[np.uint32] = counts.reshape(draws.shape).astype(np.uint32)

    def repeats(self, statistic: Statistic) -> Values:
        """Values of a statistic, one a resample; nan where a resample gives none."""
        rows = max(1, BLOCK // self.size)
        blocks = range(0, len(self._counts), rows)
        return np.concatenate([statistic(self.weights(start, start + rows)) for start in blocks])

    def weights(self, start: int = 0, stop: int | None = None) -> Weights:
        """How often each case was drawn, (R, N), in the resamples from ``start`` to ``stop``."""
        drawn: Weights = self._counts[start:stop, self._patient].astype(np.float64)
        return drawn

    def figure(self, statistic: Statistic) -> Figure:
        """A statistic of the cases themselves, with its 95 % interval; none for one patient."""
        value = float(statistic(np.ones((1, self.size)))[0]) if self.size else np.nan
        if np.isnan(value):
            return {"value": None, "ci95": None}
        repeats = self.repeats(statistic) if self.patients > 1 else np.empty(0)
        known = repeats[~np.isnan(repeats)]
        interval = [float(end) for end in np.percentile(known, [2.5, 97.5])] if known.size else None
        return {"value": value, "ci95": interval}
