"""Wall times of calls, and what is told of many."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np


def timed(call: Callable[[], object]) -> float:
    """Seconds that ``call`` took."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def spread(seconds: list[float]) -> dict[str, Any]:
    """Median, 95th percentile and maximum of wall times, in milliseconds."""
    ms = np.array(seconds) * 1000
    return {
        "p50_ms": float(np.percentile(ms, 50)),
        "p95_ms": float(np.percentile(ms, 95)),
        "max_ms": float(ms.max()),
        "n": len(seconds),
    }
