"""Every strategy by name."""

import difflib
from typing import Final

from sonoloop.active_learning.auto import AUTO_AFTER_COLD_START, COLD_START, Auto
from sonoloop.active_learning.candidates import Strategy
from sonoloop.active_learning.k_centre import KCentre
from sonoloop.active_learning.power_noise import PowerNoise
from sonoloop.active_learning.random_choice import Random
from sonoloop.active_learning.stochastic_batches import StochasticBatches
from sonoloop.active_learning.stratified import Stratified
from sonoloop.active_learning.typiclust import TypiClust
from sonoloop.active_learning.uncertainty import BALD_FIRST, ENTROPY_FIRST, MARGIN_FIRST
from sonoloop.errors import NotFoundError

_SINGLE: Final[tuple[Strategy, ...]] = (
    Random(),
    Stratified(),
    TypiClust(),
    ENTROPY_FIRST,
    BALD_FIRST,
    MARGIN_FIRST,
    PowerNoise(),
    StochasticBatches(),
    KCentre(),
)
_BY_NAME: Final = {single.name: single for single in _SINGLE}

STRATEGIES: Final[dict[str, Strategy]] = _BY_NAME | {
    "auto": Auto(cold=_BY_NAME[COLD_START], later=_BY_NAME[AUTO_AFTER_COLD_START])
}


def strategy(name: str) -> Strategy:
    """The strategy of that name.

    Raises:
        NotFoundError: If there is none.
    """
    try:
        return STRATEGIES[name]
    except KeyError:
        close = difflib.get_close_matches(name, STRATEGIES, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"one of {', '.join(STRATEGIES)}"
        raise NotFoundError(f"unknown strategy {name!r:.80} ({hint})") from None
