"""Two models on the same patients: the difference of a figure, and how sure it is."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from sonoloop.evaluation import weighted
from sonoloop.evaluation.bootstrap import Bootstrap
from sonoloop.evaluation.verdicts import Comparison, Measure
from sonoloop.evaluation.weighted import Statistic, Values

RESAMPLES: Final = 4000
"""Small sets need far percentiles, which few resamples tell badly."""

TAIL: Final = 0.025


def expanded_interval(repeats: Values, units: int) -> tuple[float, float] | None:
    """95 % interval of a statistic from its bootstrap repeats, honest for few units.

    The percentile interval of n units is too narrow by the factor sqrt((n - 1) / n) and by using
    normal instead of Student's t quantiles. The percentiles are moved outwards accordingly:
    "expanded percentile interval", Hesterberg, "What Teachers Should Know About the Bootstrap",
    The American Statistician 69, 2015, section 4.1.

    Args:
        repeats: (R,); nan where a resample gave no value.
        units: How many were resampled.

    Returns:
        (low, high), or None for fewer than two units or no value at all.

    Example:
        >>> expanded_interval(np.linspace(0, 1, 1001), units=10)
        (0.008..., 0.991...)
    """
    known = repeats[~np.isnan(repeats)]
    if units < 2 or not known.size:
        return None
    from scipy.special import ndtr, stdtrit

    tail = 100 * float(ndtr(np.sqrt(units / (units - 1)) * stdtrit(units - 1, TAIL)))
    low, high = np.percentile(known, [tail, 100 - tail])
    return float(low), float(high)


def compare(
    measure: Measure,
    candidate: Statistic,
    serving: Statistic | None,
    patients: Sequence[str],
    *,
    margin: float,
    smaller_is_better: bool = False,
    trusted: bool = False,
    seed: int = 0,
) -> Comparison:
    """A figure of the candidate beside that of the serving model, by paired bootstrap.

    Args:
        measure: What the statistics are.
        candidate: Of the N cases.
        serving: Of the same cases; None when no model serves.
        patients: Of each case; cases of one patient are drawn together.
        margin: How much worse the candidate may be.
        smaller_is_better: Turns the sign of the difference.
        trusted: Noted in the result.
        seed: Of the bootstrap.
    """
    draw = Bootstrap(patients, seed=seed, resamples=RESAMPLES)
    once = np.ones((1, draw.size))
    own = _value(candidate, once)
    other = None if serving is None else _value(serving, once)
    difference = interval = None
    if serving is not None and own is not None and other is not None:
        gain = weighted.difference(candidate, serving)
        if smaller_is_better:
            gain = weighted.difference(serving, candidate)
        difference = _value(gain, once)
        interval = expanded_interval(draw.repeats(gain), draw.patients)
    return Comparison(
        measure=measure,
        candidate=own,
        serving=other,
        difference=difference,
        ci95=interval,
        margin=margin,
        patients=draw.patients,
        trusted=trusted,
    )


def _value(statistic: Statistic, once: Values) -> float | None:
    value = float(statistic(once)[0]) if once.size else np.nan
    return None if np.isnan(value) else value
