"""Studies in a PACS that speaks DICOMweb."""

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from pydicom import Dataset

from sonoloop.errors import (
    ConfigError,
    ImageReadError,
    InvalidIdError,
    NotFoundError,
    PacsError,
)
from sonoloop.imaging.metadata import read_metadata
from sonoloop.imaging.read import read_header
from sonoloop.pacs import dicomweb_archive
from sonoloop.pacs.identify import is_same_image, records_of
from sonoloop.pacs.inside import inside
from sonoloop.pacs.port import ArchiveState, InstanceAddress, ScanProgress, ScanSummary
from sonoloop.pacs.qido import TIMEOUT_S, Credentials, QidoClient, told
from sonoloop.pacs.scanning import DUPLICATE, Scan
from sonoloop.pacs.wado import fetch
from sonoloop.pacs.walk import FoundFile
from sonoloop.pacs.watch import ArchiveWatch
from sonoloop.records import ImageRecord
from sonoloop.store.ids import validate_image_id
from sonoloop.store.paths import WorkspacePaths
from sonoloop.store.records import Refusal
from sonoloop.store.store import Store

USER_VARIABLE: Final = "SONOLOOP_PACS_USER"
PASSWORD_VARIABLE: Final = "SONOLOOP_PACS_PASSWORD"  # noqa: S105 - a name, not a password

_UNCHANGING: Final = (0, 0)
"""State of an instance in a PACS: a SOP instance never changes."""


def credentials_from(environment: Mapping[str, str]) -> Credentials | None:
    """User and password of the PACS, or None when no user is named."""
    user = environment.get(USER_VARIABLE, "")
    return Credentials(user, environment.get(PASSWORD_VARIABLE, "")) if user else None


