"""``sonoloop``: serve, import, train, predict, evaluate, simulate, models, accounts and more."""

import sys
from typing import Annotated, Final

import typer

from sonoloop import __version__
from sonoloop.cli.lazy import Place, Places, lazy_group

INTERRUPTED: Final = 130
"""Status of a command that Ctrl+C ended."""

COMMANDS: Final[Places] = {
    "serve": Place(
        "serve",
        "serve",
        "Serve studies to MONAI Label clients, 3D Slicer and browsers until Ctrl+C.",
    ),
    "import": Place(
        "import_data",
        "import_data",
        "Import a data set into a study folder that the server can open.",
    ),
    "train": Place("train", "app", "Train a model. The same code runs in the server's background."),
    "predict": Place(
        "predict",
        "predict",
        "Segment and classify images: a mask PNG, an overlay PNG and one JSON line each.",
    ),
    "evaluate": Place(
        "evaluate", "evaluate", "Measure the pipeline: metrics.json, per_image.csv and plots."
    ),
    "combine": Place(
        "combine",
        "combine",
        "Put models together that answer as one; of a single model, change how it is stored.",
    ),
    "scenarios": Place(
        "scenarios",
        "scenarios",
        "Train and compare: in-domain, mixed, cross, crops, margins, single-stage and more.",
    ),
    "simulate": Place(
        "simulate",
        "simulate",
        "Reveal the labels of a finished data set batch by batch, as each strategy asks for them.",
    ),
    "history": Place(
        "history",
        "history",
        "Tell all that happened to an image: revisions, reviews, leases, doubts, models, events.",
    ),
    "export": Place(
        "export", "export", "Export a workspace as one file, or its labels for other programs."
    ),
    "restore": Place(
        "export",
        "restore",
        "Make a workspace of an archive; everything is verified before anything is written.",
    ),
    "segmentations": Place(
        "segmentations",
        "segmentations",
        "Import the segmentations (DICOM SEG) that other programs made of the images.",
    ),
    "models": Place("versions", "app", "Versions of the models of a workspace."),
    "accounts": Place("accounts", "app", "Who may log in to the server of a workspace."),
    "outbox": Place("outbox", "app", "Answers on their way to the archive."),
    "viewer": Place("viewer", "app", "The OHIF viewer in the browser."),
    "bench": Place("bench", "app", "Measure performance."),
}

app = typer.Typer(
    name="sonoloop",
    cls=lazy_group(COMMANDS),
    help="Active-learning annotation server for breast ultrasound. Research use, not a medical "
    "device.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


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
    """Entry point of the installed command; Ctrl+C ends it without a traceback, at any time."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
