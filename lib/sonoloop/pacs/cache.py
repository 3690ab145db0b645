"""Images fetched from a PACS, kept without identity and not without end.

A file lies at ``<study>/<instance>.dcm``. What has not been asked for in a while goes first when
the folder outgrows its limit; it is fetched again when somebody wants it.
"""

import logging
import os
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sonoloop.errors import ImageReadError, StoreError
from sonoloop.imaging.anonymous import is_anonymous, write_anonymous
from sonoloop.store.files import sync_folder

logger = logging.getLogger(__name__)

DEFAULT_LIMIT_MB: Final = 20 * 1024
DEFAULT_LIMIT_BYTES: Final = DEFAULT_LIMIT_MB * 2**20
SPARED_S: Final = 3600.0
"""What was asked for within this time stays, however full the folder is: a training in another
process may be about to read it."""
FILL_AFTER: Final = 0.9
"""A folder that outgrew its limit is brought down to this share of it."""

ARRIVING: Final = ".arriving"
"""Folder of files as the PACS sent them, for the moments until they are rebuilt."""


@dataclass(frozen=True, slots=True)
class _Kept:
    path: Path
    size: int
    asked_at: float


class ImageCache:
    """The fetched images of one workspace; several processes may use it.

    Args:
        folder: Made when needed.
        limit_bytes: Size above which files are removed.
        clock: Seconds since the epoch, for tests.
    """

    def __init__(
        self,
        folder: Path,
        limit_bytes: int = DEFAULT_LIMIT_BYTES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._folder, self._limit, self._clock = folder, limit_bytes, clock
        self._fetching = _KeyedLocks()
        self._has_looked = False

    @property
    def arriving(self) -> Path:
        """Folder for files with identity; empty but for the moment of an arrival.

        Raises:
            StoreError: If it cannot be made.
        """
        folder = self._folder / ARRIVING
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise _unwritable(folder, error) from error
        return folder

    def get(self, study: str, instance: str, fetch: Callable[[Path], None]) -> Path:
        """File of an instance, rebuilt without identity.

        Args:
            study: UID of its study.
            instance: Its SOPInstanceUID.
            fetch: Puts the instance as the PACS has it into a file; called when it is not here.

        Raises:
            ImageReadError: If the PACS has no ultrasound image there that can be read.
            StoreError: If the file cannot be written.
        """
        target = self._folder / study / f"{instance}.dcm"
        with self._fetching(instance):
            if not is_anonymous(target):
                arrived = self.arriving / f"{secrets.token_hex(8)}.dcm"
                try:
                    fetch(arrived)
                    self._rebuild(arrived, target)
                finally:
                    arrived.unlink(missing_ok=True)
            self._ask_for(target)
        return target

    def tidy(self) -> None:
        """Rebuild what an earlier version kept with identity, and make room.

        Only the server does this: whoever reads along fetches what it misses.

        Raises:
            StoreError: If the folder cannot be read or written.
        """
        try:
            self._clear_arriving()
            if not self._has_looked:
                for kept in self._files():
                    if not is_anonymous(kept.path):
                        self._migrate(kept.path)
                self._has_looked = True
            self._make_room()
        except OSError as error:
            raise _unwritable(self._folder, error) from error

    def _rebuild(self, source: Path, target: Path) -> None:
        rebuilt = self.arriving / f"{secrets.token_hex(8)}.part"
        try:
            write_anonymous(source, rebuilt)
            target.parent.mkdir(parents=True, exist_ok=True)
            rebuilt.replace(target)
            sync_folder(target.parent)
        except ImageReadError:
            raise
        except OSError as error:
            raise _unwritable(target, error) from error
        finally:
            rebuilt.unlink(missing_ok=True)

    def _migrate(self, path: Path) -> None:
        try:
            self._rebuild(path, path)
        except ImageReadError:
            path.unlink(missing_ok=True)  # nobody can use it, and who it is of stands in it
        logger.info("took the identity out of a fetched image")

    def _clear_arriving(self) -> None:
        """Remove what died on the way with its process, yet not what another process awaits."""
        for path in self.arriving.iterdir():
            if self._clock() - path.stat().st_mtime <= SPARED_S:
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def _make_room(self) -> None:
        files = sorted(self._files(), key=lambda kept: kept.asked_at)
        held = sum(kept.size for kept in files)
        if held <= self._limit:
            return
        removed = 0
        for kept in files:
            if held <= self._limit * FILL_AFTER or self._clock() - kept.asked_at < SPARED_S:
                break
            kept.path.unlink(missing_ok=True)
            held, removed = held - kept.size, removed + 1
        logger.info("removed %s fetched images, %s MB are left", removed, held >> 20)

    def _files(self) -> Iterator[_Kept]:
        for path in self._folder.glob("*/*.dcm"):
            if path.parent.name != ARRIVING:
                try:
                    stat = path.stat()
                except FileNotFoundError:
                    continue
                yield _Kept(path, stat.st_size, stat.st_atime)

    def _ask_for(self, path: Path) -> None:
        """Note the time by hand: file systems keep it badly or not at all."""
        try:
            os.utime(path, (self._clock(), path.stat().st_mtime))
        except OSError as error:
            raise _unwritable(path, error) from error


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


def _unwritable(target: Path, error: OSError) -> StoreError:
    return StoreError(
        f"cannot write {target}: {error.strerror} (is the disk of the workspace full?)"
    )
