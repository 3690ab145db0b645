"""``sonoloop viewer``: installs, says what is there, and what to do when it is not."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from drawn_viewer import release_of, write_archive
from sonoloop.cli import viewer
from sonoloop.viewer import install_viewer
from sonoloop.viewer.cache import CACHE_VARIABLE


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own, and a registry where nobody listens."""
    folder = tmp_path / "viewers"
    monkeypatch.setenv(CACHE_VARIABLE, str(folder))
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")
    monkeypatch.setenv("COLUMNS", "400")
    return folder


def test_status_says_that_none_is_there(cache: Path) -> None:
    done = CliRunner().invoke(viewer.app, ["status"])

    assert done.exit_code == 1
    assert f"OHIF 3.13.2 is not installed in '{cache}' (sonoloop viewer install)" in done.stderr


def test_status_says_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = write_archive(tmp_path / "app.tgz")
    made = install_viewer(archive=archive, release=release_of(archive))
    monkeypatch.setattr(viewer, "find", lambda: made)

    done = CliRunner().invoke(viewer.app, ["status"])

    assert done.exit_code == 0
    assert f"OHIF 3.13.2 is installed and whole: {len(made.digests)} files" in done.stdout
    assert str(made.folder) in done.stdout


def test_another_archive_is_refused(tmp_path: Path, cache: Path) -> None:
    archive = write_archive(tmp_path / "app.tgz")

    done = CliRunner().invoke(viewer.app, ["install", "--from", str(archive)])

    assert done.exit_code == 1
    assert "is not the published archive of @ohif/app 3.13.2" in done.stderr
    assert not list(cache.glob("ohif-*"))


def test_without_a_network_it_says_what_else_can_be_done() -> None:
    done = CliRunner().invoke(viewer.app, ["install"])

    assert done.exit_code == 1
    assert "cannot fetch the viewer from 127.0.0.1" in done.stderr
    assert "--from FILE" in done.stderr
