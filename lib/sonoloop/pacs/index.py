"""Which DICOM instance of a folder lies where, and what is asked about it.

A SQLite file of its own, which can be deleted at any time: it is made anew from the files. The
store knows images alone; studies also hold reports and segmentations, and a worklist asks for
names and descriptions that the store has no use for.
"""

import contextlib
import json
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydicom import Dataset
from pydicom.datadict import tag_for_keyword

from sonoloop.errors import ImageReadError, StoreError
from sonoloop.pacs.attributes import address_of, as_json, read_attributes
from sonoloop.pacs.port import InstanceAddress
from sonoloop.pacs.walk import FoundFile

VERSION: Final = 1
"""Of the tables; an index of another version is made anew."""

FILES_A_BATCH: Final = 200
BUSY_S: Final = 30.0

STUDY_KEYWORDS: Final = (
    "StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName", "StudyDescription",
    "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex",
    "StudyInstanceUID", "StudyID",
)  # fmt: skip
SERIES_KEYWORDS: Final = (
    "Modality", "SeriesDate", "SeriesTime", "SeriesDescription", "BodyPartExamined", "Laterality",
    "StationName", "ProtocolName", "SeriesInstanceUID", "SeriesNumber",
    "PerformedProcedureStepStartDate", "PerformedProcedureStepStartTime",
)  # fmt: skip
INSTANCE_KEYWORDS: Final = (
    "SOPClassUID", "SOPInstanceUID", "InstanceNumber", "Rows", "Columns", "BitsAllocated",
    "NumberOfFrames", "AcquisitionDateTime", "ContentDate", "ContentTime", "ImageType",
)  # fmt: skip
"""What is kept of each level, and can be asked for (PS3.18 10.6.1.2 and more)."""

_SCHEMA: Final = """
CREATE TABLE files (locator TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL)
    WITHOUT ROWID;
CREATE TABLE studies (study TEXT PRIMARY KEY, attributes TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE series (series TEXT NOT NULL, study TEXT NOT NULL, modality TEXT NOT NULL,
    attributes TEXT NOT NULL, PRIMARY KEY (study, series)) WITHOUT ROWID;
CREATE TABLE instances (instance TEXT PRIMARY KEY, series TEXT NOT NULL, study TEXT NOT NULL,
    locator TEXT NOT NULL, attributes TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX instances_by_series ON instances (study, series);
CREATE INDEX instances_by_locator ON instances (locator);
"""


@dataclass(frozen=True, slots=True)
class _Entry:
    address: InstanceAddress
    modality: str
    attributes: tuple[str, str, str]
    """JSON of study, series and instance."""


