"""``sonoloop segmentations``: what other programs drew becomes annotations."""

from typing import Annotated

import typer
from rich.table import Table

from sonoloop.cli.console import errors_told, out, progress_bar
from sonoloop.cli.history import DatabaseOption, WorkspaceOption, open_existing
from sonoloop.pacs.open import open_source
from sonoloop.service.foreign import ForeignSummary, import_segmentations, tally


def segmentations(
    workspace: WorkspaceOption,
    studies: Annotated[
        str, typer.Option(help="Study folder, or address of the PACS, they lie in.")
    ],
    *,
    trust: Annotated[
        bool,
        typer.Option("--trust", help="Count them as submitted labels; without it they are drafts."),
    ] = False,
    database: DatabaseOption = None,
) -> None:
    """Import the segmentations (DICOM SEG) that other programs made of the images.

    Each is taken once; those Sonoloop wrote are left alone. The reader is who made the content, as
    the file tells, else foreign:MANUFACTURER. Works while a server runs.

    Example: sonoloop segmentations --studies studies --workspace workspace
    """
    with errors_told(), open_existing(workspace, database) as store:
        source = open_source(studies, store.paths.root)
        with progress_bar() as bar:
            looking = bar.add_task("looking for images", total=None, note="")
            source.scan(store, lambda done, all_: bar.update(looking, completed=done, total=all_))
            task = bar.add_task("studies", total=None, note="")
            summary = import_segmentations(
                store,
                source,
                trusted=trust,
                progress=lambda done, all_: bar.update(task, completed=done, total=all_),
            )
        _tell(summary)


def _tell(summary: ForeignSummary) -> None:
    table = Table(title=f"segmentations of others in {summary.studies} studies")
    table.title_justify = "left"
    table.add_column("")
    table.add_column("count", justify="right")
    table.add_row("found", str(summary.seen))
    table.add_row("annotations registered before", str(summary.known))
    table.add_row("annotations registered", str(summary.annotations))
    for reason, count in tally(summary.refused).items():
        table.add_row(f"not taken: {reason}", str(count))
    out.print(table)
    for refusal in summary.refused[:10]:
        out.print(f"{refusal.locator}: {refusal.message}", highlight=False, soft_wrap=True)
