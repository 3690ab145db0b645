"""Studies in a folder of DICOM or ordinary image files."""

import logging
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sonoloop.errors import ImageReadError, NotFoundError
from sonoloop.imaging.read import is_candidate, read_header
from sonoloop.pacs.identify import records_of
from sonoloop.pacs.inside import inside
from sonoloop.pacs.port import ScanProgress, ScanSummary
from sonoloop.pacs.sidecar import register_sidecar
from sonoloop.pacs.walk import Found, FoundFile, files_of, walk
from sonoloop.records import ImageRecord
from sonoloop.store.paths import WorkspacePaths
from sonoloop.store.records import Refusal
from sonoloop.store.store import Store

logger = logging.getLogger(__name__)

FILES_A_BATCH: Final = 200
"""Files registered in one transaction; the first images can be opened while the rest is read."""

DUPLICATE: Final = "duplicate_uid"


@dataclass(slots=True)
class _Scan:
    """One scan at work: what was known before, and what it found until now."""

    store: Store
    known: dict[str, tuple[int, int]]
    refused_before: dict[str, Refusal]
    by_uid: dict[str, str]
    found: dict[str, tuple[int, int]]
    added: int = 0
    updated: int = 0
    annotations: int = 0
    refused: list[Refusal] = field(default_factory=list)
    still_refused: set[str] = field(default_factory=set)

    def refuse(self, refusals: Iterable[Refusal]) -> None:
        """Keep refusals; those that stood before with the same words are not told again."""
        for refusal in refusals:
            self.still_refused.add(refusal.locator)
            before = self.refused_before.get(refusal.locator)
            if before != refusal:
                self.refused.append(refusal)


