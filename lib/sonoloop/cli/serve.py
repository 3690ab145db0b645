"""``sonoloop serve``: the annotation server."""

import hashlib
import re
from pathlib import Path
from typing import Annotated

import typer

from sonoloop.cli.console import err, errors_told, out
from sonoloop.service.processes import DATABASE_VARIABLE
from sonoloop.settings import PipelineSettings, ServerSettings


def default_workspace(studies: str) -> Path:
    """A folder of its own for every source of studies.

    Example:
        >>> default_workspace("https://pacs/dicom-web").parent.name
        'workspace'
    """
    is_address = studies.startswith(("http://", "https://"))
    source = studies if is_address else str(Path(studies).resolve())
    name = re.sub(r"[^A-Za-z0-9]+", "-", source.rstrip("/").rpartition("/")[2]).strip("-")
    digest = hashlib.sha256(source.encode()).hexdigest()[:8]
    return Path("workspace") / f"{name or 'studies'}-{digest}"


def serve(
    studies: Annotated[
        str, typer.Option(help="Folder of studies, or http(s) address of a DICOMweb PACS.")
    ],
    workspace: Annotated[
        Path | None,
        typer.Option(
            help="Folder of everything the server writes, one server each; "
            "default: a folder below ./workspace named after the studies."
        ),
    ] = None,
    database_url: Annotated[
        str | None,
        typer.Option(
            envvar=DATABASE_VARIABLE,
            help="Address of a PostgreSQL database, postgresql://user@host/name; "
            "default: a SQLite file in the workspace.",
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to bind.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="TCP port; 0 takes a free one.")] = 8000,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:<n>.")] = "auto",
    behind_proxy: Annotated[
        bool,
        typer.Option(
            "--behind-proxy",
            help="Allow a public address: only a proxy with accounts reaches the port.",
        ),
    ] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Any server setting as name=value. Repeatable."),
    ] = None,
) -> None:
    """Serve studies to MONAI Label clients, 3D Slicer and browsers until Ctrl+C.

    Example: sonoloop serve --studies sample-data/studies --workspace workspace
    """
    with errors_told():
        from sonoloop.web.launch import serve as serve_until_told

        pairs = dict(pair.partition("=")[::2] for pair in settings or [])
        server = ServerSettings.from_conf({"host": host, "port": port, **pairs})
        pipeline = PipelineSettings.from_conf({"device": device})
        workspace = workspace or default_workspace(studies)
        err.print(f"studies {studies}, workspace {workspace}", highlight=False, soft_wrap=True)
        serve_until_told(
            studies,
            workspace,
            server,
            pipeline,
            announce=lambda address: out.print(
                f"Sonoloop answers at {address}", highlight=False, soft_wrap=True
            ),
            tell=lambda told: out.print(told, highlight=False, soft_wrap=True, markup=False),
            behind_proxy=behind_proxy,
            database_url=database_url or None,
        )
