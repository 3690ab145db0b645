"""A workspace out of an archive: everything is verified before anything is written."""

import hashlib
import json
import os
import secrets
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

from sonoloop.errors import ArchiveError, StoreError
from sonoloop.exporting.archive import CHUNK, Report, nothing_to_report
from sonoloop.exporting.manifest import (
    IMAGES,
    LABELS,
    MODELS,
    TABLES,
    Entry,
    Manifest,
    checked_path,
    read_manifest,
)
from sonoloop.exporting.pictures import archived_path, restored_path
from sonoloop.store.dump import SCHEMA, DumpedRow, check_row
from sonoloop.store.dump import TABLES as TABLES_OF_STORE
from sonoloop.store.ids import validate_image_id
from sonoloop.store.models import REQUIRED_FILES
from sonoloop.store.paths import WorkspacePaths, refusals_told
from sonoloop.store.store import Store

MAX_LINE: Final = 64 * 2**20
"""Bytes of one row of a table."""


def restore(
    source: Path,
    workspace: Path,
    *,
    url: str | None = None,
    report: Report = nothing_to_report,
) -> Manifest:
    """Make the workspace that :func:`sonoloop.exporting.archive.write_archive` exported.

    The archive is read twice: once to verify all of it, then to write. The workspace appears under
    its name when it is complete.

    Args:
        source: The archive.
        workspace: Folder to make; it may be there when it is empty.
        url: Address of an empty database; None is a SQLite file in the workspace.
        report: Told how many files are done, and of how many, first verifying, then writing.

    Raises:
        ArchiveError: If the file is no archive, is damaged, contradicts itself, was made by
            another version of the program, or needs more room than there is.
        InvalidIdError: If an image of it has an id that could not be one of ours.
        StoreError: If the workspace or the database is in use, or cannot be written.
    """
    with refusals_told(workspace):
        if workspace.exists() and (not workspace.is_dir() or any(workspace.iterdir())):
            raise StoreError(f"{workspace} is there already (restore into a folder that is not)")
    with _opened(source) as archive:
        manifest = read_manifest(archive)
        _refuse_foreign(manifest)
        _refuse_oversized(manifest, workspace)
        verified = _Verified(archive, manifest, report)
        building = workspace.with_name(f".{workspace.name}.{secrets.token_hex(4)}.restoring")
        try:
            _build(archive, verified, building, url, report)
            os.replace(building, workspace)
        except OSError as error:
            raise StoreError(f"{workspace} cannot be written: {error.strerror or error}") from error
        finally:
            shutil.rmtree(building, ignore_errors=True)
    return manifest


