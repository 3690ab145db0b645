"""A DICOMweb PACS as an archive: headers, documents, and STOW (PS3.18 10.5)."""

import secrets
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import requests
from pydicom import Dataset

from sonoloop.errors import (
    ImageReadError,
    InstanceRefusedError,
    NotFoundError,
    PacsError,
    StoreError,
)
from sonoloop.pacs.attributes import address_of, from_json, read_attributes
from sonoloop.pacs.port import InstanceAddress
from sonoloop.pacs.qido import TIMEOUT_S, QidoClient, told
from sonoloop.pacs.wado import fetch

STORE_TIMEOUT_S: Final = (3.05, 120.0)
"""A PACS answers once it has everything on its disk."""

_FAILED: Final = "00081198"
_STORED: Final = "00081199"
_REFERENCED: Final = "00081155"
_REASON: Final = "00081197"

REFUSALS: Final[Mapping[int, str]] = {
    0x0110: "processing failure",
    0x0111: "duplicate instance",
    0x0122: "SOP class not supported",
    0xA900: "data set does not match its SOP class",
    0xC000: "cannot understand",
}
"""Failure reasons (PS3.18 Table 10.5.3-1, PS3.4 Table B.2-1)."""

OUT_OF_RESOURCES: Final = range(0xA700, 0xA800)
PASSING_REASONS: Final = frozenset({0x0110, *OUT_OF_RESOURCES})
"""Reasons that may be gone next time: the PACS failed by itself, or is full."""

PASSING: Final = frozenset({408, 425, 429, 500, 502, 503, 504, 507})
"""Answers that may be others next time: the PACS is busy, full or broken."""


def header(qido: QidoClient, address: InstanceAddress) -> Dataset:
    """What a PACS says of an instance, without its long binary values.

    Raises:
        NotFoundError: If it does not have it, and answers otherwise.
        PacsError: If it is down or answers nonsense.
    """
    try:
        metadata = qido.metadata(address.study, address.series, [address.instance])
    except NotFoundError:
        qido.has_study(address.study)  # raises where a gateway has lost its PACS for a moment
        raise
    if address.instance not in metadata:
        raise NotFoundError("the PACS does not have this image any more")
    with told(qido.url):
        return from_json(dict(metadata[address.instance]))


def instances(
    qido: QidoClient, study: str, modality: Literal["SEG", "SR", "US"]
) -> list[InstanceAddress]:
    """The instances of a modality in a study; empty where there is no such study.

    Raises:
        PacsError: If the PACS is down or answers nonsense.
    """
    try:
        return [
            InstanceAddress(study=study, series=series, instance=instance)
            for series in qido.series(study, modality)
            for instance in qido.instances(study, series)
        ]
    except NotFoundError:
        return []


def path_of(address: InstanceAddress) -> str:
    """Of an instance below a DICOMweb service."""
    return f"studies/{address.study}/series/{address.series}/instances/{address.instance}"


def retrieve(qido: QidoClient, address: InstanceAddress, folder: Path) -> bytes:
    """One instance as the PACS keeps it.

    Args:
        qido: The PACS.
        address: Of the instance.
        folder: Exists; holds the file while it arrives.

    Raises:
        NotFoundError: If the PACS does not have it.
        PacsError: If it is down or answers nonsense.
        StoreError: If it cannot be written down.
    """
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".retrieve-") as arriving:
            target = Path(arriving) / "instance.dcm"
            with told(qido.url):
                fetch(qido.session, f"{qido.url}/{path_of(address)}", target, timeout_s=TIMEOUT_S)
            return target.read_bytes()
    except PacsError:
        raise
    except OSError as error:
        raise StoreError(
            f"cannot write in {folder}: {error.strerror} (is the disk of the workspace full?)"
        ) from error


def store(qido: QidoClient, study: str, files: Sequence[bytes]) -> None:
    """Send DICOM files to a study of the PACS.

    Raises:
        InstanceRefusedError: If the PACS refuses one.
        PacsError: If it is down, busy, answers nonsense or does not say that it kept them.
    """
    wanted = _names(study, files)
    boundary = secrets.token_hex(16)
    with told(qido.url):
        answer = qido.session.post(
            f"{qido.url}/studies/{study}",
            data=b"".join(_parts(files, boundary)),
            headers={
                "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
                "Accept": "application/dicom+json",
            },
            timeout=STORE_TIMEOUT_S,
            allow_redirects=False,  # most would be followed by GET, without the instances
        )
        _raise_for(answer, qido.url)
        body = answer.json() if answer.content else {}
        _check_kept(body[0] if isinstance(body, list) else body, wanted)


def _names(study: str, files: Sequence[bytes]) -> list[str]:
    """SOPInstanceUIDs of files that are all of the study."""
    try:
        addresses = [address_of(read_attributes(data)) for data in files]
    except ImageReadError as error:
        raise InstanceRefusedError(f"what is to be sent is no DICOM instance: {error}") from error
    for address in addresses:
        if address.study != study:
            raise InstanceRefusedError(
                f"the instance belongs to study {address.study}, not {study}"
            )
    return [address.instance for address in addresses]


def _parts(files: Sequence[bytes], boundary: str) -> Iterator[bytes]:
    for data in files:
        yield f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        yield data
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode()


def _raise_for(answer: requests.Response, url: str) -> None:
    """Tell apart what will be refused again from what may go well next time."""
    status = answer.status_code
    if status == 409 or 200 <= status < 300:  # 409: all failed, the body says why
        return
    if 300 <= status < 400:
        raise PacsError(
            f"the PACS at {url} has moved{_whither(answer)}: HTTP {status} (start the server "
            f"with the address it has now; instances are not sent after it)"
        )
    if status in (404, 410):
        raise PacsError(
            f"the PACS at {url} has nothing that takes instances: HTTP {status} (does its "
            f"DICOMweb service offer STOW?)"
        )
    if status in (401, 403) or status in PASSING:
        answer.raise_for_status()
    raise InstanceRefusedError(
        f"the PACS does not take the instance: HTTP {status} (its log tells why)"
    )


def _whither(answer: requests.Response) -> str:
    """Scheme and host of the new address alone: the rest of it may be no one's business."""
    parts = urlsplit(answer.headers.get("Location", ""))
    port = f":{parts.port}" if parts.port else ""
    return f" to {parts.scheme}://{parts.hostname}{port}" if parts.hostname else ""


def _check_kept(body: Mapping[str, Any], wanted: Sequence[str]) -> None:
    failed = [(int(_first(item, _REASON) or 0), item) for item in _items(body, _FAILED)]
    if failed:
        code, item = min(failed, key=lambda one: one[0] in PASSING_REASONS)  # what stays first
        passes = code in PASSING_REASONS
        reason = "out of resources" if code in OUT_OF_RESOURCES else REFUSALS.get(code, "reason")
        raise (PacsError if passes else InstanceRefusedError)(
            f"the PACS {'does not take' if passes else 'refuses'} instance "
            f"{_first(item, _REFERENCED)}: {reason} {code:04X}H"
        )
    kept = {_first(item, _REFERENCED) for item in _items(body, _STORED)}
    missing = [uid for uid in wanted if uid not in kept]
    if missing:
        raise PacsError(f"the PACS does not say that it has kept {missing[0]} (is its disk full?)")


def _items(body: Mapping[str, Any], tag: str) -> list[Mapping[str, Any]]:
    return list(body.get(tag, {}).get("Value") or [])


def _first(item: Mapping[str, Any], tag: str) -> Any:
    return (item.get(tag, {}).get("Value") or [None])[0]
