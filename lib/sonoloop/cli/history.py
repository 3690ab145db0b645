"""``sonoloop history``: what happened to an image."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from sonoloop.cli.console import err, errors_told, out
from sonoloop.errors import ConfigError
from sonoloop.service.history import ImageHistory, image_history
from sonoloop.service.processes import DATABASE_VARIABLE
from sonoloop.store.paths import WorkspacePaths, refusals_told
from sonoloop.store.store import Store

WorkspaceOption = Annotated[
    Path, typer.Option(help="Workspace of the server, or the folder with nothing but that one.")
]
DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--database-url",
        envvar=DATABASE_VARIABLE,
        help="Address of its database; default: the SQLite file in the workspace.",
    ),
]


def open_existing(workspace: Path, url: str | None) -> Store:
    """The store of a workspace that is there, or of the only one that is in that folder.

    Raises:
        ConfigError: If there is none, or several: a mistyped name makes no new one.
        StoreError: If it is unusable.
    """
    with refusals_told(workspace):
        found = workspaces_at(workspace, has_database=url is None)
    if not found:
        raise ConfigError([f"no workspace {str(workspace)!r} (name the folder of a server)"])
    if len(found) > 1:
        raise ConfigError(
            [
                f"{str(workspace)!r} is no workspace and holds {len(found)} "
                f"(name one: {', '.join(map(str, found))})"
            ]
        )
    if found != [workspace]:
        err.print(f"workspace {found[0]}", highlight=False, soft_wrap=True)
    return Store.open(found[0], url=url)


def workspaces_at(folder: Path, *, has_database: bool) -> list[Path]:
    """``folder`` alone when it is a workspace, else those in it, by name.

    Args:
        folder: Such as ``workspace``, where a server that was told no other place makes one for
            every source of studies.
        has_database: Whether the database lies in the workspace, or elsewhere.
    """

    def is_workspace(path: Path) -> bool:
        paths = WorkspacePaths(path)
        return paths.database.is_file() if has_database else paths.labels.is_dir()

    if is_workspace(folder) or not folder.is_dir():
        return [folder] if is_workspace(folder) else []
    within = (path for path in folder.iterdir() if not path.name.startswith("."))
    return sorted(path for path in within if is_workspace(path))


def history(
    image: Annotated[str, typer.Argument(help="Image id, or the UID of its instance or series.")],
    workspace: WorkspaceOption,
    as_json: Annotated[bool, typer.Option("--json", help="Everything, for programs.")] = False,
    database: DatabaseOption = None,
) -> None:
    """Tell all that happened to an image: revisions, reviews, leases, doubts, models, events.

    Works while a server runs.

    Example: sonoloop history 1.2.826.0.1.3680043 --workspace workspace
    """
    with errors_told(), open_existing(workspace, database) as store:
        found = image_history(store, store.images.resolve(image).image_id)
        if as_json:
            typer.echo(json.dumps(found.as_json(), indent=1, ensure_ascii=False))
        else:
            _print(found)


def _print(found: ImageHistory) -> None:
    image = found.image
    readers = f"{image.readers_done} of {image.readers_wanted} readers"
    table = Table(
        title=f"{image.image_id}: {readers}, {'labelled' if image.labelled else 'waiting'}",
        title_justify="left",
    )
    table.add_column("when", no_wrap=True)
    table.add_column("who", overflow="fold")
    table.add_column("what", overflow="fold")
    table.add_column("", overflow="fold")
    for line in found.timeline():
        when = line.at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        table.add_row(when, *map(Text, (line.who, line.what, line.told)))
    out.print(table)
