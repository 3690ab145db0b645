"""``sonoloop viewer``: the OHIF viewer that the server shows at ``/ohif/``."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from sonoloop.cli.console import err, errors_told, out
from sonoloop.errors import ViewerError
from sonoloop.viewer import OHIF, REGISTRY, InstalledViewer, cache_folder, install_viewer
from sonoloop.viewer import find_viewer as find
from sonoloop.viewer.archive import Progress as Told

app = typer.Typer(name="viewer", help="The OHIF viewer in the browser.", no_args_is_help=True)


@app.command()
def install(
    archive: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="The archive, fetched elsewhere (npm pack @ohif/app@3.13.2), for machines "
            "without a network.",
        ),
    ] = None,
    registry: Annotated[
        str,
        typer.Option(
            envvar=["npm_config_registry", "NPM_CONFIG_REGISTRY"],
            help="Address of the npm registry or of a mirror of it.",
        ),
    ] = REGISTRY,
) -> None:
    """Fetch OHIF once, check it, and keep it for every server of this user; needs no Node.

    Proxies and certificates are those of the environment (HTTPS_PROXY, SSL_CERT_FILE).
    SONOLOOP_VIEWER_CACHE names the folder it is kept in.

    Example: sonoloop viewer install --from ohif-app-3.13.2.tgz
    """
    with errors_told():
        with _shown() as progress:
            viewer = install_viewer(archive=archive, registry=registry, progress=progress)
        _tell(viewer)


@app.command()
def status() -> None:
    """Say which viewer is installed, and check every file of it; status 1 when none is.

    Example: sonoloop viewer status
    """
    with errors_told():
        viewer = find()
        if viewer is None:
            raise ViewerError(
                f"OHIF {OHIF.version} is not installed in {str(cache_folder())!r} "
                f"(sonoloop viewer install)"
            )
        _tell(viewer)


def _tell(viewer: InstalledViewer) -> None:
    out.print(
        f"OHIF {viewer.version} is installed and whole: {len(viewer.digests)} files, "
        f"{viewer.size_bytes / 1e6:.0f} MB, in {viewer.folder}",
        highlight=False,
        soft_wrap=True,
    )


@contextmanager
def _shown() -> Iterator[Told]:
    """A bar that appears with the first byte; preparing comes after the last."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err) as bar:
        task = bar.add_task(f"fetching OHIF {OHIF.version}", visible=False)

        def told(received: int, total: int | None) -> None:
            done = total is not None and received >= total
            bar.update(
                task,
                completed=received,
                total=total,
                visible=True,
                description="preparing it" if done else f"fetching OHIF {OHIF.version}",
            )

        yield told


if __name__ == "__main__":  # scripts/serve: without loading what the other commands need
    app(prog_name="sonoloop viewer")
