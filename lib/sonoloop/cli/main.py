"""``sonoloop``: serve, import, train, predict, evaluate, simulate, models, accounts and more."""

from typing import Annotated

import typer

from sonoloop import __version__
from sonoloop.cli import accounts, bench, outbox, train, versions, viewer
from sonoloop.cli.combine import combine
from sonoloop.cli.evaluate import evaluate
from sonoloop.cli.export import export, restore
from sonoloop.cli.history import history
from sonoloop.cli.import_data import import_data
from sonoloop.cli.predict import predict
from sonoloop.cli.scenarios import scenarios
from sonoloop.cli.segmentations import segmentations
from sonoloop.cli.serve import serve
from sonoloop.cli.simulate import simulate

app = typer.Typer(
    name="sonoloop",
    help="Active-learning annotation server for breast ultrasound. Research use, not a medical "
    "device.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command()(serve)
app.command(name="import")(import_data)
app.add_typer(train.app, name="train")
app.command()(predict)
app.command()(evaluate)
app.command()(combine)
app.command()(scenarios)
app.command()(simulate)
app.command()(history)
app.command()(export)
app.command()(restore)
app.command()(segmentations)
app.add_typer(versions.app, name="models")
app.add_typer(accounts.app, name="accounts")
app.add_typer(outbox.app, name="outbox")
app.add_typer(viewer.app, name="viewer")
app.add_typer(bench.app, name="bench")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Active-learning annotation server for breast ultrasound."""


def run() -> None:
    """Entry point of the installed command."""
    app()
