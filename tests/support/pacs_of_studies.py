"""A DICOMweb service whose studies hold one ultrasound image each, and that fails where it is told.

Study ``1.2.5`` holds series ``1.2.5.1`` with instance ``1.2.5.1.1``.
"""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from loopback import loopback

ULTRASOUND_IMAGE = "1.2.840.10008.5.1.4.1.1.6.1"


@dataclass
class PacsOfStudies:
    """What the service has and says.

    Attributes:
        url: Address of the service.
        studies: UIDs of what it has.
        tells_counts: Whether it says how many series and instances a study has.
        answers: Status and body instead of the right ones, by the end of the path.
        asked: Paths without queries, in order.
    """

    url: str = ""
    studies: list[str] = field(default_factory=list)
    tells_counts: bool = True
    answers: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def answer(self, target: str) -> tuple[int, bytes]:
        """Status and body for a path with its query."""
        parts = urlsplit(target)
        self.asked.append(parts.path)
        for end, told in self.answers.items():
            if parts.path.endswith(end):
                return told
        root, *rest = parts.path.strip("/").split("/")
        found = self._found(rest, parse_qs(parts.query)) if root == "dicom-web" else None
        return (404, b"") if found is None else (200, json.dumps(found).encode())

    def _found(self, path: list[str], query: dict[str, list[str]]) -> list[Any] | None:
        if path == ["studies"]:
            wanted = query.get("StudyInstanceUID", self.studies)
            return [self._study(uid) for uid in self.studies if uid in wanted]
        if path[1:2] and path[1] in self.studies:
            return _below(path[1], path[-1])
        return None

    def _study(self, uid: str) -> dict[str, Any]:
        counts = {"00201206": value("IS", 1), "00201208": value("IS", 1)}
        return {"0020000D": value("UI", uid)} | (counts if self.tells_counts else {})


def value(vr: str, one: object) -> dict[str, Any]:
    """An attribute with one value, as DICOM JSON has it."""
    return {"vr": vr, "Value": [one]}


def metadata(study: str) -> dict[str, Any]:
    """What the service says of the image of a study."""
    return {
        "00080016": value("UI", ULTRASOUND_IMAGE),
        "00080018": value("UI", f"{study}.1.1"),
        "0020000D": value("UI", study),
        "0020000E": value("UI", f"{study}.1"),
        "00080060": value("CS", "US"),
        "00280010": value("US", 40),
        "00280011": value("US", 60),
    }


def _below(study: str, last: str) -> list[Any] | None:
    found = {
        "series": {"0020000E": value("UI", f"{study}.1")},
        "instances": {"00080018": value("UI", f"{study}.1.1")},
        "metadata": metadata(study),
    }
    return [found[last]] if last in found else None


@contextlib.contextmanager
def serving(*studies: str) -> Iterator[PacsOfStudies]:
    """Such a service on a free loopback port."""
    pacs = PacsOfStudies(studies=list(studies))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = pacs.answer(self.path)
            self.send_response(status)
            self.send_header("Content-Type", "application/dicom+json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with loopback(Handler) as address:
        pacs.url = f"{address}/dicom-web"
        yield pacs
