"""Sessions: an image a client sends to have it analysed, without it entering the store.

``<workspace>/sessions/<uuid>/`` holds the image and ``session.json``; it is removed when nobody has
touched it for its expiry.
"""

import dataclasses
import json
import logging
import os
import shutil
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sonoloop.errors import InvalidIdError, InvalidRequestError, NotFoundError
from sonoloop.geometry import SpacingMm
from sonoloop.imaging.image import UltrasoundImage
from sonoloop.imaging.read import read_image
from sonoloop.imaging.vocabulary import FLAGS, Flag
from sonoloop.service.incoming import receive_image
from sonoloop.store.files import disk_told

logger = logging.getLogger(__name__)

META: Final = "session.json"
REMOVALS: Final = 3
"""A file that was being made when its folder was put aside makes the first one fail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One session.

    Attributes:
        image: Name of the file inside the session's folder.
        expiry: Seconds it lives without being touched.
        created, touched: Seconds since the epoch.
        spacing_mm: (row, column) as the image or the volume it was sent in tells, else None.
        rows, columns: Of every frame, in pixels; 0 for sessions of an older program.
        frame_count: Frames of a cine; otherwise 1.
        flags: What a reader should know of the image.
    """

    session_id: str
    image: str
    created: float
    touched: float
    expiry: int
    spacing_mm: SpacingMm | None = None
    rows: int = 0
    columns: int = 0
    frame_count: int = 1
    flags: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The session as clients know it; the server's paths are none of their business."""
        meta = {
            "rows": self.rows,
            "columns": self.columns,
            "frame_count": self.frame_count,
            "spacing_mm": None if self.spacing_mm is None else list(self.spacing_mm),
            "flags": list(self.flags),
            "notes": [FLAGS[Flag(flag)] for flag in self.flags],
        }
        return {
            "name": self.session_id,
            "path": "",
            "image": self.image,
            "meta": meta,
            "create_ts": int(self.created),
            "last_access_ts": int(self.touched),
            "expiry": self.expiry,
        }


class Sessions:
    """The sessions of one workspace."""

    def __init__(self, folder: Path, *, max_expiry_s: int) -> None:
        self._folder = folder
        self._max_expiry_s = max_expiry_s

    def create(self, data: bytes, filename: str, *, expiry_s: int = 0) -> Session:
        """A new session holding one image.

        Args:
            data: The file.
            filename: As the client calls it.
            expiry_s: Seconds it lives untouched, at most the server's limit; 0 is that limit.

        Raises:
            ImageReadError: If the file is not an image this server can read.
            InvalidRequestError: If ``expiry_s`` is negative.
            StoreError: If it cannot be written, for instance because the disk is full.
        """
        if expiry_s < 0:
            raise InvalidRequestError(f"expiry must be at least 0 seconds, got {expiry_s}")
        session_id = str(uuid.uuid4())
        building = self._folder / f".{session_id}"
        with disk_told(self._folder):
            building.mkdir()
            try:
                received = receive_image(data, filename, building, stem="image")
                now = time.time()
                session = Session(
                    session_id=session_id,
                    image=received.path.name,
                    created=now,
                    touched=now,
                    expiry=min(expiry_s or self._max_expiry_s, self._max_expiry_s),
                    spacing_mm=received.spacing_mm,
                    rows=received.header.rows,
                    columns=received.header.columns,
                    frame_count=received.header.frame_count,
                    flags=received.image.flags,
                )
                _write(building, session)
                building.rename(self._folder / session_id)
            finally:
                shutil.rmtree(building, ignore_errors=True)
        return session

    def get(self, session_id: str, *, touch: bool = False) -> Session:
        """The session of that id.

        Raises:
            InvalidIdError: If ``session_id`` is no session id.
            NotFoundError: If there is no such session, or it has expired.
            StoreError: If it cannot be touched, for instance because the disk is full.
        """
        folder = self._folder_of(session_id)
        session = _read(folder)
        if session is None or _has_expired(session):
            raise _unknown(session_id)
        if touch:
            session = dataclasses.replace(session, touched=time.time())
            with disk_told(folder):
                try:
                    _write(folder, session)
                except FileNotFoundError as error:  # removed meanwhile
                    raise _unknown(session_id) from error
        return session

    def path(self, session: Session) -> Path:
        """The image file of a session."""
        return self._folder / session.session_id / session.image

    def load(self, session: Session, *, frame: int = 0) -> UltrasoundImage:
        """The picture of a session; of a cine one frame, from 0.

        Raises:
            ImageReadError: If it has no such frame or cannot be read any more.
        """
        image = read_image(self.path(session), frame=frame)
        if image.spacing_mm is None and session.spacing_mm is not None:
            return dataclasses.replace(image, spacing_mm=session.spacing_mm)
        return image

    def remove(self, session_id: str) -> Session:
        """Forget a session; returns what it was.

        Raises:
            InvalidIdError: If ``session_id`` is no session id.
            NotFoundError: If there is no such session.
            StoreError: If it cannot be removed.
        """
        session = self.get(session_id)
        if not _discard(self._folder_of(session_id)):
            raise _unknown(session_id)
        return session

    def remove_expired(self) -> int:
        """Remove what nobody touched for too long; how many there were."""
        removed = 0
        for folder in self._folder.iterdir():
            session = _read(folder)
            stale = _has_expired(session) if session else self._is_abandoned(folder)
            if stale and _discard(folder):
                removed += 1
        if removed:
            logger.info("removed %s expired sessions", removed)
        return removed

    def _is_abandoned(self, folder: Path) -> bool:
        """True for what a dead process left half built."""
        try:
            return time.time() - folder.stat().st_mtime > self._max_expiry_s
        except FileNotFoundError:
            return False

    def _folder_of(self, session_id: str) -> Path:
        try:
            canonical: str | None = str(uuid.UUID(session_id))
        except ValueError:
            canonical = None
        if canonical is None or canonical != session_id:
            raise InvalidIdError(f"not a session id: {session_id!r:.80} (a UUID)")
        return self._folder / canonical


def _unknown(session_id: str) -> NotFoundError:
    return NotFoundError(f"unknown or expired session {session_id}")


def _discard(folder: Path) -> bool:
    """Remove a folder, out of sight first: nobody writes into it any more; False if it is gone."""
    aside = folder.with_name(f".{uuid.uuid4()}")
    with disk_told(folder):
        try:
            folder.rename(aside)
        except FileNotFoundError:
            return False
    for _ in range(REMOVALS):
        shutil.rmtree(aside, ignore_errors=True)
        if not aside.exists():
            break
    return True


def _has_expired(session: Session) -> bool:
    return time.time() - session.touched > session.expiry


def _write(folder: Path, session: Session) -> None:
    part = folder / f".{META}.{uuid.uuid4().hex}"
    part.write_text(json.dumps(dataclasses.asdict(session)))
    os.replace(part, folder / META)


def _read(folder: Path) -> Session | None:
    """The session in a folder; None where there is none that this program could have written."""
    try:
        values = json.loads((folder / META).read_text())
        spacing, flags = values.pop("spacing_mm", None), values.pop("flags", ())
        session = Session(
            **values, spacing_mm=tuple(spacing) if spacing else None, flags=tuple(map(Flag, flags))
        )
        return dataclasses.replace(
            session, touched=float(session.touched), expiry=int(session.expiry)
        )
    except (OSError, ValueError, OverflowError, TypeError, AttributeError):
        return None
