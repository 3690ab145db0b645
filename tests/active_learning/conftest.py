"""Candidates of which a test knows everything."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import pytest

from sonoloop.active_learning.candidates import SCORE_NAMES, Candidates

MakeCandidates: TypeAlias = Callable[..., Candidates]


@pytest.fixture
def make_candidates() -> MakeCandidates:
    """Builds images ``i0``, ``i1``, ... with every score and embedding, two to a family."""

    def make(
        count: int, *, prefix: str = "i", per_family: int = 2, seed: int = 0, bare: bool = False
    ) -> Candidates:
        rng = np.random.default_rng(seed)
        scores = {name: rng.random(count) for name in SCORE_NAMES}
        scores["predicted_class"] = rng.integers(0, 3, count).astype(float)
        return Candidates(
            image_ids=tuple(f"{prefix}{n}" for n in range(count)),
            families=tuple(f"{prefix}-family-{n // per_family}" for n in range(count)),
            embeddings=None if bare else rng.normal(size=(count, 16)).astype(np.float32),
            scores={} if bare else scores,
        )

    return make
