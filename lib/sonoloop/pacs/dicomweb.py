"""Studies in a PACS that speaks DICOMweb."""

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from sonoloop.pacs.asking import StudyListing, list_studies
from sonoloop.pacs.cache import DEFAULT_LIMIT_BYTES, ImageCache
from sonoloop.pacs.identify import is_same_image, records_of
from sonoloop.pacs.inside import inside
from sonoloop.pacs.orthanc import OrthancFeed
from sonoloop.pacs.port import ArchiveState, InstanceAddress, ScanProgress, ScanSummary
from sonoloop.pacs.qido import TIMEOUT_S, Credentials, QidoClient, told
from sonoloop.pacs.scanning import DUPLICATE, Scan
from sonoloop.pacs.unfinished import Unfinished
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

    A study is looked into again when its number of series or instances changes, when it could not
    be looked into to the end, and once by every new source object. The locator of an image is
    ``<study>/<series>/<instance>``. What is fetched is kept without identity; documents are built
    on :meth:`header`, which asks the PACS.

    Attributes:
        credentials: Sent with every question; None where the PACS asks for none.
        watch: Whether the PACS answers.
    """

    def __init__(
        self,
        url: str,
        workspace: Path,
        *,
        credentials: Credentials | None = None,
        cache_limit_bytes: int = DEFAULT_LIMIT_BYTES,
    ) -> None:
        if urlsplit(url).username is not None:
            raise ConfigError(
                [f"user and password belong into {USER_VARIABLE} and {PASSWORD_VARIABLE}, not "
                 f"into the address of the PACS"]
            )  # fmt: skip
        self.credentials = credentials or credentials_from(os.environ)
        self._qido = QidoClient(url, self.credentials)
        self._paths = WorkspacePaths(workspace.resolve())
        self.watch = ArchiveWatch()
        self._one_at_a_time = threading.Lock()
        self._cache = ImageCache(self._paths.cache, cache_limit_bytes)
        self._feed: OrthancFeed | None = None
        self._counts_seen: dict[str, tuple[Any, ...]] = {}
        self._unfinished = Unfinished()
        self._scanned = False

    def scan(self, store: Store, progress: ScanProgress | None = None) -> ScanSummary:
        """Look for instances that are new or gone; progress counts studies.

        Raises:
            PacsError: If the PACS is down or answers nonsense, or fails with every study; what was
                found until then is kept, and nothing is marked as gone. Where it fails with some
                studies, these are refused, and what is known of them stays.
            StoreError: If something cannot be written.
        """
        with self._one_at_a_time, self.watch.asking():
            if self._feed is None:
                self._feed = OrthancFeed.found(self._qido)
            if self._feed is not None:
                self._feed.follow_from_now()
            summary = self._scan_all(store, progress)
            self._scanned = True
        self._cache.tidy()
        return summary

    def _scan_all(self, store: Store, progress: ScanProgress | None) -> ScanSummary:
        scan = Scan(store, "dicomweb")
        scan.expect_claims((), scan.known)
        studies = {study.study_instance_uid: study.counts for study in self._qido.studies()}
        self._counts_seen = {u: seen for u, seen in self._counts_seen.items() if u in studies}
        self._unfinished.keep(studies)
        unchanged = {
            uid
            for uid, counts in studies.items()
            if counts is not None and counts == self._counts_seen.get(uid)
        }
        told, done = progress or _nobody, len(unchanged)
        told(done, len(studies))
        looked: list[StudyListing] = []
        for listing in self._look_into(scan, [uid for uid in studies if uid not in unchanged]):
            looked.append(listing)
            counts = studies[listing.study]
            if counts is not None and listing.extent == "whole":
                self._counts_seen[listing.study] = counts
            done += 1
            told(done, len(studies))
        failures = [listing.failure for listing in looked if listing.failure]
        if failures and len(failures) == len(studies):
            raise failures[0]
        return self._finish(scan, looked, lambda study: study in studies)

    def scan_news(self, store: Store) -> ScanSummary | None:
        """Look into what Orthanc says is new, and into what could not be looked into to the end.

        Returns:
            None when there is neither.

        Raises:
            PacsError: If the PACS is down or answers nonsense.
            StoreError: If something cannot be written.
        """
        if not self._scanned:
            return None
        with self._one_at_a_time:
            again = self._unfinished.due()
            if self._feed is None and not again:
                return None
            with self.watch.asking():
                return self._scan_some(store, again)

    def _scan_some(self, store: Store, again: set[str]) -> ScanSummary | None:
        news = self._feed.studies() if self._feed is not None else set()
        if news is None:
            return self._scan_all(store, None)
        studies = news | again
        if not studies:
            return None
        scan = Scan(store, "dicomweb")
        scan.expect_claims((), scan.known)
        looked = list(self._look_into(scan, sorted(studies)))
        return self._finish(scan, looked, lambda _: True)

    def _finish(
        self, scan: Scan, looked: Sequence[StudyListing], is_there: Callable[[str], bool]
    ) -> ScanSummary:
        """Sum up; what is known of studies that are there and were not listed to the end stays."""
        listed = {listing.study for listing in looked if listing.extent != "cut short"}
        there = {locator for listing in looked for locator in listing.there}

        def stays(locator: str) -> bool:
            study = _study_of(locator)
            return study not in listed and is_there(study)

        scan.keep_refusals(stays)
        summary = scan.finish({key for key in scan.known if not stays(key)} - there)
        if any(refusal.code == DUPLICATE for refusal in summary.refused):
            # An instance that moved to another study is free only now that the old has gone.
            self._counts_seen.clear()
        return summary

    def path_of(self, record: ImageRecord) -> Path:
        """File with the pixels of an image, fetched into the workspace the first time.

        Raises:
            NotFoundError: If the image has left the PACS, or cannot be read as it is there.
            PacsError: If the PACS is down, or sends another image than was asked for.
        """
        if record.source == "upload":
            return inside(self._paths.uploads, record.locator)
        if record.source != "dicomweb" or not record.available:
            raise NotFoundError(f"image {record.image_id!r} has left the PACS (labels are kept)")
        study, series, instance = _triple(record.locator)
        address = InstanceAddress(study=study, series=series, instance=instance)
        try:
            return self._cache.get(
                study, instance, lambda target: self._fetch(address, record, target)
            )
        except ImageReadError as error:
            raise NotFoundError(
                f"the PACS has no readable image as {record.image_id!r}: {error}"
            ) from error

    def _fetch(self, address: InstanceAddress, record: ImageRecord, target: Path) -> None:
        with self.watch.asking(), told(self.url):
            fetch(
                self._qido.session,
                f"{self.url}/{dicomweb_archive.path_of(address)}",
                target,
                timeout_s=TIMEOUT_S,
            )
        if not is_same_image(read_header(target), record):
            raise PacsError(f"the PACS sent another image than {record.image_id!r}")

    def header(self, record: ImageRecord) -> Dataset:
        """What the PACS says of an image now, without pixels; of a cine, of the whole of it.

        Raises:
            NotFoundError: If the image is no DICOM or has left the PACS.
            PacsError: If the PACS cannot be asked.
        """
        if record.source != "dicomweb":
            raise NotFoundError(f"image {record.image_id!r} is not in the PACS")
        study, series, instance = _triple(record.locator)
        with self.watch.asking():
            return dicomweb_archive.header(
                self._qido, InstanceAddress(study=study, series=series, instance=instance)
            )

    def instances(self, study: str, modality: Literal["SEG", "SR", "US"]) -> list[InstanceAddress]:
        """The instances of a modality in a study; empty where there is no such study.

        Raises:
            PacsError: If the PACS cannot be asked.
        """
        with self.watch.asking():
            return dicomweb_archive.instances(self._qido, study, modality)

    def retrieve(self, address: InstanceAddress) -> bytes:
        """One instance as a DICOM file, byte for byte as the PACS keeps it.

        Raises:
            NotFoundError: If there is none.
            PacsError: If the PACS cannot be asked.
            StoreError: If the disk of the workspace is full.
        """
        with self.watch.asking():
            return dicomweb_archive.retrieve(self._qido, address, self._cache.arriving)

    def store(self, study: str, instances: Sequence[bytes]) -> None:
        """Send DICOM files to a study of the PACS.

        Raises:
            InstanceRefusedError: If the PACS refuses one; trying again is no use.
            PacsError: If the PACS cannot be asked; trying again later is.
        """
        with self.watch.asking():
            dicomweb_archive.store(self._qido, study, instances)

    @property
    def url(self) -> str:
        """Address of the DICOMweb service, without a slash at the end."""
        return self._qido.url

    @property
    def is_orthanc(self) -> bool:
        """Whether the PACS is known to be an Orthanc, which has peculiarities."""
        return self._feed is not None

    @property
    def state(self) -> ArchiveState:
        """Whether the PACS answered when it was last asked."""
        return self.watch.state

    def _note(self, listing: StudyListing) -> None:
        if listing.extent in ("undescribed", "cut short"):
            self._unfinished.note(listing.study)
        else:
            self._unfinished.done(listing.study)

    def _look_into(self, scan: Scan, studies: Sequence[str]) -> Iterator[StudyListing]:
        """Each study, after what is new in it was registered."""

        def is_new(locator: str) -> bool:
            return scan.has_news(locator, _UNCHANGING, trust_refusals=self._scanned)

        for listings in list_studies(self._qido, studies, is_new):
            records: list[ImageRecord] = []
            for listing in listings:
                scan.refuse(listing.refused)
                for locator, metadata in listing.new.items():
                    records.extend(_records(scan, locator, metadata))
                listing.new.clear()  # long, and a scan may go through a hundred thousand
                self._note(listing)
            scan.register(records, replacing=[])
            yield from listings


def _records(scan: Scan, locator: str, metadata: Mapping[str, Any]) -> list[ImageRecord]:
    """The images of an instance; none where it is refused."""
    instance = locator.rpartition("/")[2]
    try:
        header = read_metadata(metadata)
        if header.identity.sop_instance_uid != instance:
            raise ImageReadError("bad_uid", "the PACS describes another instance")
        scan.claim(instance, locator)
    except ImageReadError as error:
        scan.refuse([Refusal(locator=locator, code=error.code, message=str(error))])
        return []
    return records_of(header, FoundFile(locator, *_UNCHANGING), source="dicomweb")


def _nobody(_done: int, _total: int) -> None:
    """Is not told how far it is."""


def _study_of(locator: str) -> str:
    return locator.partition("/")[0]


def _triple(locator: str) -> tuple[str, str, str]:
    try:
        study, series, instance = map(validate_image_id, locator.split("/"))
    except (InvalidIdError, ValueError) as error:
        raise NotFoundError(f"not an instance of a PACS: {locator!r}") from error
    return study, series, instance