class FolderSource:
    """The images in ``root`` and the folders below it.

    Ids, layout rules and refusals are told in :mod:`sonoloop.pacs.walk`,
    :mod:`sonoloop.pacs.identify` and :mod:`sonoloop.pacs.sidecar`. A file is looked at again when
    its size or modification time changes; a new source object looks once more at files that were
    refused, since the program may have learnt to read them.
    """

    def __init__(self, root: Path, workspace: Path) -> None:
        self._root = root.resolve()
        self._paths = WorkspacePaths(workspace.resolve())
        self._one_at_a_time = threading.Lock()
        self._tables_seen: dict[str, tuple[FoundFile, int]] = {}
        self._scanned = False

    def scan(self, store: Store, progress: ScanProgress | None = None) -> ScanSummary:
        """Look for files that are new, changed or gone, and for new rows of annotations.

        A table of annotations is read again when it changes, or when it names images that were
        not there yet and new ones came; masks alone that change are noticed by the next source
        object.

        Raises:
            PacsError: If the folder itself cannot be listed; nothing is marked as gone then.
            StoreError: If something cannot be written; what was found until then is kept.
        """
        with self._one_at_a_time:
            found = walk(self._root, leave_out=self._paths.root)
            scan = _Scan(
                store=store,
                known=store.images.by_locator("folder"),
                refused_before={r.locator: r for r in store.images.refusals()},
                by_uid={},
                found=dict(files_of(found)),
            )
            scan.refuse(found.refused)
            self._register_files(scan, found, progress)
            removed = store.images.mark_gone("folder", scan.known.keys() - scan.found.keys())
            removed += store.images.mark_other_sources_gone("folder")
            self._register_tables(scan, found)
            store.images.record_refusals(scan.refused)
            store.images.clear_refusals(scan.refused_before.keys() - scan.still_refused)
            self._scanned = True
        return ScanSummary(
            added=scan.added,
            updated=scan.updated,
            removed=removed,
            annotations=scan.annotations,
            refused=tuple(scan.refused),
        )

    def path_of(self, record: ImageRecord) -> Path:
        """File with the pixels of an image.

        Raises:
            NotFoundError: If it has left the folder, or holds another image since.
        """
        if record.source == "upload":
            return inside(self._paths.uploads, record.locator)
        if record.source != "folder" or not record.available:
            raise NotFoundError(
                f"the file of image {record.image_id!r} has left the study folder "
                f"(its labels are kept; put the file back to open it)"
            )
        path = inside(self._root, record.locator)
        stat = path.stat()
        if (stat.st_size, stat.st_mtime_ns) != (record.file_size, record.file_mtime_ns):
            _check_same_image(path, record)
        return path

    def _register_files(self, scan: _Scan, found: Found, progress: ScanProgress | None) -> None:
        changed = [file for file in found.files if self._has_news(scan, file)]
        if changed:
            # What a changed file held before is no claim: two files may have been swapped.
            dropped = {file.locator for file in changed}
            claims = scan.store.images.locators_by_uid("folder").items()
            scan.by_uid = {uid: locator for uid, locator in claims if locator not in dropped}
        for start in range(0, len(changed), FILES_A_BATCH):
            if progress is not None:
                progress(start, len(changed))
            self._register(scan, changed[start : start + FILES_A_BATCH])
        if progress is not None:
            progress(len(changed), len(changed))

    def _has_news(self, scan: _Scan, file: FoundFile) -> bool:
        state = (file.size, file.mtime_ns)
        if scan.known.get(file.locator) == state:
            return False
        refusal = scan.refused_before.get(file.locator)
        if refusal is None or not self._scanned or refusal.code == DUPLICATE:
            return True
        if (refusal.size, refusal.mtime_ns) != state:
            return True
        scan.still_refused.add(file.locator)
        return False

    def _register(self, scan: _Scan, files: Sequence[FoundFile]) -> None:
        records: list[ImageRecord] = []
        for file in files:
            path = self._root / file.locator
            try:
                if not is_candidate(path):
                    continue
                header = read_header(path)
                uid = header.identity.sop_instance_uid
                if uid is not None:
                    _claim(scan, uid, file.locator)
            except ImageReadError as error:
                refusal = Refusal(
                    locator=file.locator,
                    code=error.code,
                    message=str(error),
                    size=file.size,
                    mtime_ns=file.mtime_ns,
                )
                scan.refuse([refusal])
                continue
            records.extend(records_of(header, file, source="folder"))
        replaced = [file.locator for file in files if file.locator in scan.known]
        added = scan.store.images.upsert_many(records, replacing=replaced)
        if replaced and not records:
            scan.store.images.mark_gone("folder", replaced)
        scan.added += added
        scan.updated += len(records) - added

    def _register_tables(self, scan: _Scan, found: Found) -> None:
        for table in found.sidecars:
            before, waiting = self._tables_seen.get(table.locator, (None, 0))
            if before == table and not (waiting and scan.added + scan.updated):
                prefix = f"{table.locator}:"
                for locator in scan.refused_before:
                    if locator == table.locator or locator.startswith(prefix):
                        scan.still_refused.add(locator)
                continue
            summary = register_sidecar(scan.store, self._root, table.locator)
            scan.annotations += summary.registered
            scan.refuse(summary.refused)
            self._tables_seen[table.locator] = (table, summary.waiting)


def _claim(scan: _Scan, uid: str, locator: str) -> None:
    """Give an instance to the file ``locator``, unless another file there already has it."""
    owner = scan.by_uid.get(uid, locator)
    if owner != locator and owner in scan.found:
        raise ImageReadError(
            DUPLICATE, f"{locator!r} holds the same SOP instance as {owner!r}, which is kept"
        )
    scan.by_uid[uid] = locator


def _check_same_image(path: Path, record: ImageRecord) -> None:
    changed = NotFoundError(
        f"the file of image {record.image_id!r} holds something else now "
        f"(it is looked at again at the next scan)"
    )
    try:
        header = read_header(path)
    except ImageReadError as error:
        raise changed from error
    same = (
        header.identity.sop_instance_uid == record.sop_instance_uid
        and (header.rows, header.columns) == (record.rows, record.columns)
        and header.frame_count == record.frame_count
    )
    if not same:
        raise changed
