"""One instance from a DICOMweb PACS into a file, as it is stored there.

The bytes are streamed to the disk unread: parsing them here could take gigabytes (a deflated data
set), and reading them is the business of :mod:`sonoloop.imaging.read`, which refuses such files.
"""

import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

import requests

from sonoloop.errors import NotFoundError, PacsError, StoreError
from sonoloop.store.files import sync_folder

ACCEPT: Final = 'multipart/related; type="application/dicom"; transfer-syntax=*'
MAX_INSTANCE_BYTES: Final = 512 * 2**20
_MAX_PART_HEADER_BYTES: Final = 64 * 2**10
_MAX_EPILOGUE_BYTES: Final = 64 * 2**10
_CHUNK_BYTES: Final = 2**20
_SINGLE: Final = ("application/dicom", "application/octet-stream")
_DICOM_MARK: Final = slice(128, 132)
_BOUNDARY: Final = re.compile(r'boundary="?(?P<boundary>[^";]+)"?', re.IGNORECASE)


def fetch(
    session: requests.Session, url: str, target: Path, *, timeout_s: tuple[float, float]
) -> None:
    """Put the instance at ``url`` into ``target``, whole or not at all.

    Args:
        session: With the credentials of the PACS.
        url: ``.../studies/<uid>/series/<uid>/instances/<uid>``.
        target: Its folder is made.
        timeout_s: Seconds to connect, and between two pieces of the answer.

    Raises:
        NotFoundError: If the PACS does not have the instance (any more).
        requests.RequestException: If the PACS is down or refuses.
        PacsError: If its answer is no single DICOM instance.
        StoreError: If the file cannot be written.
    """
    incoming = target.parent / f".{secrets.token_hex(8)}.part"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(target, error) from error
    try:
        with session.get(url, headers={"Accept": ACCEPT}, stream=True, timeout=timeout_s) as answer:
            if answer.status_code in (404, 410):
                raise NotFoundError("the PACS does not have this image any more")
            answer.raise_for_status()
            with incoming.open("xb") as file:
                _write_instance(answer, file)
                file.flush()
                _check_is_dicom(incoming)
                os.fsync(file.fileno())
        incoming.replace(target)
        sync_folder(target.parent)
    except (requests.RequestException, PacsError):
        raise
    except OSError as error:
        raise _unwritable(target, error) from error
    finally:
        incoming.unlink(missing_ok=True)


def _unwritable(target: Path, error: OSError) -> StoreError:
    return StoreError(
        f"cannot write {target}: {error.strerror} (is the disk of the workspace full?)"
    )


def _write_instance(answer: requests.Response, file: BinaryIO) -> None:
    kind = answer.headers.get("Content-Type", "")
    chunks = _limited(answer.iter_content(_CHUNK_BYTES))
    if kind.lower().startswith(_SINGLE):
        for chunk in chunks:
            file.write(chunk)
        return
    match = _BOUNDARY.search(kind)
    if match is None or not kind.lower().startswith("multipart/"):
        raise PacsError(
            f"the PACS answered {kind[:80]!r} instead of an image (is something between us and "
            f"it, such as a login page?)"
        )
    delimiter = b"--" + match["boundary"].strip().encode()
    file.write(_after_part_header(chunks, delimiter))
    for chunk in chunks:
        file.write(chunk)
    _cut_last_delimiter(file, delimiter)


def _check_is_dicom(path: Path) -> None:
    with path.open("rb") as file:
        if file.read(132)[_DICOM_MARK] != b"DICM":
            raise PacsError("the PACS sent what is no DICOM file")


def _limited(chunks: Iterator[bytes]) -> Iterator[bytes]:
    total = 0
    for chunk in chunks:
        total += len(chunk)
        if total > MAX_INSTANCE_BYTES:
            raise PacsError(
                f"the PACS sent an instance of more than {MAX_INSTANCE_BYTES >> 20} MiB "
                f"(longer ones are not read)"
            )
        yield chunk


def _after_part_header(chunks: Iterator[bytes], delimiter: bytes) -> bytes:
    """What follows the header of the first part; reads no more chunks than that takes."""
    start = b""
    for chunk in chunks:
        start += chunk
        begin = start.find(delimiter)
        end = start.find(b"\r\n\r\n", begin)
        if begin >= 0 and end >= 0:
            return start[end + 4 :]
        if len(start) > _MAX_PART_HEADER_BYTES + _CHUNK_BYTES:
            break
    raise PacsError("the PACS answered a multipart message without a part")


def _cut_last_delimiter(file: BinaryIO, delimiter: bytes) -> None:
    """Truncate the file at the delimiter that ends the part; what follows must be the end."""
    size = file.tell()
    tail_at = max(0, size - _MAX_EPILOGUE_BYTES)
    with open(file.name, "rb") as written:
        file.flush()
        written.seek(tail_at)
        tail = written.read()
    end = tail.find(b"\r\n" + delimiter)
    if end < 0:
        raise PacsError("the PACS stopped in the middle of an instance")
    if not tail[end + 2 + len(delimiter) :].startswith(b"--"):
        raise PacsError("the PACS answered several instances where one was asked for")
    file.truncate(tail_at + end)
