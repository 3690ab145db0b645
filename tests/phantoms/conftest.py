"""Tissue without anatomy, and phantoms small enough for tests."""

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from sonoloop.phantoms.formation import Probe
from sonoloop.phantoms.phantom import Phantom, make_phantom
from sonoloop.phantoms.spec import LesionKind, PhantomSpec, random_spec
from sonoloop.phantoms.tissue import Tissue

Uniform = Callable[..., Tissue]


@pytest.fixture
def uniform() -> Uniform:
    """Tissue of one kind; by default the time-gain compensation fits it exactly."""

    def make(
        rows: int = 200,
        columns: int = 200,
        *,
        attenuation: float = Probe(frequency_mhz=7.0).gain_attenuation,
    ) -> Tissue:
        ones = np.ones((rows, columns))
        return Tissue(0 * ones, -200 * ones, attenuation * ones)

    return make


@pytest.fixture(scope="session")
def small_spec() -> Callable[[int, LesionKind | None], PhantomSpec]:
    """A specification of 200 x 240 pixels."""
    return lambda seed, kind: random_spec(seed, kind, rows=200, columns=240)


@pytest.fixture(scope="session")
def small_phantom() -> Callable[[int, LesionKind | None], Phantom]:
    """A phantom of 200 x 240 pixels; made once."""

    @cache
    def make(seed: int, kind: LesionKind | None) -> Phantom:
        return make_phantom(random_spec(seed, kind, rows=200, columns=240))

    return make
