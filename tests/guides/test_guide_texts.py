"""What the guides name is there: pictures, pages, commands with their options, the service unit."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from sonoloop.cli.main import app
from sonoloop.errors import StoreError
from sonoloop.service.lock import WorkspaceLock
from sonoloop.settings import ServerSettings

CHECKOUT = Path(__file__).parents[2]
DOCS = CHECKOUT / "docs"
GUIDES = [DOCS / name for name in ("radiologist.md", "it.md", "slicer.md")]
UNIT = DOCS / "systemd" / "sonoloop.service"
MAX_PICTURE_BYTES = 250_000

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s#]+)(?:#[^)]*)?\)")
PROGRAM = re.compile(r"(?:^|(?<!-u)\s|/bin/)sonoloop(?= [a-z]+\b)")


def links(path: Path) -> list[str]:
    return [target for target in LINK.findall(path.read_text()) if "://" not in target]


@pytest.mark.parametrize("path", sorted(DOCS.glob("*.md")), ids=lambda path: path.name)
def test_every_page_and_picture_that_is_named_is_there(path: Path) -> None:
    missing = [target for target in links(path) if not (path.parent / target).exists()]

    assert missing == []


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.name)
def test_pictures_are_small_and_described(path: Path) -> None:
    shown = re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", path.read_text())

    for description, target in shown:
        assert len(description) > 10, target
        assert (path.parent / target).stat().st_size <= MAX_PICTURE_BYTES, target


def commands(path: Path) -> Iterator[list[str]]:
    """Calls of the program in indented lines of a guide, without ``sonoloop`` itself."""
    text = path.read_text().replace("\\\n", " ")
    for line in text.splitlines():
        if not line.startswith(("    ", "ExecStart=")):
            continue
        for part in re.split(r"\s[|&;]+\s|\s#\s", line):
            found = PROGRAM.search(part)
            if found:
                yield shlex.split(part[found.end() :], comments=True)


def complaint(words: list[str]) -> str | None:
    """What is wrong with a call, or None: an unknown command or option."""
    command: Any = typer.main.get_command(app)
    rest = list(words)
    while (known_commands := getattr(command, "commands", None)) and not rest[0].startswith("-"):
        name = rest.pop(0)
        if name not in known_commands:
            return f"there is no command {name!r} in {words}"
        command = known_commands[name]
        command = getattr(command, "real", command)
    known = {option for param in command.params for option in (*param.opts, *param.secondary_opts)}
    unknown = [
        w for w in rest if w.startswith("--") and w.partition("=")[0] not in {*known, "--help"}
    ]
    return f"unknown options {unknown} in {words}" if unknown else None


@pytest.mark.parametrize("path", [*GUIDES, UNIT], ids=lambda path: path.name)
def test_every_command_of_the_program_exists_with_its_options(path: Path) -> None:
    complaints = [told for words in commands(path) if (told := complaint(words))]

    assert complaints == []


def test_the_it_guide_calls_the_program_where_it_was_installed() -> None:
    lines = [line for line in (DOCS / "it.md").read_text().splitlines() if line.startswith("    ")]
    calls = [line for line in lines if PROGRAM.search(line)]

    assert len(calls) > 10
    assert [line for line in calls if "/opt/sonoloop/.venv/bin/sonoloop " not in line] == []


def test_the_limit_for_caddy_lets_the_server_refuse_what_is_too_large() -> None:
    [megabytes] = re.findall(r"max_size (\d+)MB", (DOCS / "it.md").read_text())

    assert int(megabytes) * 10**6 > 1.03 * ServerSettings().max_upload_mb * 2**20


def test_the_sentence_of_a_workspace_in_use_is_the_one_that_is_told(tmp_path: Path) -> None:
    first = WorkspaceLock(tmp_path)
    with pytest.raises(StoreError) as told:
        WorkspaceLock(tmp_path)
    first.release()

    [quoted] = re.findall(r'"the workspace \.\.\. (.*), process N"', (DOCS / "it.md").read_text())
    assert f"{tmp_path} {quoted}, process " in str(told.value)


def test_unknown_commands_and_options_would_be_found() -> None:
    assert complaint(["serve", "--studies", "x"]) is None
    assert "no command" in str(complaint(["serv"]))
    assert "--studie" in str(complaint(["serve", "--studie", "x"]))
    assert len(list(commands(UNIT))) == 1


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_the_service_unit_is_one(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    text = UNIT.read_text().replace("/opt/sonoloop/.venv/bin/sonoloop", "/bin/true")
    unit.write_text(re.sub(r"(?m)^(User|Group)=.*\n", "", text))

    told = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )

    complaints = [line for line in told.stderr.splitlines() if unit.name in line]
    assert complaints == []
