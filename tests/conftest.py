"""Fixtures every test may use."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("sonoloop", deadline=None, derandomize=True)
settings.load_profile("sonoloop")

CHECKOUT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the published data sets; the test is skipped where it is absent."""
    folder = Path(os.environ.get("SONOLOOP_DATA", CHECKOUT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("published data sets are absent (set SONOLOOP_DATA)")
    return folder


@pytest.fixture(scope="session")
def sample_studies() -> Path:
    """The committed synthetic studies."""
    return CHECKOUT / "sample-data" / "studies"