class InstanceIndex:
    """The DICOM instances of a folder; usable from many threads and processes.

    Args:
        path: The SQLite file; made when first used, and anew when somebody deletes it.

    Attributes:
        followed: Whether :meth:`refresh` was done since the file was opened or made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writing = threading.Lock()
        self._ready = False
        self.followed = False

    @contextlib.contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """A connection for one question; what it changes is kept when the block ends well.

        Raises:
            StoreError: If the file cannot be used.
        """
        try:
            with contextlib.closing(self._connect()) as connection, connection:
                yield connection
        except (sqlite3.Error, OSError) as error:
            raise StoreError(
                f"the index of DICOM instances {self._path.name} cannot be used: {error} "
                f"(delete it, it is made anew)"
            ) from error

    def refresh(
        self,
        files: Iterable[FoundFile],
        path_of: Callable[[str], Path],
        *,
        stays: Callable[[str], bool],
    ) -> int:
        """Bring the index up to date with the files there are.

        Args:
            files: Those that were found; those that are no DICOM are remembered as such.
            path_of: Where the file of a locator lies.
            stays: Whether a file that was not found is there all the same, by its locator: what
                was added since somebody looked must not be forgotten.

        Returns:
            How many files were read.
        """
        with self._writing:
            there = {file.locator: file for file in files}
            known = self._states()
            missing = (locator for locator in known if locator not in there)
            self._forget([locator for locator in missing if not stays(locator)])
            changed = [
                file
                for file in there.values()
                if known.get(file.locator) != (file.size, file.mtime_ns)
            ]
            for start in range(0, len(changed), FILES_A_BATCH):
                batch = changed[start : start + FILES_A_BATCH]
                read = [(file, _read(path_of(file.locator))) for file in batch]
                with self.connection() as connection:
                    for file, entry in read:
                        _replace(connection, file, entry)
            self.followed = True
            return len(changed)

    def add(self, file: FoundFile, dataset: Dataset) -> None:
        """Enter a file that has just been written.

        Raises:
            ImageReadError: If a UID of it is none.
        """
        with self._writing, self.connection() as connection:
            _replace(connection, file, _entry(dataset))

    def find(self, instance: str) -> tuple[InstanceAddress, str] | None:
        """Address and locator of an instance, or None."""
        query = "SELECT study, series, instance, locator FROM instances WHERE instance = ?"
        with self.connection() as connection:
            row = connection.execute(query, (instance,)).fetchone()
        if row is None:
            return None
        study, series, found, locator = row
        return InstanceAddress(study=study, series=series, instance=found), locator

    def addresses(
        self, study: str, *, series: str | None = None, modality: str | None = None
    ) -> list[tuple[InstanceAddress, str]]:
        """Address and locator of the instances of a study, those of a series by their number.

        Viewers take the last instance of a segmentation's series for the one that holds.
        """
        query = (
            "SELECT i.study, i.series, i.instance, i.locator FROM instances i "  # noqa: S608
            "JOIN series s USING (study, series) WHERE i.study = ?1 "
            "AND (?2 IS NULL OR i.series = ?2) AND (?3 IS NULL OR s.modality = ?3) "
            f"ORDER BY i.series, {number_of('i', '00200013')}, i.instance"
        )
        with self.connection() as connection:
            rows = connection.execute(query, (study, series, modality)).fetchall()
        return [
            (InstanceAddress(study=study, series=of, instance=instance), locator)
            for study, of, instance, locator in rows
        ]

    def _states(self) -> dict[str, tuple[int, int]]:
        with self.connection() as connection:
            rows = connection.execute("SELECT locator, size, mtime_ns FROM files").fetchall()
        return {locator: (size, mtime_ns) for locator, size, mtime_ns in rows}

    def _forget(self, locators: Sequence[str]) -> None:
        if locators:
            with self.connection() as connection:
                for locator in locators:
                    _remove(connection, locator)
                _sweep(connection)

    def _connect(self) -> sqlite3.Connection:
        if not (self._ready and self._path.exists()):
            self.followed = False
            self._make()
            self._ready = True
        return sqlite3.connect(self._path, timeout=BUSY_S)

    def _make(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.closing(sqlite3.connect(self._path, timeout=BUSY_S)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("BEGIN IMMEDIATE")
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version != VERSION:
                for table in ("files", "studies", "series", "instances"):
                    connection.execute(f"DROP TABLE IF EXISTS {table}")
                for statement in _SCHEMA.split(";"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {VERSION}")
            connection.commit()
        self._path.chmod(0o600)  # names of patients are in it


def number_of(table: str, tag: str) -> str:
    """SQL for a number that a row of a table tells, such as InstanceNumber; NULL where none.

    Example:
        >>> print(number_of("series", "00200011"))
        json_extract(series.attributes, '$."00200011".Value[0]')
    """
    return f"""json_extract({table}.attributes, '$."{tag}".Value[0]')"""


def _read(path: Path) -> _Entry | None:
    try:
        keywords = (*STUDY_KEYWORDS, *SERIES_KEYWORDS, *INSTANCE_KEYWORDS)
        return _entry(read_attributes(path, keywords=keywords))
    except ImageReadError:
        return None


def _entry(dataset: Dataset) -> _Entry:
    address = address_of(dataset)
    told = as_json(dataset)
    levels = (STUDY_KEYWORDS, SERIES_KEYWORDS, INSTANCE_KEYWORDS)
    study, series, instance = (json.dumps(_chosen(told, level)) for level in levels)
    modality = told.get("00080060", {}).get("Value") or [""]
    return _Entry(address, str(modality[0]), (study, series, instance))


def _chosen(attributes: Mapping[str, Any], keywords: Sequence[str]) -> dict[str, Any]:
    tags = sorted(f"{tag_for_keyword(keyword) or 0:08X}" for keyword in keywords)
    return {tag: attributes[tag] for tag in tags if tag in attributes}


def _replace(connection: sqlite3.Connection, file: FoundFile, entry: _Entry | None) -> None:
    _remove(connection, file.locator)
    if entry is not None:
        at = entry.address
        study, series, instance = entry.attributes
        taken = connection.execute(
            "INSERT OR IGNORE INTO instances VALUES (?, ?, ?, ?, ?)",
            (at.instance, at.series, at.study, file.locator, instance),
        ).rowcount
        if not taken:
            return  # another file has this instance; looked at again until that one goes
        connection.execute(
            "INSERT OR REPLACE INTO series VALUES (?, ?, ?, ?)",
            (at.series, at.study, entry.modality, series),
        )
        connection.execute("INSERT OR REPLACE INTO studies VALUES (?, ?)", (at.study, study))
    connection.execute(
        "INSERT INTO files VALUES (?, ?, ?)", (file.locator, file.size, file.mtime_ns)
    )


def _remove(connection: sqlite3.Connection, locator: str) -> None:
    connection.execute("DELETE FROM files WHERE locator = ?", (locator,))
    connection.execute("DELETE FROM instances WHERE locator = ?", (locator,))


def _sweep(connection: sqlite3.Connection) -> None:
    """Drop series and studies that have no instance left."""
    connection.execute(
        "DELETE FROM series WHERE NOT EXISTS (SELECT 1 FROM instances i "
        "WHERE i.study = series.study AND i.series = series.series)"
    )
    connection.execute(
        "DELETE FROM studies WHERE NOT EXISTS "
        "(SELECT 1 FROM instances i WHERE i.study = studies.study)"
    )
