"""``sonoloop accounts``."""

import getpass
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from sonoloop.cli.main import app
from sonoloop.errors import AuthenticationError
from sonoloop.records import Account
from sonoloop.service.accounts import AccountService
from sonoloop.store import Store

PASSWORD = "twelve quiet sheep"

Run = Callable[..., Result]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    Store.open(tmp_path / "workspace").close()
    return tmp_path / "workspace"


@pytest.fixture
def run(workspace: Path) -> Run:
    """Runs a command on the workspace; what it reads is ``entered``."""

    def running(*words: str, entered: str = "") -> Result:
        words = ("accounts", *words, "--workspace", str(workspace))
        return CliRunner().invoke(app, list(words), input=entered)

    return running


@pytest.fixture
def store(workspace: Path) -> Iterator[Store]:
    with Store.open(workspace) as opened:
        yield opened


def test_an_account_is_made_with_a_password_from_standard_input(run: Run, store: Store) -> None:
    told = run("add", "Anna", "--role", "reviewer", entered=f"{PASSWORD}\n")

    assert (told.exit_code, told.stdout) == (0, "Anna may log in as reviewer\n")
    assert AccountService(store).log_in("anna", PASSWORD, address="").account == Account(
        "Anna", "reviewer"
    )
    [added] = store.events.list(kind="account_added")
    assert added.actor == getpass.getuser()


@pytest.mark.parametrize(
    ("words", "entered", "why"),
    [
        (["Anna"], "short\n", "a password has 12 to 256 characters"),
        (["Anna"], "", "a password has 12 to 256 characters"),
        (["sonoloop"], f"{PASSWORD}\n", "is the program's own"),
        (["Anna", "--role", "admin"], f"{PASSWORD}\n", "unknown role 'admin'"),
    ],
)
def test_what_cannot_be_is_told_and_makes_nothing(
    run: Run, store: Store, words: list[str], entered: str, why: str
) -> None:
    told = run("add", *words, entered=entered)

    assert told.exit_code == 1
    assert why in told.stderr
    assert not store.accounts.any()


def test_a_password_is_never_an_argument(run: Run, store: Store) -> None:
    assert run("add", "Anna", PASSWORD, entered=f"{PASSWORD}\n").exit_code == 2
    assert run("add", "Anna", "--password", PASSWORD).exit_code == 2
    assert not store.accounts.any()


def test_at_a_terminal_the_password_is_asked_for_twice(
    run: Run, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered = iter([PASSWORD, "another quiet sheep", PASSWORD, PASSWORD])
    asked: list[str] = []

    def ask(prompt: str) -> str:
        asked.append(prompt)
        return next(entered)

    monkeypatch.setattr("sonoloop.cli.accounts._is_terminal", lambda: True)
    monkeypatch.setattr(getpass, "getpass", ask)

    differing, same = run("add", "Anna"), run("add", "Anna")

    assert differing.exit_code == 1
    assert "the two passwords differ" in differing.stderr
    assert same.exit_code == 0
    assert len(asked) == 4


def test_accounts_are_listed_with_the_tokens_of_scripts(run: Run, store: Store) -> None:
    run("add", "anna", "--role", "engineer", entered=f"{PASSWORD}\n")
    run("add", "bob", entered=f"{PASSWORD}\n")
    run("disable", "bob")
    run("token", "anna", "nightly", "--days", "0")

    listed = run("list").stdout.splitlines()

    [anna] = [line for line in listed if "anna" in line]
    [bob] = [line for line in listed if "bob" in line]
    assert "engineer" in anna
    assert "nightly (for ever)" in anna
    assert [cell.strip() for cell in bob.split("│")[1:4]] == ["bob", "annotator", "no"]


def test_a_token_is_printed_alone_works_and_is_revoked(run: Run, store: Store) -> None:
    run("add", "anna", entered=f"{PASSWORD}\n")

    token = run("token", "anna", "nightly").stdout.strip()

    assert AccountService(store).who(token) == Account("anna", "annotator")
    assert run("token", "anna", "nightly", "--revoke").exit_code == 0
    assert AccountService(store).who(token) is None
    assert "has no token" in run("token", "anna", "nightly", "--revoke").stderr


def test_role_password_and_disabling_hold_for_those_who_are_logged_in(
    run: Run, store: Store
) -> None:
    run("add", "anna", entered=f"{PASSWORD}\n")
    accounts = AccountService(store)
    token = accounts.log_in("anna", PASSWORD, address="").token

    assert run("role", "anna", "engineer").stdout == "anna is engineer now\n"
    assert AccountService(store).who(token) == Account("anna", "engineer")
    run("password", "anna", entered="another quiet sheep\n")
    assert AccountService(store).who(token) is None
    with pytest.raises(AuthenticationError, match="name or password is wrong"):
        accounts.log_in("anna", PASSWORD, address="")
    run("disable", "anna")
    with pytest.raises(AuthenticationError, match="name or password is wrong"):
        accounts.log_in("anna", "another quiet sheep", address="")
    run("enable", "anna")
    assert accounts.log_in("anna", "another quiet sheep", address="")


@pytest.mark.parametrize(
    "words", [["disable", "nobody"], ["role", "nobody", "engineer"], ["password", "nobody"]]
)
def test_an_unknown_name_is_told(run: Run, words: list[str]) -> None:
    told = run(*words, entered=f"{PASSWORD}\n")

    assert told.exit_code == 1
    assert "no account 'nobody'" in told.stderr


def test_a_mistyped_workspace_is_told_and_not_made(tmp_path: Path) -> None:
    words = ["accounts", "add", "anna", "--workspace", str(tmp_path / "none")]

    told = CliRunner().invoke(app, words, input=PASSWORD)

    assert told.exit_code == 1
    assert "no workspace" in told.stderr
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("error", [KeyError, OSError])  # as versions of Python tell it
def test_who_has_no_name_here_is_told_by_his_number(
    run: Run, store: Store, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def unknown() -> str:
        raise error("uid not found: 12345")

    monkeypatch.setattr(getpass, "getuser", unknown)
    monkeypatch.setattr(os, "getuid", lambda: 12345)

    told = run("add", "anna", entered=f"{PASSWORD}\n")

    assert told.exit_code == 0
    [added] = store.events.list(kind="account_added")
    assert added.actor == "uid 12345"
