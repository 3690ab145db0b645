"""The viewer's archive: fetched from a registry or taken from a file, and checked before use."""

import hashlib
import hmac
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import urlsplit

import httpx

from sonoloop.errors import ViewerError
from sonoloop.viewer.release import Release

logger = logging.getLogger(__name__)

MAX_ARCHIVE_BYTES: Final = 64 * 2**20  # that of OHIF 3.13.2 has 50 MB
CONNECT_S: Final = 10.0
READ_S: Final = 60.0

Progress: TypeAlias = Callable[[int, int | None], None]
"""Told how many bytes are there, and how many there will be (None: unknown)."""


def download(release: Release, registry: str, target: Path, progress: Progress) -> None:
    """Fetch the archive of a release over HTTP; proxies and certificates as the environment says.

    Args:
        release: What to fetch.
        registry: Address of an npm registry or of a mirror.
        target: File that is written; not yet checked when this returns.
        progress: Told of every piece.

    Raises:
        ViewerError: If the registry cannot be reached, has no such archive, or sends too much.
    """
    address = release.address(registry)
    host = _host(address)  # the address itself may hold a password
    cure = "try again, name a mirror with --registry, or fetch it elsewhere and use --from FILE"
    try:
        with httpx.stream(
            "GET",
            address,
            follow_redirects=True,
            timeout=httpx.Timeout(READ_S, connect=CONNECT_S),
            headers={"accept-encoding": "identity"},
        ) as answer:
            if answer.status_code != httpx.codes.OK:
                raise ViewerError(
                    f"no {release.package} {release.version} at {host} - it answers "
                    f"{answer.status_code}; {cure}"
                )
            _keep(answer, target, progress)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        told = str(error) or type(error).__name__
        raise ViewerError(f"cannot fetch the viewer from {host} - {told:.200}; {cure}") from error
    logger.info("fetched %s %s from %s", release.package, release.version, host)


def _host(address: str) -> str:
    try:
        return urlsplit(address).hostname or "no host"
    except ValueError:
        return "no address"


def _keep(answer: httpx.Response, target: Path, progress: Progress) -> None:
    declared = answer.headers.get("content-length", "")
    total = int(declared) if declared.isascii() and declared.isdigit() else None
    received = 0
    with target.open("wb") as file:
        for piece in answer.iter_bytes(2**18):
            received += len(piece)
            refuse_too_large(received)
            file.write(piece)
            progress(received, total)


def refuse_too_large(size: int) -> None:
    """Take no archive that cannot be the viewer's.

    Raises:
        ViewerError: If ``size``, in bytes, exceeds :data:`MAX_ARCHIVE_BYTES`.
    """
    if size > MAX_ARCHIVE_BYTES:
        raise ViewerError(
            f"the archive is no viewer - more than {MAX_ARCHIVE_BYTES / 2**20:.0f} MB "
            f"(is it that of @ohif/app?)"
        )


def verify(archive: Path, release: Release) -> None:
    """Refuse whatever is not, bit for bit, the published archive.

    Raises:
        ViewerError: If the file cannot be read, is too large, or has another checksum.
    """
    try:
        refuse_too_large(archive.stat().st_size)
        with archive.open("rb") as file:
            found = hashlib.file_digest(file, "sha512").digest()
    except OSError as error:
        raise ViewerError(f"cannot read {str(archive)!r} - {error.strerror}") from error
    if not hmac.compare_digest(found, release.sha512):
        raise ViewerError(
            f"{archive.name!r} is not the published archive of {release.package} "
            f"{release.version} - its sha512 begins with {found.hex()[:12]}, not with "
            f"{release.sha512.hex()[:12]}; it is another version, damaged, or was tampered with "
            f"(npm pack {release.package}@{release.version} fetches the right one)"
        )
