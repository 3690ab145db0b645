"""A drawn viewer and a cache for it."""

from pathlib import Path

import pytest

from drawn_viewer import release_of, write_archive
from sonoloop.viewer import Release


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """The published archive of a drawn viewer."""
    return write_archive(tmp_path / "app-3.13.2.tgz")


@pytest.fixture
def release(archive: Path) -> Release:
    return release_of(archive)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A folder of viewers that is not there yet."""
    return tmp_path / "cache" / "viewer"
