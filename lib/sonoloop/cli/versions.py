"""``sonoloop models``: versions of the models of a workspace, and which of them serve."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from sonoloop.cli.actor import actor_here
from sonoloop.cli.console import errors_told, out
from sonoloop.cli.history import DatabaseOption, WorkspaceOption, open_existing
from sonoloop.errors import ConfigError
from sonoloop.records import ModelTask
from sonoloop.service.inference import TASKS, InferenceService
from sonoloop.service.versions import Versions
from sonoloop.settings import PipelineSettings
from sonoloop.store.store import Store

app = typer.Typer(help="Versions of the models of a workspace.", no_args_is_help=True)

Reason = Annotated[str, typer.Option(help="Why; it is kept.")]
Actor = Annotated[str, typer.Option(help="Whose word it is; default: who is logged in here.")]
Task = Annotated[str, typer.Argument(help=" or ".join(TASKS))]


@app.callback()
def options() -> None:
    """Versions of the models of a workspace; a server that runs there follows at once."""


@app.command(name="list")
def list_versions(workspace: WorkspaceOption, database: DatabaseOption = None) -> None:
    """Every version: what serves, what the gate said, the difference to the model then serving.

    Example: sonoloop models list --workspace workspace
    """
    with _opened(workspace, database) as (store, versions):
        del store
        overview = versions.overview()
    for task, told in overview.items():
        pinned = told["pinned"]
        title = task + (f" (pinned by {pinned['actor']}: {pinned['reason']})" if pinned else "")
        table = Table("version", "here since", "state", "difference", "why", title=title)
        for version in told["versions"]:
            table.add_row(*_row(version))
        out.print(table)


@app.command()
def publish(
    model_id: Annotated[str, typer.Argument(help="Of the version that is to serve.")],
    workspace: WorkspaceOption,
    reason: Reason,
    actor: Actor = "",
    database: DatabaseOption = None,
) -> None:
    """Let a version serve that the gate held, that served before, or that was never measured.

    Example: sonoloop models publish segmentation-20261120T101500-1a2b3c4d --workspace workspace
    --reason "the labels are right, the images are of another scanner"
    """
    with _opened(workspace, database) as (store, versions):
        task = store.models.get(model_id).task
        versions.publish(task, model_id, actor=_who(actor), reason=reason)
    out.print(f"{model_id} serves {task}", highlight=False, soft_wrap=True)


@app.command()
def rollback(
    task: Task,
    workspace: WorkspaceOption,
    reason: Reason = "",
    actor: Actor = "",
    database: DatabaseOption = None,
) -> None:
    """Let the version serve again that served before the present one.

    Example: sonoloop models rollback segmentation --workspace workspace --reason "odd outlines"
    """
    with _opened(workspace, database) as (_, versions):
        changed = versions.rollback(_task(task), actor=_who(actor), reason=reason)
    out.print(f"{changed['model_id']} serves {task} again", highlight=False, soft_wrap=True)


@app.command()
def pin(
    task: Task,
    workspace: WorkspaceOption,
    reason: Reason = "",
    actor: Actor = "",
    database: DatabaseOption = None,
) -> None:
    """Keep the serving version, whatever later trainings give.

    Example: sonoloop models pin segmentation --workspace workspace --reason "study in progress"
    """
    with _opened(workspace, database) as (_, versions):
        pinned = versions.pin(_task(task), actor=_who(actor), reason=reason)
    out.print(f"{pinned.model_id} is pinned", highlight=False, soft_wrap=True)


@app.command()
def unpin(task: Task, workspace: WorkspaceOption, database: DatabaseOption = None) -> None:
    """Let the gate decide again.

    Example: sonoloop models unpin segmentation --workspace workspace
    """
    with _opened(workspace, database) as (_, versions):
        versions.unpin(_task(task))
    out.print(f"{task} is no longer pinned", highlight=False)


@contextmanager
def _opened(workspace: Path, database: str | None) -> Iterator[tuple[Store, Versions]]:
    with errors_told(), open_existing(workspace, database) as store:
        # Nothing answers here: a server of this workspace loads what is published by itself.
        inference = InferenceService(store.models, PipelineSettings(), load=_nothing)
        yield store, Versions(store, inference)


def _nothing(*_: Any) -> Any:
    return lambda image: None


def _task(name: str) -> ModelTask:
    for task in TASKS:
        if name == task:
            return task
    raise ConfigError([f"unknown model task {name!r} (one of {', '.join(TASKS)})"])


def _who(actor: str) -> str:
    return actor or actor_here()


def _row(version: dict[str, Any]) -> tuple[str, str, str, str, str]:
    gate = version["gate"] or {}
    figures = gate.get("figures") or [{}]
    difference = figures[0].get("difference")
    return (
        version["model_id"],
        version["created_at"][:16].replace("T", " "),
        "serving" if version["serving"] else gate.get("verdict", "-"),
        "-" if difference is None else f"{difference:+.3f}",
        gate.get("reason", "never measured"),
    )
