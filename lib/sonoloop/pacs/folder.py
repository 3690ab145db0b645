"""Studies in a folder of DICOM or ordinary image files."""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

from pydicom import Dataset

from sonoloop.errors import ImageReadError, NotFoundError, PacsError
from sonoloop.imaging.read import is_candidate, read_header
from sonoloop.pacs.folder_archive import FolderArchive, is_received_image
from sonoloop.pacs.identify import is_same_image, records_of
from sonoloop.pacs.inside import inside
from sonoloop.pacs.port import ArchiveState, InstanceAddress, ScanProgress, ScanSummary
from sonoloop.pacs.scanning import Scan
from sonoloop.pacs.sidecar import register_sidecar, table_of
from sonoloop.pacs.walk import Found, FoundFile, walk
from sonoloop.pacs.watch import ArchiveWatch
from sonoloop.records import ImageRecord
from sonoloop.store.paths import WorkspacePaths
from sonoloop.store.records import Refusal
from sonoloop.store.store import Store

FILES_A_BATCH: Final = 200
"""Files registered in one transaction; the first images can be opened while the rest is read."""


class FolderSource:
    """The images in a folder and the folders below it.

    Ids, layout rules and refusals are told in :mod:`sonoloop.pacs.walk`,
    :mod:`sonoloop.pacs.identify` and :mod:`sonoloop.pacs.sidecar`. A file is looked at again when
    its size or modification time changes; a new source object looks once more at files that were
    refused, since the program may have learnt to read them. What is stored goes into the
    workspace, never into the folder, and its images are images of the source like the others.

    Attributes:
        archive: The DICOM instances among the files.
    """

    def __init__(self, root: Path, workspace: Path) -> None:
        self._root = root.resolve()
        self._paths = WorkspacePaths(workspace.resolve())
        self.archive = FolderArchive(self._root, self._paths)
        self._watch = ArchiveWatch()
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
            with self._watch.asking():
                found = walk(self._root, leave_out=self._paths.root)
            received = self.archive.received().files
            everything = [*found.files, *received]
            found.files.extend(filter(is_received_image, received))
            scan = Scan(store, "folder")
            scan.refuse(found.refused)
            there = {file.locator for file in found.files}
            self._register_files(scan, found, there, progress)
            self._register_tables(scan, found)
            summary = scan.finish(scan.known.keys() - there)
            self.archive.refresh(everything)
            self._scanned = True
        return summary

    def scan_news(self, store: Store) -> ScanSummary | None:
        """None: a folder does not tell what is new in it."""

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
        path = self.archive.path_of(record.locator)
        stat = path.stat()
        if (stat.st_size, stat.st_mtime_ns) != (record.file_size, record.file_mtime_ns):
            _check_same_image(path, record)
        return path

    def header(self, record: ImageRecord) -> Dataset:
        """What DICOM says of an image, without its pixels; of a cine, of the whole of it.

        Raises:
            NotFoundError: If the image is no DICOM or has left.
            ImageReadError: If its file cannot be read any more.
        """
        return self.archive.header(self.path_of(record))

    def instances(self, study: str, modality: Literal["SEG", "SR", "US"]) -> list[InstanceAddress]:
        """The instances of a modality in a study; empty where there is no such study."""
        return self.archive.instances(study, modality)

    def retrieve(self, address: InstanceAddress) -> bytes:
        """One instance as a DICOM file, byte for byte as it is kept.

        Raises:
            NotFoundError: If there is none.
            PacsError: If its file cannot be read.
        """
        path = self.archive.located(address)
        try:
            return path.read_bytes()
        except OSError as error:
            raise PacsError(
                f"instance {address.instance} cannot be read: {error.strerror} (may this user "
                f"read the study folder?)"
            ) from error

    def store(self, study: str, instances: Sequence[bytes]) -> None:
        """Keep DICOM files in a study, in the workspace; durable when this returns.

        Raises:
            InstanceRefusedError: If one is refused; trying again is no use.
            StoreError: If one cannot be written.
        """
        self.archive.store(study, instances)

    @property
    def state(self) -> ArchiveState:
        """Whether the folder could be listed when it was last looked at."""
        return self._watch.state

    def _register_files(
        self, scan: Scan, found: Found, there: set[str], progress: ScanProgress | None
    ) -> None:
        changed = [
            file
            for file in found.files
            if scan.has_news(file.locator, (file.size, file.mtime_ns), trust_refusals=self._scanned)
        ]
        if changed:
            scan.expect_claims({file.locator for file in changed}, there)
        for start in range(0, len(changed), FILES_A_BATCH):
            if progress is not None:
                progress(start, len(changed))
            self._register(scan, changed[start : start + FILES_A_BATCH])
        if progress is not None:
            progress(len(changed), len(changed))

    def _register(self, scan: Scan, files: Sequence[FoundFile]) -> None:
        records: list[ImageRecord] = []
        for file in files:
            try:
                records.extend(self._records(scan, file))
            except ImageReadError as error:
                refusal = Refusal(
                    locator=file.locator,
                    code=error.code,
                    message=str(error),
                    size=file.size,
                    mtime_ns=file.mtime_ns,
                )
                scan.refuse([refusal])
        scan.register(records, replacing=[f.locator for f in files if f.locator in scan.known])

    def _records(self, scan: Scan, file: FoundFile) -> list[ImageRecord]:
        path = self.archive.file_of(file.locator)
        if not is_candidate(path):
            return []
        header = read_header(path)
        if header.identity.sop_instance_uid is not None:
            scan.claim(header.identity.sop_instance_uid, file.locator)
        return records_of(header, file, source="folder")

    def _register_tables(self, scan: Scan, found: Found) -> None:
        unchanged: set[str] = set()
        for table in found.sidecars:
            before, waiting = self._tables_seen.get(table.locator, (None, 0))
            if before == table and not (waiting and scan.added + scan.updated):
                unchanged.add(table.locator)
                continue
            summary = register_sidecar(scan.store, self._root, table.locator)
            scan.annotations += summary.registered
            scan.refuse(summary.refused)
            self._tables_seen[table.locator] = (table, summary.waiting)
        scan.keep_refusals(lambda locator: table_of(locator) in unchanged)


def _check_same_image(path: Path, record: ImageRecord) -> None:
    try:
        same = is_same_image(read_header(path), record)
    except ImageReadError:
        same = False
    if not same:
        raise NotFoundError(
            f"the file of image {record.image_id!r} holds something else now "
            f"(it is looked at again at the next scan)"
        )