class DicomWebSource:
    """The ultrasound images of a PACS; each is fetched into the workspace when first opened.

    A study is looked into again when its number of series or instances changes, and once by every
    new source object. The locator of an image is ``<study>/<series>/<instance>``.
    """

    def __init__(
        self, url: str, workspace: Path, *, credentials: Credentials | None = None
    ) -> None:
        if urlsplit(url).username is not None:
            raise ConfigError(
                [f"user and password belong into {USER_VARIABLE} and {PASSWORD_VARIABLE}, not "
                 f"into the address of the PACS"]
            )  # fmt: skip
        self._qido = QidoClient(url, credentials or credentials_from(os.environ))
        self._paths = WorkspacePaths(workspace.resolve())
        self._watch = ArchiveWatch()
        self._one_at_a_time = threading.Lock()
        self._fetching = _KeyedLocks()
        self._counts_seen: dict[str, tuple[Any, ...]] = {}
        self._scanned = False

    def scan(self, store: Store, progress: ScanProgress | None = None) -> ScanSummary:
        """Look for instances that are new or gone; progress counts studies.

        Raises:
            PacsError: If the PACS is down or answers nonsense; what was found until then is kept,
                and nothing is marked as gone.
            StoreError: If something cannot be written.
        """
        with self._one_at_a_time, self._watch.asking():
            scan = Scan(store, "dicomweb")
            scan.expect_claims((), scan.known)
            there: set[str] = set()
            unchanged: set[str] = set()
            studies = self._qido.studies()
            for done, study in enumerate(studies):
                if progress is not None:
                    progress(done, len(studies))
                uid = study.study_instance_uid
                if study.counts is not None and study.counts == self._counts_seen.get(uid):
                    unchanged.add(uid)
                    continue
                there.update(self._look_into(scan, uid))
                if study.counts is not None:
                    self._counts_seen[uid] = study.counts
            if progress is not None:
                progress(len(studies), len(studies))
            there.update(key for key in scan.known if _study_of(key) in unchanged)
            scan.keep_refusals(lambda locator: _study_of(locator) in unchanged)
            summary = scan.finish(scan.known.keys() - there)
            if any(refusal.code == DUPLICATE for refusal in summary.refused):
                # An instance that moved to another study is free only now that the old has gone.
                self._counts_seen.clear()
            self._scanned = True
        return summary

    def path_of(self, record: ImageRecord) -> Path:
        """File with the pixels of an image, fetched into the workspace the first time.

        Raises:
            NotFoundError: If the image has left the PACS.
            PacsError: If the PACS is down, or sends another image than was asked for.
        """
        if record.source == "upload":
            return inside(self._paths.uploads, record.locator)
        if record.source != "dicomweb" or not record.available:
            raise NotFoundError(f"image {record.image_id!r} has left the PACS (labels are kept)")
        study, series, instance = _triple(record.locator)
        target = self._paths.cache / study / f"{instance}.dcm"
        with self._fetching(instance):
            if not target.is_file():
                address = InstanceAddress(study=study, series=series, instance=instance)
                with self._watch.asking(), told(self._qido.url):
                    fetch(
                        self._qido.session,
                        f"{self._qido.url}/{dicomweb_archive.path_of(address)}",
                        target,
                        timeout_s=TIMEOUT_S,
                    )
                _check_fetched(target, record)
        return target

    def header(self, record: ImageRecord) -> Dataset:
        """What the PACS says of an image now, without pixels; of a cine, of the whole of it.

        Raises:
            NotFoundError: If the image is no DICOM or has left the PACS.
            PacsError: If the PACS cannot be asked.
        """
        if record.source != "dicomweb":
            raise NotFoundError(f"image {record.image_id!r} is not in the PACS")
        study, series, instance = _triple(record.locator)
        with self._watch.asking():
            return dicomweb_archive.header(
                self._qido, InstanceAddress(study=study, series=series, instance=instance)
            )

    def instances(self, study: str, modality: Literal["SEG", "SR", "US"]) -> list[InstanceAddress]:
        """The instances of a modality in a study; empty where there is no such study.

        Raises:
            PacsError: If the PACS cannot be asked.
        """
        with self._watch.asking():
            return dicomweb_archive.instances(self._qido, study, modality)

    def retrieve(self, address: InstanceAddress) -> bytes:
        """One instance as a DICOM file, byte for byte as the PACS keeps it.

        Raises:
            NotFoundError: If there is none.
            PacsError: If the PACS cannot be asked.
        """
        with self._watch.asking():
            return dicomweb_archive.retrieve(self._qido, address, self._paths.cache)

    def store(self, study: str, instances: Sequence[bytes]) -> None:
        """Send DICOM files to a study of the PACS.

        Raises:
            InstanceRefusedError: If the PACS refuses one; trying again is no use.
            PacsError: If the PACS cannot be asked; trying again later is.
        """
        with self._watch.asking():
            dicomweb_archive.store(self._qido, study, instances)

    @property
    def state(self) -> ArchiveState:
        """Whether the PACS answered when it was last asked."""
        return self._watch.state

    def _look_into(self, scan: Scan, study: str) -> set[str]:
        """Locators in a study, after what is new in it was registered."""
        there: set[str] = set()
        try:
            validate_image_id(study)
            for series in self._qido.series(study):
                validate_image_id(series)
                instances = list(self._qido.instances(study, series))
                found = {f"{study}/{series}/{instance}": instance for instance in instances}
                there.update(found)
                new = [
                    instance
                    for locator, instance in found.items()
                    if scan.has_news(locator, _UNCHANGING, trust_refusals=self._scanned)
                ]
                if new:
                    self._register(scan, study, series, new)
        except NotFoundError:
            return there  # deleted since the study was listed
        except InvalidIdError as error:
            scan.refuse([Refusal(locator=f"{study[:64]}/", code="bad_uid", message=str(error))])
        return there

    def _register(self, scan: Scan, study: str, series: str, instances: list[str]) -> None:
        metadata = self._qido.metadata(study, series, instances)
        records: list[ImageRecord] = []
        for instance in instances:
            if instance not in metadata:
                continue
            locator = f"{study}/{series}/{instance}"
            try:
                header = read_metadata(metadata[instance])
                if header.identity.sop_instance_uid != instance:
                    raise ImageReadError("bad_uid", "the PACS describes another instance")
                scan.claim(instance, locator)
            except ImageReadError as error:
                refusal = Refusal(locator=locator, code=error.code, message=str(error))
                scan.refuse([refusal])
                continue
            records.extend(records_of(header, FoundFile(locator, *_UNCHANGING), source="dicomweb"))
        scan.register(records, replacing=[])


class _KeyedLocks:
    """One lock a name, kept only while somebody holds or awaits it."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._locks: dict[str, tuple[threading.Lock, int]] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        with self._guard:
            lock, users = self._locks.get(name, (threading.Lock(), 0))
            self._locks[name] = (lock, users + 1)
        try:
            with lock:
                yield
        finally:
            with self._guard:
                lock, users = self._locks.pop(name)
                if users > 1:
                    self._locks[name] = (lock, users - 1)


def _study_of(locator: str) -> str:
    return locator.partition("/")[0]


def _triple(locator: str) -> tuple[str, str, str]:
    try:
        study, series, instance = map(validate_image_id, locator.split("/"))
    except (InvalidIdError, ValueError) as error:
        raise NotFoundError(f"not an instance of a PACS: {locator!r}") from error
    return study, series, instance


def _check_fetched(path: Path, record: ImageRecord) -> None:
    try:
        same = is_same_image(read_header(path), record)
    except ImageReadError:
        return  # kept: whoever reads it gets the code
    if not same:
        path.unlink()
        raise PacsError(f"the PACS sent another image than {record.image_id!r}")
