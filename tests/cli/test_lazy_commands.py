"""The list of commands costs nothing, and says what the commands say of themselves."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from sonoloop.cli.main import COMMANDS, app

LIB = Path(__file__).parents[2] / "lib"
HEAVY = "torch numpy PIL pydicom sqlalchemy fastapi uvicorn psutil"

LOADED = f"""
import atexit, sys
atexit.register(lambda: print("loaded", *set("{HEAVY}".split()) & set(sys.modules)))
from sonoloop.cli.main import run
run()
"""
INTERRUPTED = """
import sys
sys.argv[1:] = ["history", "x", "--workspace", "w"]
class Impatient:
    def find_spec(self, name, *_):
        if name == "sonoloop.cli.history":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Impatient())
from sonoloop.cli.main import run
run()
"""


def python(program: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(LIB), "COLUMNS": "160", **environment},
    )


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["serv"]])
def test_listing_commands_and_simple_mistakes_load_nothing_heavy(arguments: list[str]) -> None:
    done = python(LOADED, *arguments)

    assert done.stdout.splitlines()[-1].split() == ["loaded"], done.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_says_of_a_command_what_its_help_says(name: str) -> None:
    listed = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "160", "TERM": "dumb"})
    real = COMMANDS[name].load(name)

    assert (real.help or "").split("\n\n")[0] == COMMANDS[name].told
    assert f"{name} " in listed.output
    assert COMMANDS[name].told in listed.output


def test_the_shell_completes_commands_and_those_of_a_group() -> None:
    def completed(words: str, place: int) -> list[str]:
        asked = {"COMP_WORDS": words, "COMP_CWORD": str(place)}
        asked["_SONOLOOP_COMPLETE"] = "complete_bash"
        return python(
            "import sys; sys.argv[0] = 'sonoloop'; from sonoloop.cli.main import run; run()",
            **asked,
        ).stdout.split()

    assert completed("sonoloop se", 1) == ["serve", "segmentations"]
    assert completed("sonoloop viewer ", 2) == ["install", "status"]


def test_a_group_in_the_list_is_the_group_itself_when_it_is_called() -> None:
    group = COMMANDS["viewer"].load("viewer")

    assert sorted(typer.main.get_group(app).commands) == sorted(COMMANDS)
    assert {"install", "status"} == set(getattr(group, "commands", {}))


def test_ctrl_c_while_a_command_is_imported_ends_it_with_130_and_no_traceback() -> None:
    done = python(INTERRUPTED)

    assert done.returncode == 128 + signal.SIGINT
    assert "Traceback" not in done.stderr


def test_the_help_of_the_start_script_installs_nothing(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    shutil.copy(LIB.parent / "scripts" / "serve", tmp_path / "scripts")  # and nothing beside it

    done = subprocess.run(
        [tmp_path / "scripts" / "serve", "--help"], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert "scripts/serve --studies DIR|URL [--workspace DIR]" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["scripts"]