@contextmanager
def _opened(source: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(source) as archive:
            yield archive
    except FileNotFoundError as error:
        raise ArchiveError(f"there is no file {source}") from error
    except (PermissionError, IsADirectoryError) as error:
        raise ArchiveError(
            f"{source} cannot be read: {error.strerror} (an archive is for the user who made it)"
        ) from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise ArchiveError(f"{source} is no archive, or a damaged one: {error}") from error


def _refuse_foreign(manifest: Manifest) -> None:
    if manifest.schema != SCHEMA:
        raise ArchiveError(
            f"the archive has schema {manifest.schema!r:.20}, this program {SCHEMA!r} (restore it "
            f"with the program that made it, and open the workspace with this one)"
        )
    different = sorted(manifest.rows.keys() ^ TABLES_OF_STORE.keys())
    wanted = {f"{TABLES}/{name}.jsonl" for name in TABLES_OF_STORE}
    there = {path for path in manifest.entries if path.startswith(f"{TABLES}/")}
    if different or wanted != there:
        raise ArchiveError(
            f"the archive has other tables than this program: "
            f"{', '.join(different or sorted(wanted ^ there))[:200]}"
        )


def _refuse_oversized(manifest: Manifest, workspace: Path) -> None:
    needed = sum(entry.size for entry in manifest.entries.values())
    there = next(p for p in (workspace, *workspace.absolute().parents) if p.is_dir())
    free = shutil.disk_usage(there).free
    if needed > free:
        raise ArchiveError(
            f"the archive unpacks to {needed} bytes, and {free} are free in {there} (make room)"
        )


class _Verified:
    """What an archive holds, once all of it was read and found to fit together.

    Attributes:
        manifest: Of the archive.
        times: Modification time in ns of the picture files, by path in the archive.
    """

    def __init__(self, archive: zipfile.ZipFile, manifest: Manifest, report: Report) -> None:
        self.manifest = manifest
        for done, entry in enumerate(manifest.entries.values(), start=1):
            _check_content(archive, entry)
            report(done, 2 * len(manifest.entries))
        self.times: dict[str, int] = {}
        masks: dict[str, str] = {}
        models: set[str] = set()
        for name, count in manifest.rows.items():
            found = 0
            for row in rows_of(archive, name):
                found += 1
                check_row(name, row)
                self._note(name, row, masks, models)
            if found != count:
                raise ArchiveError(f"table {name} has {found} rows, its manifest says {count}")
        _check_labels(manifest, masks)
        _check_models(manifest, models)
        _check_pictures(manifest, self.times)

    def _note(self, name: str, row: DumpedRow, masks: dict[str, str], models: set[str]) -> None:
        if name == "annotations" and row["mask_path"] is not None:
            masks[f"{LABELS}/{row['mask_path']}"] = row["mask_sha256"]
        elif name == "models":
            models.add(row["model_id"])
        elif name == "images":
            validate_image_id(row["image_id"])
            path = checked_path(archived_path(row["source"], row["locator"]))
            self.times[path] = row["file_mtime_ns"]


def _check_content(archive: zipfile.ZipFile, entry: Entry) -> None:
    digest = hashlib.sha256()
    with archive.open(entry.path) as file:
        for chunk in iter(lambda: file.read(CHUNK), b""):
            digest.update(chunk)
    if digest.hexdigest() != entry.sha256:
        raise ArchiveError(
            f"{entry.path!r:.120} in the archive is not what its manifest says "
            f"(the archive was damaged or tampered with)"
        )


def rows_of(archive: zipfile.ZipFile, table: str) -> Iterator[DumpedRow]:
    """Rows of a table of an archive.

    Raises:
        ArchiveError: If a line is no row.
    """
    with archive.open(f"{TABLES}/{table}.jsonl") as file:
        number = 0
        while line := file.readline(MAX_LINE):
            number += 1
            try:
                row: Any = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise ArchiveError(f"line {number} of table {table} is damaged") from error
            if not isinstance(row, dict):
                raise ArchiveError(f"line {number} of table {table} is no row")
            yield row


def _check_labels(manifest: Manifest, masks: dict[str, str]) -> None:
    there = {
        path: entry.sha256
        for path, entry in manifest.entries.items()
        if path.startswith(f"{LABELS}/")
    }
    _refuse_difference("label files", there, masks)


def _check_models(manifest: Manifest, models: set[str]) -> None:
    there: dict[str, set[str]] = {}
    for path in manifest.entries:
        root, name, *inside = path.split("/")
        if root == MODELS:
            there.setdefault(name, set()).add("/".join(inside))
    _refuse_difference("model folders", dict.fromkeys(there), dict.fromkeys(models))
    for name, files in there.items():
        missing = sorted(set(REQUIRED_FILES) - files)
        if missing:
            raise ArchiveError(f"model {name!r:.120} in the archive has no {', '.join(missing)}")


def _check_pictures(manifest: Manifest, known: dict[str, int]) -> None:
    there = {path for path in manifest.entries if path.startswith(f"{IMAGES}/")}
    strangers = sorted(there - known.keys())
    if strangers:
        raise ArchiveError(f"{strangers[0]!r:.120} in the archive is the picture of no image")


def _refuse_difference(what: str, there: dict[str, Any], wanted: dict[str, Any]) -> None:
    different = sorted(
        name
        for name in there.keys() | wanted.keys()
        if name not in there or name not in wanted or there[name] != wanted[name]
    )
    if different:
        raise ArchiveError(
            f"the {what} of the archive are not those its tables speak of: {len(different)} "
            f"differ, such as {different[0]!r:.120}"
        )


def _build(
    archive: zipfile.ZipFile, verified: _Verified, building: Path, url: str | None, report: Report
) -> None:
    entries = verified.manifest.entries.values()
    with Store.open(building, url=url) as store:
        if not store.dump.is_empty():
            raise StoreError("the database holds rows already (restore into an empty one)")
        for done, entry in enumerate(entries, start=len(entries) + 1):
            if not entry.path.startswith(f"{TABLES}/"):
                _unpack(archive, entry, store.paths, verified.times.get(entry.path))
            report(done, 2 * len(entries))
        store.dump.load(lambda table: rows_of(archive, table))


def _unpack(
    archive: zipfile.ZipFile, entry: Entry, paths: WorkspacePaths, mtime_ns: int | None
) -> None:
    if entry.path.startswith(f"{IMAGES}/"):
        target = restored_path(entry.path, paths)
    else:
        target = paths.root / entry.path
    target.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(entry.path) as packed, target.open("xb") as file:
        _copy(packed, file, entry.size)
        file.flush()
        os.fsync(file.fileno())
    if mtime_ns is not None:
        os.utime(target, ns=(mtime_ns, mtime_ns))


def _copy(packed: IO[bytes], file: IO[bytes], size: int) -> None:
    left = size
    while left > 0 and (chunk := packed.read(min(CHUNK, left))):
        file.write(chunk)
        left -= len(chunk)
