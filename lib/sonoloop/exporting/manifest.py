"""The table of contents of an archive, and the rules by which an archive is trusted."""

import json
import stat
import zipfile
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final, Literal, TypeAlias, get_args

from sonoloop.errors import ArchiveError

FORMAT: Final = "sonoloop-archive"
VERSION: Final = 1
MANIFEST: Final = "manifest.json"
MAX_MANIFEST_BYTES: Final = 256 * 2**20
"""About a million entries."""

TABLES: Final = "tables"
LABELS: Final = "labels"
MODELS: Final = "models"
IMAGES: Final = "images"
ROOTS: Final = (TABLES, LABELS, MODELS, IMAGES)

Pictures: TypeAlias = Literal["none", "copy"]
"""Whether pictures travel along, or only where they lay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file of an archive.

    Attributes:
        path: Posix, relative, below one of :data:`ROOTS`.
    """

    path: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What an archive holds.

    Attributes:
        schema: Of the tables, as the store counts them.
        images: Whether the pictures came along.
        rows: Rows of every table.
        entries: Every other file, by path.
        missing: Locators (``<source>/<locator>``) of pictures that were to be copied and were
            not there.
    """

    schema: str
    images: Pictures
    rows: dict[str, int]
    entries: dict[str, Entry]
    missing: tuple[str, ...] = ()

    def as_bytes(self) -> bytes:
        """The manifest as it lies in the archive; the same bytes for the same content."""
        value = {
            "format": FORMAT,
            "version": VERSION,
            "schema": self.schema,
            "images": self.images,
            "rows": self.rows,
            "missing": list(self.missing),
            "entries": {
                entry.path: {"sha256": entry.sha256, "bytes": entry.size}
                for entry in self.entries.values()
            },
        }
        return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False).encode()


def parse_manifest(data: bytes) -> Manifest:
    """The manifest in ``data``.

    Raises:
        ArchiveError: If it is none, or of another version of the format.
    """
    try:
        value = json.loads(data)
        if value["format"] != FORMAT or value["version"] != VERSION:
            raise ArchiveError(
                f"the archive is of format {value['format']!r}, version {value['version']!r} "
                f"(this program reads {FORMAT!r}, version {VERSION})"
            )
        if value["images"] not in get_args(Pictures):
            raise ValueError(f"images: {value['images']!r}")
        return Manifest(
            schema=str(value["schema"]),
            images=value["images"],
            rows={str(name): int(count) for name, count in value["rows"].items()},
            entries={path: _entry(path, told) for path, told in value["entries"].items()},
            missing=tuple(map(str, value["missing"])),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ArchiveError(f"the archive's {MANIFEST} is damaged: {error!r:.200}") from error


def _entry(path: str, told: dict[str, Any]) -> Entry:
    return Entry(path=checked_path(path), sha256=str(told["sha256"]), size=int(told["bytes"]))


def checked_path(path: str) -> str:
    """``path`` itself, when it stays in the folder it is unpacked in.

    Raises:
        ArchiveError: If it is absolute, leaves the folder, is no plain posix path, or lies below
            none of :data:`ROOTS`.
    """
    parts = path.split("/")
    plain = "\\" not in path and "\0" not in path and all(parts) and ":" not in parts[0]
    if not plain or {".", ".."} & set(parts) or parts[0] not in ROOTS or len(parts) < 2:
        raise ArchiveError(
            f"the archive holds a file with the name {path!r:.120} (it was not made by this "
            f"program, or was tampered with)"
        )
    return str(PurePosixPath(path))


def read_manifest(archive: zipfile.ZipFile) -> Manifest:
    """The manifest of an archive whose files are those it names, each of the size it names.

    Nothing is unpacked but the manifest itself.

    Raises:
        ArchiveError: If there is none, it is damaged, or the archive holds other files, links,
            a file twice, or files of other sizes.
    """
    infos = {info.filename: info for info in archive.infolist()}
    if MANIFEST not in infos:
        raise ArchiveError(f"the file holds no {MANIFEST} (it is no archive of a workspace)")
    if len(infos) != len(archive.infolist()):
        raise ArchiveError("the archive holds a file twice (it was tampered with)")
    if infos[MANIFEST].file_size > MAX_MANIFEST_BYTES:
        raise ArchiveError(f"the archive's {MANIFEST} exceeds {MAX_MANIFEST_BYTES} bytes")
    with archive.open(MANIFEST) as file:
        manifest = parse_manifest(file.read(MAX_MANIFEST_BYTES))
    different = sorted(infos.keys() ^ (manifest.entries.keys() | {MANIFEST}))
    if different:
        raise ArchiveError(
            f"the archive and its {MANIFEST} disagree on {len(different)} files, such as "
            f"{different[0]!r:.120} (it is incomplete, or was tampered with)"
        )
    for path, entry in manifest.entries.items():
        _check_info(infos[path], entry)
    return manifest


def _check_info(info: zipfile.ZipInfo, entry: Entry) -> None:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if info.is_dir() or kind not in (0, stat.S_IFREG) or info.flag_bits & 1:
        raise ArchiveError(f"{entry.path!r:.120} in the archive is no plain file")
    if info.file_size != entry.size:
        raise ArchiveError(
            f"{entry.path!r:.120} in the archive has {info.file_size} bytes, its manifest says "
            f"{entry.size} (the archive was damaged or tampered with)"
        )
