"""``sonoloop accounts``: who may log in to the server of a workspace."""

import getpass
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from sonoloop.cli.actor import actor_here
from sonoloop.cli.console import errors_told, out
from sonoloop.cli.history import DatabaseOption, WorkspaceOption, open_existing
from sonoloop.errors import InvalidRequestError
from sonoloop.service.accounts import ROLES, AccountService, parse_role
from sonoloop.service.passwords import MIN_CHARS
from sonoloop.store.store import Store

app = typer.Typer(help="Who may log in to the server of a workspace.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Of the account; it is the reader of what he says.")]
Role = Annotated[str, typer.Option(help=f"{', '.join(ROLES)}: each may do what those before may.")]
TOKEN_DAYS = 365.0


@app.callback()
def options() -> None:
    """Who may log in to the server of a workspace; a server that runs there follows at once.

    From the first account on, every request needs one. Passwords are asked for, or read from
    standard input; they are never an argument, which other users of this machine could see.
    """


@app.command()
def add(
    name: Name,
    workspace: WorkspaceOption,
    role: Role = "annotator",
    database: DatabaseOption = None,
) -> None:
    """Make an account.

    Example: sonoloop accounts add anna --role engineer --workspace workspace
    """
    with _opened(workspace, database) as (_, accounts):
        parse_role(role)
        made = accounts.add(name, role, _new_password(), actor=actor_here())
    _say(f"{made.name} may log in as {made.role}")


@app.command(name="list")
def list_accounts(workspace: WorkspaceOption, database: DatabaseOption = None) -> None:
    """Every account, and the tokens that were made for scripts.

    Example: sonoloop accounts list --workspace workspace
    """
    table = Table("name", "role", "may log in", "tokens of scripts")
    with _opened(workspace, database) as (store, _):
        for account in store.accounts.list():
            tokens = [
                f"{token.label} ({_until(token.expires_at)})"
                for token in store.accounts.tokens(account.name)
            ]
            allowed = "no" if account.disabled else "yes"
            table.add_row(Text(account.name), account.role, allowed, Text("\n".join(tokens)))
    out.print(table)


@app.command()
def disable(name: Name, workspace: WorkspaceOption, database: DatabaseOption = None) -> None:
    """Let an account log in no more, and end every log-in and token of it.

    Example: sonoloop accounts disable anna --workspace workspace
    """
    with _opened(workspace, database) as (store, _):
        changed = store.accounts.set_disabled(name, True, actor=actor_here())
    _say(f"{changed.name} may no longer log in; what he said stays")


@app.command()
def enable(name: Name, workspace: WorkspaceOption, database: DatabaseOption = None) -> None:
    """Let a disabled account log in again; its tokens do not come back.

    Example: sonoloop accounts enable anna --workspace workspace
    """
    with _opened(workspace, database) as (store, _):
        changed = store.accounts.set_disabled(name, False, actor=actor_here())
    _say(f"{changed.name} may log in again")


@app.command()
def password(name: Name, workspace: WorkspaceOption, database: DatabaseOption = None) -> None:
    """Give an account another password, and end every log-in and token of it.

    Example: sonoloop accounts password anna --workspace workspace
    """
    with _opened(workspace, database) as (store, accounts):
        store.accounts.get(name)
        changed = accounts.set_password(name, _new_password(), actor=actor_here())
    _say(f"{changed.name} has a new password and is logged out everywhere")


@app.command()
def role(
    name: Name,
    role: Annotated[str, typer.Argument(help=", ".join(ROLES))],
    workspace: WorkspaceOption,
    database: DatabaseOption = None,
) -> None:
    """Give an account another role.

    Example: sonoloop accounts role anna reviewer --workspace workspace
    """
    with _opened(workspace, database) as (store, _):
        changed = store.accounts.set_role(name, parse_role(role), actor=actor_here())
    _say(f"{changed.name} is {changed.role} now")


@app.command()
def token(
    name: Name,
    label: Annotated[str, typer.Argument(help="Of the token, such as that of the script.")],
    workspace: WorkspaceOption,
    days: Annotated[float, typer.Option(help="How long it lasts; 0 is for ever.")] = TOKEN_DAYS,
    revoke: Annotated[bool, typer.Option("--revoke", help="End the token instead.")] = False,
    database: DatabaseOption = None,
) -> None:
    """Make a token for a script, and print it: it is shown this once and kept nowhere.

    The script sends it as the header "Authorization: Bearer TOKEN".

    Example: sonoloop accounts token anna nightly-import --workspace workspace
    """
    with _opened(workspace, database) as (store, accounts):
        actor = actor_here()
        if revoke:
            store.accounts.revoke(name, label, actor=actor)
            _say(f"the token {label} of {name} is no more")
            return
        made, _ = accounts.make_token(name, label, days=days or None, actor=actor)
    typer.echo(made)


@contextmanager
def _opened(workspace: Path, database: str | None) -> Iterator[tuple[Store, AccountService]]:
    with errors_told(), open_existing(workspace, database) as store:
        yield store, AccountService(store)


def _new_password() -> str:
    """What is entered twice, or the first line of standard input where that is no terminal."""
    if not _is_terminal():
        return sys.stdin.readline().rstrip("\r\n")
    entered = getpass.getpass(f"Password (at least {MIN_CHARS} characters): ")
    if getpass.getpass("The same again: ") != entered:
        raise InvalidRequestError("the two passwords differ (nothing was changed)")
    return entered


def _is_terminal() -> bool:
    return sys.stdin.isatty()


def _until(expires_at: datetime | None) -> str:
    return f"until {expires_at.astimezone():%Y-%m-%d}" if expires_at else "for ever"


def _say(sentence: str) -> None:
    out.print(sentence, highlight=False, soft_wrap=True, markup=False)
