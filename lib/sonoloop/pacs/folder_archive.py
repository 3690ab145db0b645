"""A folder of studies as an archive: what lies in it, and what was sent to be kept beside it."""

import threading
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Final, Literal

from pydicom import Dataset

from sonoloop.errors import InstanceRefusedError, NotFoundError
from sonoloop.imaging.dicom_header import has_dicom_magic
from sonoloop.imaging.read import IMAGE_SUFFIXES
from sonoloop.pacs.attributes import read_attributes
from sonoloop.pacs.index import InstanceIndex
from sonoloop.pacs.inside import inside
from sonoloop.pacs.port import InstanceAddress
from sonoloop.pacs.received import IMAGES as RECEIVED_IMAGES
from sonoloop.pacs.received import UnacceptableError, checked, keep, other_content, same_bytes
from sonoloop.pacs.walk import Found, FoundFile, walk
from sonoloop.store.paths import RECEIVED, WorkspacePaths

_PICTURES: Final = frozenset(IMAGE_SUFFIXES) - {".dcm"}


class FolderArchive:
    """The DICOM instances of a study folder and of :attr:`WorkspacePaths.received`.

    Args:
        root: The study folder, resolved; only ever read.
        paths: Of the workspace.

    Attributes:
        index: What lies where.
    """

    def __init__(self, root: Path, paths: WorkspacePaths) -> None:
        self._root, self._paths = root, paths
        self._storing = threading.Lock()
        self.index = InstanceIndex(paths.instances)

    def path_of(self, locator: str) -> Path:
        """File of a locator, in the study folder or among what was received.

        Raises:
            NotFoundError: If it has gone or leads elsewhere.
        """
        if locator.startswith(RECEIVED):
            return inside(self._paths.received.resolve(), locator.removeprefix(RECEIVED))
        return inside(self._root, locator)

    def received(self) -> Found:
        """What was received, with locators that begin with :data:`RECEIVED`."""
        if not self._paths.received.is_dir():
            return Found()
        found = walk(self._paths.received, leave_out=self._paths.cache)
        files = [FoundFile(f"{RECEIVED}{f.locator}", f.size, f.mtime_ns) for f in found.files]
        return Found(files=files)

    def refresh(self, files: Iterable[FoundFile]) -> int:
        """Bring the index up to date with all files there are; how many were read.

        What was received since ``files`` were looked for stays.
        """
        found = (file for file in files if _may_be_dicom(file))
        return self.index.refresh(found, self.file_of, stays=self._is_kept)

    def _is_kept(self, locator: str) -> bool:
        return locator.startswith(RECEIVED) and self.file_of(locator).is_file()

    def header(self, path: Path) -> Dataset:
        """What the DICOM file at ``path`` says, without its pixels.

        Raises:
            NotFoundError: If it is no DICOM.
            ImageReadError: If it cannot be read.
        """
        if not has_dicom_magic(path):
            raise NotFoundError(f"{path.name!r} is no DICOM file: it has no header to build on")
        return read_attributes(path)

    def instances(self, study: str, modality: Literal["SEG", "SR", "US"]) -> list[InstanceAddress]:
        """The instances of a modality in a study."""
        return [address for address, _ in self.index.addresses(study, modality=modality)]

    def located(self, address: InstanceAddress) -> Path:
        """File of an instance.

        Raises:
            NotFoundError: If there is none.
        """
        found = self.index.find(address.instance)
        if found is None or found[0] != address:
            raise NotFoundError(f"there is no instance {address.instance} in that series")
        return self.path_of(found[1])

    def keep(self, data: bytes, *, study: str | None) -> InstanceAddress:
        """Keep one DICOM file; durable when this returns.

        Raises:
            UnacceptableError: If it is not taken.
            StoreError: If it cannot be written.
        """
        dataset, address = checked(data, study=study)
        with self._storing:
            known = self._find(address.instance)
            if known is not None:
                if known[0] == address and same_bytes(self.path_of(known[1]), data):
                    return address
                raise other_content(address)
            relative = keep(self._paths.received, data, dataset, address)
            stat = (self._paths.received / relative).stat()
            file = FoundFile(f"{RECEIVED}{relative}", stat.st_size, stat.st_mtime_ns)
            self.index.add(file, dataset)
        return address

    def _find(self, instance: str) -> tuple[InstanceAddress, str] | None:
        """Address and locator of an instance, also where the index has been made anew."""
        known = self.index.find(instance)
        if known is None and not self.index.followed:
            self.index.refresh(self.received().files, self.file_of, stays=lambda _: True)
            known = self.index.find(instance)
        return known

    def store(self, study: str, instances: Sequence[bytes]) -> None:
        """Keep DICOM files of one study; those before one that is refused are kept.

        Raises:
            InstanceRefusedError: If one is refused.
            StoreError: If one cannot be written.
        """
        for data in instances:
            try:
                self.keep(data, study=study)
            except UnacceptableError as error:
                raise InstanceRefusedError(str(error)) from error

    def file_of(self, locator: str) -> Path:
        """Where the file of a locator that a walk found lies; it may have gone since."""
        if locator.startswith(RECEIVED):
            return self._paths.received / locator.removeprefix(RECEIVED)
        return self._root / locator


def is_received_image(file: FoundFile) -> bool:
    """Whether a file of :meth:`FolderArchive.received` is an image, not a document."""
    return file.locator.startswith(f"{RECEIVED}{RECEIVED_IMAGES}/")


def _may_be_dicom(file: FoundFile) -> bool:
    """Images of other kinds are no DICOM, and a folder may hold many of them."""
    name = PurePosixPath(file.locator)
    return name.suffix.lower() not in _PICTURES and name.suffix != ".part"
