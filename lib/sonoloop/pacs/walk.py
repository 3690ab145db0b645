"""The files of a study folder that may be images or tables of annotations.

Left out, because they are no images to annotate:

* hidden files and folders, and ``._*`` side files of macOS;
* a folder ``masks`` beside an ``annotations.csv``;
* ``<name>_mask.<suffix>`` and ``<name>_mask_<n>.<suffix>`` beside an image ``<name>.<suffix>``, as
  the BUSI data set lays its masks (importing such a set registers them, serving it does not);
* links: one that stays in the folder names a file that is found anyway, one that leaves it is
  told as a refusal;
* names that are no UTF-8, told as a refusal too.
"""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sonoloop.datasets.sidecar import SIDECAR
from sonoloop.errors import PacsError
from sonoloop.store.records import Refusal

_MASK_STEM: Final = re.compile(r"(?P<image>.+)_mask(_\d+)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file under the root.

    Attributes:
        locator: Path relative to the root, posix.
        mtime_ns: Modification time, ns since the epoch.
    """

    locator: str
    size: int
    mtime_ns: int


@dataclass(slots=True)
class Found:
    """Everything one walk found, in a stable order."""

    files: list[FoundFile] = field(default_factory=list)
    sidecars: list[FoundFile] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)


def walk(root: Path, *, leave_out: Path) -> Found:
    """Files under ``root`` (resolved), without the folder ``leave_out``.

    A folder below it that may not be listed is told as a refusal.

    Raises:
        PacsError: If ``root`` itself cannot be listed.
    """
    found = Found()
    pending = [""]
    while pending:
        folder = pending.pop()
        if root / folder == leave_out:
            continue
        try:
            with os.scandir(root / folder) as listing:
                listed = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            if not folder:
                raise PacsError(
                    f"the study folder cannot be listed: {root}: {error.strerror} "
                    f"(is its disk mounted?)"
                ) from error
            found.refused.append(_refusal(folder, "unreadable", str(error.strerror)))
            continue
        entries = [entry for entry in listed if _has_text_name(entry, folder, found)]
        names = {entry.name for entry in entries}
        folders = [f"{folder}{e.name}/" for e in entries if _is_study_folder(e, names)]
        pending.extend(reversed(folders))
        for entry in entries:
            _look_at(entry, f"{folder}{entry.name}", names, root, found)
    return found


def _refusal(locator: str, code: str, message: str) -> Refusal:
    return Refusal(locator=locator, code=code, message=f"{code}: {message}")


def _has_text_name(entry: "os.DirEntry[str]", folder: str, found: Found) -> bool:
    try:
        entry.name.encode()
    except UnicodeEncodeError:
        shown = entry.name.encode("utf-8", "backslashreplace").decode()
        found.refused.append(
            _refusal(f"{folder}{shown}", "file_name", "the name is no UTF-8 (rename it)")
        )
        return False
    return True


def _is_study_folder(entry: "os.DirEntry[str]", names: set[str]) -> bool:
    if entry.name.startswith(".") or not entry.is_dir(follow_symlinks=False):
        return False
    return not (entry.name == "masks" and SIDECAR in names)


def _look_at(
    entry: "os.DirEntry[str]", locator: str, names: set[str], root: Path, found: Found
) -> None:
    if entry.name.startswith("."):
        return
    if entry.is_symlink():
        if not Path(entry.path).resolve().is_relative_to(root):
            message = "link leaves the study folder (copy the file, or serve the other folder)"
            found.refused.append(_refusal(locator, "outside", message))
        return
    if not entry.is_file(follow_symlinks=False) or _is_mask(entry.name, names):
        return
    try:
        stat = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return  # gone since the folder was listed: as good as never there
    file = FoundFile(locator, stat.st_size, stat.st_mtime_ns)
    (found.sidecars if entry.name == SIDECAR else found.files).append(file)


def _is_mask(name: str, names: set[str]) -> bool:
    stem, dot, suffix = name.rpartition(".")
    match = _MASK_STEM.fullmatch(stem)
    return match is not None and f"{match['image']}{dot}{suffix}" in names
