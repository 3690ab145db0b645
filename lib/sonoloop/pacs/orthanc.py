"""What Orthanc says is new, by its own REST interface: DICOMweb has no such feed.

``GET /changes?since=N`` lists what came after the change numbered N (Orthanc Book, "Changes").
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import requests

from sonoloop.errors import PacsError
from sonoloop.pacs.attributes import is_uid
from sonoloop.pacs.qido import TIMEOUT_S, QidoClient, told

CHANGES_A_QUESTION: Final = 1000
MOST_RESOURCES: Final = 200
"""More that is new at once is cheaper found by looking at everything."""

_NEWS: Final = frozenset({"NewStudy", "NewSeries", "NewInstance"})
_KINDS: Final = {"Study": "studies", "Series": "series", "Instance": "instances"}


class OrthancFeed:
    """The changes of one Orthanc since a number.

    Args:
        qido: Its DICOMweb service.
        base: Address of its own interface, without a slash at the end.
    """

    def __init__(self, qido: QidoClient, base: str) -> None:
        self._qido, self._base = qido, base
        self._last = 0

    @classmethod
    def found(cls, qido: QidoClient) -> "OrthancFeed | None":
        """The feed of the PACS; None when it is no Orthanc, or does not show its interface.

        Raises:
            PacsError: If nobody answers.
        """
        parts = urlsplit(qido.url)
        base = f"{parts.scheme}://{parts.netloc}{parts.path.rpartition('/')[0]}"
        with told(qido.url):
            answer = qido.session.get(f"{base}/system", timeout=TIMEOUT_S)
        system = _json(answer)
        if not (isinstance(system, Mapping) and "DatabaseVersion" in system and "Name" in system):
            return None
        return cls(qido, base)

    def follow_from_now(self) -> None:
        """Pass over all that has happened: whoever calls is about to look at everything.

        Raises:
            PacsError: If the PACS cannot be asked.
        """
        self._last = self._number(self._get("changes?last"))

    def studies(self) -> set[str] | None:
        """Studies in which something is new; None when only a look at everything can tell.

        That is when they are too many, and when Orthanc counts from the start again, since its
        database was made anew.

        Raises:
            PacsError: If the PACS cannot be asked.
        """
        since, resources, done = self._last, set[tuple[str, str]](), False
        while not done:
            answer = self._get(f"changes?since={since}&limit={CHANGES_A_QUESTION}")
            resources.update(_news(answer.get("Changes")))
            moved, done = self._number(answer), bool(answer.get("Done", True))
            if moved < self._last:
                self._last = moved
                return None
            done, since = done or moved <= since, max(moved, since)
        if len(resources) > MOST_RESOURCES:
            self._last = since
            return None
        studies = {uid for kind, name in sorted(resources) if (uid := self._study(kind, name))}
        self._last = since  # only now: what cannot be followed up is told again
        return studies

    def _study(self, kind: str, name: str) -> str | None:
        """UID of the study of a resource; None when it has gone since."""
        if not name.replace("-", "").isalnum():
            return None
        path = f"studies/{name}" if kind == "studies" else f"{kind}/{name}/study"
        try:
            tags = self._get(path).get("MainDicomTags", {})
        except _GoneError:
            return None
        uid = str(tags.get("StudyInstanceUID", "")) if isinstance(tags, Mapping) else ""
        return uid if is_uid(uid) else None

    def _get(self, path: str) -> Mapping[str, Any]:
        with told(self._qido.url):
            answer = self._qido.session.get(f"{self._base}/{path}", timeout=TIMEOUT_S)
            if answer.status_code == 404:
                raise _GoneError(f"Orthanc has nothing at {path}")
            answer.raise_for_status()
        told_back = _json(answer)
        if not isinstance(told_back, Mapping):
            raise PacsError(f"Orthanc answers {path} with what is no JSON object")
        return told_back

    @staticmethod
    def _number(answer: Mapping[str, Any]) -> int:
        last = answer.get("Last")
        if not isinstance(last, int):
            raise PacsError("Orthanc does not tell the number of its last change")
        return last


class _GoneError(PacsError):
    """Orthanc does not have a resource any more."""


def _news(changes: object) -> Iterator[tuple[str, str]]:
    """Kind and id of what is new, as the addresses of Orthanc have them."""
    for change in changes if isinstance(changes, list) else []:
        if not isinstance(change, Mapping):
            raise PacsError("Orthanc tells a change that is no JSON object")
        kind = _KINDS.get(str(change.get("ResourceType")))
        if kind is not None and str(change.get("ChangeType")) in _NEWS:
            yield kind, str(change.get("ID"))


def _json(answer: requests.Response) -> object:
    try:
        return answer.json() if answer.ok else None
    except (RecursionError, ValueError):
        return None
