"""Files that are either whole and on the disk, or not there."""

import hashlib
import io
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from sonoloop.errors import LabelReadError, SonoloopError, StoreError
from sonoloop.geometry import LabelMap, Mask

LEFTOVER_AGE_S: Final = 3600.0
"""A temporary file older than this belongs to a process that died, not to one at work."""


def encode_png(label_map: LabelMap) -> bytes:
    """The label map as an 8-bit grey PNG; the same bytes for the same map."""
    buffer = io.BytesIO()
    Image.fromarray(label_map).save(buffer, format="PNG", compress_level=6)
    return buffer.getvalue()


def decode_png(data: bytes) -> LabelMap:
    """The (H, W) uint8 label map of :func:`encode_png`."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image, dtype=np.uint8).copy()


def checked_label_map(label_map: LabelMap | Mask, *, shape: tuple[int, int]) -> LabelMap:
    """The label map as contiguous (H, W) uint8, when it fits an image of ``shape``.

    Raises:
        LabelReadError: If its shape or type does not fit.
    """
    if label_map.shape != shape:
        raise LabelReadError(
            f"the label map has shape {label_map.shape}, its image {shape} "
            f"(rows, columns; send the mask on the image's own grid)"
        )
    if label_map.dtype not in (np.uint8, np.bool_):
        raise LabelReadError(f"the label map is {label_map.dtype} (uint8 or bool is wanted)")
    return np.ascontiguousarray(label_map, dtype=np.uint8)


def sha256(data: bytes) -> str:
    """Hex digest of ``data``."""
    return hashlib.sha256(data).hexdigest()


def sha256_of_file(path: Path) -> str:
    """Hex digest of what a file holds."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sync_folder(folder: Path) -> None:
    """Return once the names in ``folder`` are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_synced(path: Path, data: bytes) -> None:
    """Write a new file and return once its content is on the disk."""
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def disk_told(folder: Path) -> Iterator[None]:
    """What the disk does not do while something is kept in ``folder``, as an error of ours.

    Raises:
        StoreError: If it cannot be written, for instance because the disk is full.
    """
    try:
        yield
    except SonoloopError:
        raise
    except OSError as error:
        raise StoreError(
            f"cannot write in {folder}: {error.strerror or type(error).__name__} "
            f"(nothing was saved; check the disk)"
        ) from error


def write_incoming(folder: Path, data: bytes) -> Path:
    """A new file in ``folder`` with ``data`` on the disk, to be moved where it belongs.

    Raises:
        StoreError: If it cannot be written, for instance because the disk is full.
    """
    path = folder / f"{secrets.token_hex(8)}.part"
    try:
        write_synced(path, data)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise StoreError(
            f"cannot write in {folder}: {error.strerror} (nothing was saved)"
        ) from error
    return path


def make_folder(folder: Path) -> None:
    """Make ``folder`` in a folder that exists; on the disk when this returns.

    Raises:
        StoreError: If it cannot be made.
    """
    try:
        folder.mkdir()
        sync_folder(folder.parent)
    except FileExistsError:
        return
    except OSError as error:
        raise StoreError(f"cannot make {folder}: {error.strerror} (nothing was saved)") from error


def move_into_place(source: Path, target: Path) -> None:
    """Rename ``source`` to ``target``; on the disk when this returns.

    Raises:
        StoreError: If the file cannot be moved.
    """
    try:
        os.replace(source, target)
        sync_folder(target.parent)
    except OSError as error:
        raise StoreError(f"cannot write {target}: {error.strerror} (nothing was saved)") from error


def remove_leftovers(folder: Path, *, older_than_s: float = LEFTOVER_AGE_S) -> int:
    """Remove temporary files that died with their process; how many there were."""
    now, removed = time.time(), 0
    with os.scandir(folder) as entries:
        for entry in entries:
            if now - entry.stat(follow_symlinks=False).st_mtime >= older_than_s:
                Path(entry.path).unlink(missing_ok=True)
                removed += 1
    return removed
