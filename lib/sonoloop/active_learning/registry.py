"""Every strategy by name."""

import difflib
from typing import Final

from sonoloop.active_learning.candidates import Strategy
from sonoloop.active_learning.random_choice import Random
from sonoloop.errors import NotFoundError

STRATEGIES: Final[dict[str, Strategy]] = {known.name: known for known in (Random(),)}


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
