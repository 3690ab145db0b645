"""``sonoloop models``: versions seen and handled from the command line."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from sonoloop.cli.main import app
from sonoloop.evaluation.verdicts import Comparison, GateDecision
from sonoloop.store import Store

Run = Callable[..., Result]

HELD = GateDecision(
    verdict="held",
    reason="perhaps worse",
    figures=(
        Comparison(
            measure="dice",
            candidate=0.8,
            serving=0.75,
            difference=0.05,
            ci95=(-0.03, 0.1),
            margin=0.02,
            patients=20,
        ),
    ),
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A workspace with a serving model and one that the gate held."""
    with Store.open(tmp_path / "workspace") as opened:
        for model_id in ("seg-1", "seg-2"):
            folder = tmp_path / model_id
            folder.mkdir()
            for name in ("weights.safetensors", "card.json"):
                (folder / name).write_text(model_id)
            card = {"model_id": model_id, "task": "segmentation", "architecture": "unet"}
            opened.models.register(card, folder)
        opened.models.publish("seg-1", kind="shipped", reason="the first")
        opened.gates.write("seg-2", HELD, against="seg-1")
        yield opened


@pytest.fixture
def run(store: Store) -> Run:
    """Runs a subcommand on the workspace."""

    def running(*arguments: str) -> Result:
        named = [*arguments, "--workspace", str(store.paths.root)]
        return CliRunner().invoke(app, ["models", *named], env={"COLUMNS": "200"})

    return running


def test_versions_are_listed_with_what_the_gate_said(run: Run) -> None:
    shown = run("list")

    assert shown.exit_code == 0
    first, second = (
        next(line for line in shown.output.splitlines() if name in line)
        for name in ("seg-1", "seg-2")
    )
    assert "serving" in first
    assert "never measured" in first
    assert "held" in second
    assert "+0.050" in second


def test_a_held_version_is_published_and_rolled_back(run: Run, store: Store) -> None:
    published = run("publish", "seg-2", "--reason", "looked at it", "--actor", "ada")
    serving = store.models.serving("segmentation")
    back = run("rollback", "segmentation")

    assert published.output.strip() == "seg-2 serves segmentation"
    assert serving is not None
    assert serving.model_id == "seg-2"
    assert back.output.strip() == "seg-1 serves segmentation again"
    newest, before, _ = store.models.history("segmentation")
    assert (before.actor, before.reason) == ("ada", "looked at it")
    assert newest.actor


def test_a_pin_holds_until_it_is_taken_off(run: Run, store: Store) -> None:
    run("pin", "segmentation", "--reason", "a study", "--actor", "ada")
    refused = run("publish", "seg-2", "--reason", "now")
    listed = run("list")
    run("unpin", "segmentation")

    assert refused.exit_code == 1
    assert "pinned by ada: a study" in listed.output
    assert store.models.pins() == {}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("rollback", "detection"), "unknown model task 'detection'"),
        (("rollback", "segmentation"), "no segmentation model to go back to"),
        (("publish", "nobody", "--reason", "x"), "unknown model 'nobody'"),
        (("pin", "classification"), "no classification model is published yet"),
    ],
)
def test_what_cannot_be_is_told(run: Run, arguments: tuple[str, ...], told: str) -> None:
    refused = run(*arguments)

    assert refused.exit_code == 1
    assert told in refused.output
