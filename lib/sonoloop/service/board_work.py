"""The parts of the dashboard's snapshot that tell of work: queue, leases, doubtful labels."""

from typing import Any, Final

from sonoloop.active_learning.registry import STRATEGIES as RANKING
from sonoloop.service.outbox import entry_json
from sonoloop.service.quality import flag_json
from sonoloop.service.strategies import STRATEGIES
from sonoloop.store.store import Store

PREFERRED: Final = "auto"
"""Strategy that is shown unless another is chosen."""
PROPOSALS: Final = 8
"""Next images shown of each strategy."""
FLAGS: Final = 50
"""Newest doubts that are shown."""
LEASES: Final = 100
FAILED: Final = 20
"""Newest documents that the archive refused, which are shown."""

UNQUEUED: Final = "This strategy draws when it is asked: it has no queue."
WAITS: Final = "No image is queued: the images are scored after the next model is published."


def queue(store: Store) -> dict[str, Any]:
    """What each strategy wants labelled next, and why."""
    proposals = {name: _proposals(store, name) for name in STRATEGIES}
    return {
        "preferred": PREFERRED if PREFERRED in STRATEGIES else next(iter(STRATEGIES)),
        "strategies": [
            {
                "name": name,
                "description": strategy.description,
                "empty": WAITS if name in RANKING and RANKING[name].needs else UNQUEUED,
            }
            for name, strategy in STRATEGIES.items()
        ],
        "proposals": {name: found for name, found in proposals.items() if found},
    }


def _proposals(store: Store, name: str) -> list[dict[str, Any]]:
    return [
        {"image_id": queued.record.image_id, "score": queued.score, "reason": queued.reason}
        for queued in store.acquisition.queue(name, limit=PROPOSALS)
    ]


def leases(store: Store) -> list[dict[str, Any]]:
    """Images in readers' hands, those that lapse first first."""
    held = sorted(store.leases.active(), key=lambda lease: lease.expires_at)
    return [
        {
            "image_id": lease.image_id,
            "reader": lease.reader,
            "strategy": lease.strategy,
            "reason": lease.reason,
            "expires_at": lease.expires_at.isoformat(),
        }
        for lease in held[:LEASES]
    ]


def quality(store: Store) -> dict[str, Any]:
    """Labels that somebody should look at."""
    counts = store.quality.counts()
    return {
        "open": sum(counts.values()),
        "counts": counts,
        "flags": [flag_json(flag) for flag in store.quality.list(limit=FLAGS)],
    }


def failed_entries(store: Store) -> list[dict[str, Any]]:
    """Answers that did not reach the archive, newest first."""
    return [entry_json(entry) for entry in store.outbox.list(states=("failed",), limit=FAILED)]
