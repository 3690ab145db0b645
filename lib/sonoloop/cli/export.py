"""``sonoloop export`` and ``sonoloop restore``: a workspace or its labels, out and in again."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress

from sonoloop.cli.console import errors_told, out, progress_bar
from sonoloop.cli.history import DatabaseOption, WorkspaceOption, open_existing
from sonoloop.errors import ArchiveError, ConfigError
from sonoloop.exporting.archive import write_archive
from sonoloop.exporting.cases import (
    Case,
    cases_of_reader,
    cases_of_revisions,
    cases_of_truth,
)
from sonoloop.exporting.coco import write_coco
from sonoloop.exporting.datalist import write_datalist
from sonoloop.exporting.manifest import Manifest
from sonoloop.exporting.nnunet import write_nnunet
from sonoloop.exporting.pictures import KeptPictures, PathOf
from sonoloop.exporting.restore import restore as restore_archive
from sonoloop.pacs.open import open_source
from sonoloop.service.images import ImageLibrary
from sonoloop.service.truth import training_truth
from sonoloop.store.store import Store

ACTOR = "command line"


class ExportFormat(StrEnum):
    """What is written."""

    ARCHIVE = "archive"
    NNUNET = "nnunet"
    COCO = "coco"
    DATALIST = "datalist"


class Images(StrEnum):
    """Whether pictures go into an archive."""

    NONE = "none"
    COPY = "copy"


def export(
    workspace: WorkspaceOption,
    to: Annotated[Path, typer.Option("--out", help="File (archive) or folder (labels) to write.")],
    *,
    form: Annotated[
        ExportFormat,
        typer.Option(
            "--format",
            help="archive is everything, to be restored; nnunet, coco and datalist are pictures "
            "and labels for other programs.",
        ),
    ] = ExportFormat.ARCHIVE,
    images: Annotated[
        Images, typer.Option(help="Of an archive: leave the pictures where they are, or copy them.")
    ] = Images.NONE,
    studies: Annotated[
        str | None,
        typer.Option(
            help="Study folder, or address of the PACS, the pictures come from; default: what lies "
            "in the workspace."
        ),
    ] = None,
    reader: Annotated[
        str | None,
        typer.Option(help="Labels of this reader alone; default: what a training learns from."),
    ] = None,
    all_revisions: Annotated[
        bool, typer.Option("--all-revisions", help="Every revision ever saved, each as a case.")
    ] = False,
    folds: Annotated[int, typer.Option(min=1, help="Folds; no patient crosses them.")] = 5,
    database: DatabaseOption = None,
) -> None:
    """Export a workspace as one file, or its labels for other programs.

    Works while a server runs. Status 1 where pictures that were to be copied are not there: the
    archive is written, and incomplete.

    Examples:
    sonoloop export --workspace workspace --out backup.zip --images copy --studies studies

    sonoloop export --workspace workspace --studies studies --format nnunet --out Dataset101_Breast
    """
    with errors_told(), open_existing(workspace, database) as store:
        path_of = _pictures(store, studies)
        if form is ExportFormat.ARCHIVE:
            if reader or all_revisions:
                raise ConfigError(["an archive holds every label (leave the choice of labels out)"])
            with progress_bar() as bar:
                manifest = write_archive(
                    store, to, images=images.value, path_of=path_of, report=_reporter(bar, to)
                )
            _tell(manifest, to)
            _tell_missing(manifest)
            told: dict[str, Any] = {"images": manifest.images, "files": len(manifest.entries)}
        else:
            count = _write_labels(form, _cases(store, path_of, reader, all_revisions), to, folds)
            out.print(f"{count} cases in {to}", highlight=False, soft_wrap=True)
            manifest = None
            told = {"cases": count} | ({"reader": reader} if reader else {})
        store.events.append("export", actor=ACTOR, details={"format": form.value} | told)
        if manifest and manifest.missing:
            raise _incomplete(manifest, to)


def restore(
    archive: Annotated[Path, typer.Argument(help="What sonoloop export wrote.")],
    workspace: Annotated[Path, typer.Option(help="Workspace to make.")],
    database: DatabaseOption = None,
) -> None:
    """Make a workspace of an archive; everything is verified before anything is written.

    Pictures that came along lie in its folder studies afterwards: name that to sonoloop serve.

    Example: sonoloop restore backup.zip --workspace again
    """
    with errors_told():
        with progress_bar() as bar:
            manifest = restore_archive(
                archive, workspace, url=database, report=_reporter(bar, archive)
            )
        _tell(manifest, workspace)
        _tell_missing(manifest)


def _reporter(bar: Progress, target: Path) -> Any:
    task = bar.add_task(target.name, total=None, note="")
    return lambda done, total: bar.update(task, completed=done, total=total)


def _pictures(store: Store, studies: str | None) -> PathOf:
    if studies is None:
        return KeptPictures(store.paths).path_of
    return ImageLibrary(store, open_source(studies, store.paths.root)).path


def _cases(store: Store, path_of: PathOf, reader: str | None, all_revisions: bool) -> list[Case]:
    if reader and all_revisions:
        raise ConfigError(["--reader and --all-revisions exclude one another"])
    if all_revisions:
        return cases_of_revisions(store, path_of)
    if reader:
        return cases_of_reader(store, reader, path_of)
    return cases_of_truth(training_truth(store, path_of))


def _write_labels(form: ExportFormat, cases: list[Case], to: Path, folds: int) -> int:
    if form is ExportFormat.NNUNET:
        return write_nnunet(cases, to, folds=folds)
    if form is ExportFormat.DATALIST:
        return write_datalist(cases, to, folds=folds)
    return write_coco(cases, to)


def _tell(manifest: Manifest, target: Path) -> None:
    rows = manifest.rows
    out.print(
        f"{target}: {rows['images']} images, {rows['annotations']} revisions, {rows['models']} "
        f"models, {rows['events']} events; {len(manifest.entries)} files",
        highlight=False,
        soft_wrap=True,
    )


def _tell_missing(manifest: Manifest) -> None:
    if manifest.missing:
        out.print(
            f"{len(manifest.missing)} pictures were not there, such as {manifest.missing[0]}",
            highlight=False,
            soft_wrap=True,
        )


def _incomplete(manifest: Manifest, to: Path) -> ArchiveError:
    return ArchiveError(
        f"{len(manifest.missing)} pictures are not in {to}, everything else is (name with "
        f"--studies the folder or PACS they come from; where a PACS asks who calls, give "
        f"SONOLOOP_PACS_USER and SONOLOOP_PACS_PASSWORD in the environment; then export again)"
    )
