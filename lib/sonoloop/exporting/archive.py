"""A whole workspace as one file that makes the same workspace again.

The same state gives the same bytes, wherever and whenever it is exported: entries are sorted, and
nothing in them tells the time of the export.
"""

import contextlib
import hashlib
import json
import logging
import os
import secrets
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from sonoloop.errors import ArchiveError, NotFoundError, PacsError, StoreError
from sonoloop.exporting.manifest import (
    LABELS,
    MANIFEST,
    MODELS,
    TABLES,
    Entry,
    Manifest,
    Pictures,
)
from sonoloop.exporting.pictures import PathOf, archived_path
from sonoloop.store.database import batches
from sonoloop.store.dump import SCHEMA, DumpedRow, Snapshot
from sonoloop.store.dump import TABLES as TABLES_OF_STORE
from sonoloop.store.files import sync_folder
from sonoloop.store.store import Store

logger = logging.getLogger(__name__)

CHUNK: Final = 2**20
EPOCH: Final = (1980, 1, 1, 0, 0, 0)
"""The first moment a ZIP file can name."""
PLAIN_FILE: Final = 0o100644 << 16

Report = Callable[[int, int], None]


def nothing_to_report(_done: int, _total: int) -> None:
    """Takes the report of progress nobody wants."""


class _Writer:
    """Adds files to an archive and notes what they are."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self.entries: dict[str, Entry] = {}

    def add(self, path: str, chunks: Iterable[bytes], *, pack: bool = False) -> Entry:
        """Add one file; ``pack`` for what becomes smaller by it."""
        info = zipfile.ZipInfo(path, date_time=EPOCH)
        info.external_attr, info.create_system = PLAIN_FILE, 3
        info.compress_type = zipfile.ZIP_DEFLATED if pack else zipfile.ZIP_STORED
        digest, size = hashlib.sha256(), 0
        with self._archive.open(info, "w", force_zip64=True) as file:
            for chunk in chunks:
                digest.update(chunk)
                size += len(chunk)
                file.write(chunk)
        self.entries[path] = Entry(path=path, sha256=digest.hexdigest(), size=size)
        return self.entries[path]


def write_archive(
    store: Store,
    target: Path,
    *,
    images: Pictures = "none",
    path_of: PathOf | None = None,
    report: Report = nothing_to_report,
) -> Manifest:
    """Export everything a workspace knows; a server may be at work on it meanwhile.

    All tables are of one instant. Label files and model folders never change once they are there.

    Args:
        store: What is exported.
        target: ZIP file to write, for this user alone; it is whole when it appears. One that is
            there is replaced.
        images: ``copy`` takes the pictures along.
        path_of: Finds them.
        report: Told how many files are done, and of how many.

    Raises:
        ArchiveError: If ``images`` is ``copy`` and nothing finds them.
        StoreError: If a label file is gone or was changed, or the archive cannot be written.
    """
    if images == "copy" and path_of is None:
        raise ArchiveError("pictures are to be copied, and nothing says where they are")
    incoming = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        with open(incoming, "xb", opener=_private) as file:
            with zipfile.ZipFile(file, "w", allowZip64=True) as archive:
                manifest = _fill(archive, store, path_of if images == "copy" else None, report)
            file.flush()
            os.fsync(file.fileno())
        os.replace(incoming, target)
        sync_folder(target.parent)
    except OSError as error:
        raise StoreError(f"the archive {target} cannot be written: {error.strerror}") from error
    finally:
        with contextlib.suppress(OSError):  # why it was not written is told already
            incoming.unlink(missing_ok=True)
    return manifest


def _private(path: str, flags: int) -> int:
    """Opens a file for this user alone: an archive names patients."""
    return os.open(path, flags, 0o600)


def _fill(
    archive: zipfile.ZipFile, store: Store, path_of: PathOf | None, report: Report
) -> Manifest:
    writer = _Writer(archive)
    with store.dump.snapshot() as snapshot:
        rows = {name: _add_table(writer, snapshot, name) for name in TABLES_OF_STORE}
        masks = {
            row["mask_path"]: row["mask_sha256"]
            for row in snapshot.rows("annotations")
            if row["mask_path"]
        }
        models = sorted(row["model_id"] for row in snapshot.rows("models"))
        located: dict[str, str] = {}
        for row in snapshot.rows("images") if path_of else ():
            path = archived_path(row["source"], row["locator"])
            located.setdefault(path, row["image_id"])
    total = len(masks) + len(models) + len(located)
    for done, path in enumerate(sorted(masks), start=1):
        _add_label(writer, store.paths.labels / path, path, masks[path])
        report(done, total)
    for done, model_id in enumerate(models, start=len(masks) + 1):
        _add_model(writer, store.paths.models / model_id)
        report(done, total)
    missing: list[str] = []
    if path_of is not None:
        missing = _add_pictures(writer, store, path_of, located)
        report(total, total)
    manifest = Manifest(
        schema=SCHEMA,
        images="none" if path_of is None else "copy",
        rows=rows,
        entries=writer.entries,
        missing=tuple(missing),
    )
    writer.add(MANIFEST, [manifest.as_bytes()], pack=True)
    del writer.entries[MANIFEST]
    return manifest


def _add_table(writer: _Writer, snapshot: Snapshot, name: str) -> int:
    count = 0

    def lines() -> Iterator[bytes]:
        nonlocal count
        for row in snapshot.rows(name):
            count += 1
            yield line_of(row)

    writer.add(f"{TABLES}/{name}.jsonl", lines(), pack=True)
    return count


def line_of(row: DumpedRow) -> bytes:
    """A row as its line of a table."""
    text = json.dumps(row, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return f"{text}\n".encode()


def _add_label(writer: _Writer, file: Path, path: str, digest: str) -> None:
    if writer.add(f"{LABELS}/{path}", _chunks(file)).sha256 != digest:
        raise StoreError(
            f"label file {file} is not what was saved: its sha256 differs from the database's "
            f"(restore it from a backup)"
        )


def _add_model(writer: _Writer, folder: Path) -> None:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    if not files:
        raise StoreError(f"the model folder {folder} is gone (restore it from a backup)")
    for file in files:
        inside = file.relative_to(folder).as_posix()
        writer.add(f"{MODELS}/{folder.name}/{inside}", _chunks(file), pack=True)


def _add_pictures(
    writer: _Writer, store: Store, path_of: PathOf, located: dict[str, str]
) -> list[str]:
    missing = []
    paths = sorted(located)
    for batch in batches(paths):
        records = store.images.get_many([located[path] for path in batch])
        for path in batch:
            record: Any = records.get(located[path])
            try:
                if record is None:
                    raise NotFoundError(f"image {located[path]!r} was removed meanwhile")
                writer.add(path, _chunks(path_of(record)))
            except (NotFoundError, PacsError) as error:
                logger.warning("not in the archive: %s", error)
                missing.append(path.partition("/")[2])
    return missing


def _chunks(file: Path) -> Iterator[bytes]:
    try:
        with file.open("rb") as opened:
            while chunk := opened.read(CHUNK):
                yield chunk
    except OSError as error:
        raise StoreError(f"{file} cannot be read: {error.strerror}") from error
