"""``sonoloop import``: a published data set or a folder of pictures becomes a study folder."""

from collections import Counter
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from sonoloop.cli.console import errors_told, out, progress_bar
from sonoloop.datasets.layouts import read_dataset
from sonoloop.datasets.names import slug
from sonoloop.datasets.reading import DatasetReading, Skipped
from sonoloop.errors import DatasetError
from sonoloop.importing.importer import ImportSummary, import_dataset

_EXAMPLES_PER_REASON = 3


class ImportLayout(StrEnum):
    """How the data set is laid out."""

    BUSI = "busi"
    BUSBRA = "busbra"
    FOLDER = "folder"


def import_data(
    layout: Annotated[
        ImportLayout,
        typer.Argument(help="busi and busbra as published; folder is any folder of images."),
    ],
    source: Annotated[
        Path,
        typer.Argument(metavar="SRC", help="Folder of the data set, or a manifest (CSV)."),
    ],
    *,
    to: Annotated[
        Path,
        typer.Option("--to", metavar="STUDIES", help="Study folder to write; made if absent."),
    ],
    reader: Annotated[
        str | None,
        typer.Option(help="Whom the annotations are from.", show_default="name of the data set"),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            help="What to call the data set; tells apart folders whose images are named alike.",
            show_default="busi, busbra, or name of the folder",
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Import only the first images.", show_default="all")
    ] = None,
) -> None:
    """Import a data set into a study folder that the server can open.

    Images become single-frame ultrasound DICOM, one study per patient; masks and labels become
    annotations of a reader. Importing again adds what is missing and changes what changed.

    A folder may hold a manifest.csv with the columns image,mask,pathology,patient and, if known,
    group,birads,split; several masks of an image are separated by ";". Without one the images are
    imported unlabelled.

    Examples:
    sonoloop import busbra BUSBRA --to studies

    sonoloop import busi Dataset_BUSI_with_GT --to studies --reader "BUSI authors"

    sonoloop import folder clinic-images --to studies --limit 20
    """
    with errors_told():
        if to.resolve().is_relative_to(source.resolve()):
            raise DatasetError(f"study folder {str(to)!r} lies in the data set (choose another)")
        reading = _renamed(read_dataset(source, layout.value), name, limit)
        with progress_bar() as bar:
            task = bar.add_task(f"importing {reading.name}", total=len(reading.images), note="")
            summary = import_dataset(
                reading,
                to,
                reader=reader or reading.name,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )
        _print(summary, reading, to)


def _renamed(reading: DatasetReading, name: str | None, limit: int | None) -> DatasetReading:
    return replace(
        reading, name=slug(name) if name else reading.name, images=reading.images[:limit]
    )


def _print(summary: ImportSummary, reading: DatasetReading, to: Path) -> None:
    table = Table(title=f"{reading.name} -> {to}", title_justify="left")
    table.add_column("images")
    table.add_column("count", justify="right")
    table.add_row("imported", str(summary.imported))
    table.add_row("already there", str(summary.already_there))
    table.add_row("already there, annotation changed", str(summary.relabelled))
    table.add_row("skipped", str(len(summary.skipped)))
    out.print(table)
    if summary.skipped:
        out.print(_skipped_table(summary.skipped))


def _skipped_table(skipped: tuple[Skipped, ...]) -> Table:
    """Reasons, the most frequent first, each with a few files."""
    table = Table(title="skipped, and why", title_justify="left")
    table.add_column("reason", overflow="fold")
    table.add_column("count", justify="right")
    table.add_column("for example", overflow="fold")
    for reason, count in Counter(item.reason for item in skipped).most_common():
        names = [item.image for item in skipped if item.reason == reason]
        more = ", ..." if count > _EXAMPLES_PER_REASON else ""
        table.add_row(reason, str(count), ", ".join(names[:_EXAMPLES_PER_REASON]) + more)
    return table
