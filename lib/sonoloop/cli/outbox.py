"""``sonoloop outbox``: what is on its way to the archive, and what did not get there."""

from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from sonoloop.cli.actor import actor_here
from sonoloop.cli.console import errors_told, out
from sonoloop.cli.history import DatabaseOption, WorkspaceOption, open_existing
from sonoloop.errors import ConfigError
from sonoloop.store.ids import MAX_ID
from sonoloop.store.outbox_entries import OUTBOX_STATES, OutboxEntry

app = typer.Typer(help="Answers on their way to the archive.", no_args_is_help=True)


@app.callback()
def options() -> None:
    """Answers on their way to the archive; the server of the workspace takes them there."""


@app.command(name="list")
def list_entries(
    workspace: WorkspaceOption,
    state: Annotated[
        str | None, typer.Option(help=f"Only these: {', '.join(OUTBOX_STATES)}.")
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=MAX_ID, help="At most so many, the newest first.")
    ] = 50,
    database: DatabaseOption = None,
) -> None:
    """How much waits, failed and arrived, and the newest entries with what went wrong.

    Example: sonoloop outbox list --workspace workspace --state failed
    """
    with errors_told(), open_existing(workspace, database) as store:
        if state is not None and state not in OUTBOX_STATES:
            raise ConfigError([f"unknown state {state!r} (one of {', '.join(OUTBOX_STATES)})"])
        counts = store.outbox.counts()
        entries = store.outbox.list(states=None if state is None else (state,), limit=limit)
    table = Table(
        title=", ".join(f"{count} {name}" for name, count in counts.by_state.items()),
        title_justify="left",
    )
    for column in ("entry", "image", "reader", "state", "retries", "made", "why"):
        table.add_column(column, overflow="fold")
    for entry in entries:
        table.add_row(*map(Text, _row(entry)))
    out.print(table)


@app.command()
def retry(
    workspace: WorkspaceOption,
    entries: Annotated[
        list[int] | None,
        typer.Argument(min=1, max=MAX_ID, help="Numbers of entries; default: all that failed."),
    ] = None,
    off: Annotated[
        bool, typer.Option("--off", help="Also what was off, after the settings were changed.")
    ] = False,
    actor: Annotated[
        str, typer.Option(help="Whose word it is; default: who is logged in here.")
    ] = "",
    database: DatabaseOption = None,
) -> None:
    """Have the archive asked again for what failed; a server that runs does so within seconds.

    Example: sonoloop outbox retry --workspace workspace
    """
    with errors_told(), open_existing(workspace, database) as store:
        count = store.outbox.retry(
            entries or None,
            states=("failed", "off") if off else ("failed",),
            actor=actor or actor_here(),
        )
    out.print(f"{count} on the way again", highlight=False)


@app.command()
def queue(workspace: WorkspaceOption, database: DatabaseOption = None) -> None:
    """Have the answers sent too that were given before there was an outbox; imports stay here.

    Example: sonoloop outbox queue --workspace workspace
    """
    with errors_told(), open_existing(workspace, database) as store:
        count = store.outbox.queue_standing("final")
    out.print(f"{count} on the way", highlight=False)


def _row(entry: OutboxEntry) -> tuple[str, ...]:
    return (
        str(entry.entry_id),
        entry.image_id,
        entry.reader,
        entry.state,
        str(entry.attempts),
        entry.created_at.astimezone().strftime("%Y-%m-%d %H:%M"),
        entry.problem or "",
    )
