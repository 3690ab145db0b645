"""Questions to a DICOMweb PACS, answered as plain values.

Only filters that every PACS understands are used: modality and UIDs. Text filters come back empty
from Orthanc when they hold a space, ``*`` or ``^``. Addresses in answers (RetrieveURL) are not
followed: behind a proxy they often name another host or port. ``limit`` is never sent: Orthanc
1.10 applies it before ``offset`` when it filters by ModalitiesInStudy, so that every page after
the first is empty and the other studies are missed without a word.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, TypeVar

import requests
from dicomweb_client.api import DICOMwebClient

from sonoloop.errors import ConfigError, NotFoundError, PacsError

SMALLEST_CAP: Final = 50
"""A shorter answer is complete: no PACS is known to cut its answers below this."""

TIMEOUT_S: Final = (3.05, 30.0)
"""Seconds to connect, and to wait for the next piece of an answer."""

_STUDY_UID: Final = "0020000D"
_SERIES_UID: Final = "0020000E"
_SOP_UID: Final = "00080018"
_MODALITY: Final = "00080060"
_RELATED_COUNTS: Final = ("00201206", "00201208")
"""Series and instances of a study, as QIDO counts them."""

Answer: TypeAlias = Mapping[str, Any]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Credentials:
    """HTTP Basic; what cannot be shown is not shown."""

    user: str
    password: str

    def __repr__(self) -> str:
        return f"Credentials({self.user!r}, ***)"


@dataclass(frozen=True, slots=True)
class StudyAnswer:
    """A study with ultrasound.

    Attributes:
        counts: Series and instances in it as the PACS counts them; None where it does not.
    """

    study_instance_uid: str
    counts: tuple[Any, ...] | None


class QidoClient:
    """A DICOMweb service; usable from many threads, each of which has its own connection.

    Attributes:
        url: Address of the service, without a slash at the end.
    """

    def __init__(self, url: str, credentials: Credentials | None) -> None:
        self.url = url.rstrip("/")
        self._credentials = credentials
        self._local = threading.local()
        try:
            self._client()
        except ValueError as error:
            raise ConfigError([f"not the address of a DICOMweb service: {url!r}"]) from error

    @property
    def session(self) -> requests.Session:
        """This thread's HTTP session, with the credentials."""
        self._client()
        session: requests.Session = self._local.session
        return session

    def studies(self) -> list[StudyAnswer]:
        """Studies that hold ultrasound.

        Raises:
            PacsError: If the PACS is down, answers nonsense, or has no DICOMweb at this address.
        """
        return list(self._studies({"ModalitiesInStudy": "US"}))

    def has_study(self, study: str) -> bool:
        """Whether the PACS lists a study, of whatever modality.

        It tells a PACS that has something no more from one that fails, or a gateway without a PACS
        behind it, which also answers 404.

        Raises:
            PacsError: If the PACS is down, answers nonsense, or has no DICOMweb at this address.
        """
        listed = self._studies({"StudyInstanceUID": study})
        return any(answer.study_instance_uid == study for answer in listed)

    def _studies(self, filters: Mapping[str, str]) -> Iterator[StudyAnswer]:
        client = self._client()
        answers = self._pages(
            lambda offset: client.search_for_studies(
                offset=offset, fields=_RELATED_COUNTS, search_filters=dict(filters)
            ),
            lambda answer: (_uid(answer, _STUDY_UID), _counts(answer)),
        )
        try:
            for uid, counts in answers:
                yield StudyAnswer(uid, counts)
        except NotFoundError as error:
            raise PacsError(
                f"there is no DICOMweb service at {self.url} (such as http://host:8042/dicom-web)"
            ) from error

    def series(self, study: str, modality: str = "US") -> Iterator[str]:
        """UIDs of the series of a modality in a study.

        Raises:
            PacsError: If the PACS is down or answers nonsense.
        """
        client = self._client()
        answers = self._pages(
            lambda offset: client.search_for_series(
                study, offset=offset, search_filters={"Modality": modality}
            ),
            lambda answer: (_uid(answer, _SERIES_UID), _value(answer, _MODALITY)),
        )
        for uid, told_modality in answers:
            if told_modality in (None, modality):
                yield uid

    def instances(self, study: str, series: str) -> Iterator[str]:
        """UIDs of the instances of a series.

        Raises:
            PacsError: If the PACS is down or answers nonsense.
        """
        client = self._client()
        answers = self._pages(
            lambda offset: client.search_for_instances(study, series, offset=offset),
            lambda answer: (_uid(answer, _SOP_UID), None),
        )
        for uid, _ in answers:
            yield uid

    def metadata(self, study: str, series: str, instances: Sequence[str]) -> dict[str, Answer]:
        """Metadata of instances of one series, by SOPInstanceUID; those that left are missing.

        Raises:
            PacsError: If the PACS is down or answers nonsense.
        """
        client = self._client()
        with told(self.url):
            if len(instances) == 1:
                one = client.retrieve_instance_metadata(study, series, instances[0])
                return {instances[0]: _object(one)}
            answers = [_object(a) for a in client.retrieve_series_metadata(study, series)]
            by_uid = {str(_value(answer, _SOP_UID)): answer for answer in answers}
            return {uid: by_uid[uid] for uid in instances if uid in by_uid}

    def _client(self) -> DICOMwebClient:
        client = getattr(self._local, "client", None)
        if client is None:
            session = requests.Session()
            if self._credentials is not None:
                session.auth = (self._credentials.user, self._credentials.password)
            client = DICOMwebClient(self.url, session=session, timeout=TIMEOUT_S)
            # Its own retries block for half a minute when the PACS is down; the next scan tries.
            client.set_http_retry_params(retry=False)
            self._local.client, self._local.session = client, session
        return client

    def _pages(
        self, ask: Callable[[int | None], Sequence[Any]], read: Callable[[Answer], tuple[str, _T]]
    ) -> Iterator[tuple[str, _T]]:
        """All answers, each once; ends also when a PACS knows no offset and repeats itself.

        Args:
            ask: For the answers from an offset on.
            read: UID of an answer, without which it is passed over, and what else is wanted of it.
        """
        seen: set[str] = set()
        received = 0
        while True:
            with told(self.url):
                page = [_object(answer) for answer in ask(received or None)]
                found = dict(map(read, page))
            new = {uid: rest for uid, rest in found.items() if uid and uid not in seen}
            yield from new.items()
            seen.update(new)
            received += len(page)
            if not new or len(page) < SMALLEST_CAP:
                return


@contextlib.contextmanager
def told(url: str) -> Iterator[None]:
    """Turns what goes wrong between us and a PACS into sentences.

    Raises:
        PacsError: If the PACS is down or answers nonsense.
        NotFoundError: If it does not have what was asked for.
    """
    try:
        yield
    except requests.HTTPError as error:
        raise _refused(url, error) from error
    except requests.Timeout as error:
        raise PacsError(f"the PACS at {url} does not answer in time (is it overloaded?)") from error
    except requests.ConnectionError as error:
        raise PacsError(
            f"the PACS at {url} cannot be reached (is it running, is the address right?)"
        ) from error
    except (
        AttributeError,
        IndexError,
        KeyError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        raise PacsError(
            f"the PACS at {url} answers what is no DICOMweb (is the address that of its "
            f"DICOMweb service, such as http://host:8042/dicom-web?)"
        ) from error
    except requests.RequestException as error:
        raise PacsError(f"the PACS at {url} broke off: {type(error).__name__}") from error


def _refused(url: str, error: requests.HTTPError) -> PacsError | NotFoundError:
    status = None if error.response is None else error.response.status_code
    if status in (401, 403):
        return PacsError(
            f"the PACS at {url} refuses us: HTTP {status} (set SONOLOOP_PACS_USER and "
            f"SONOLOOP_PACS_PASSWORD)"
        )
    if status in (404, 410):
        return NotFoundError(f"the PACS at {url} does not have this: HTTP {status}")
    return PacsError(f"the PACS at {url} failed: HTTP {status} (see its log)")


def _object(answer: object) -> Answer:
    if not isinstance(answer, Mapping):
        raise TypeError(f"a DICOM JSON object is wanted, got {type(answer).__name__}")
    return answer


def _value(answer: Answer, tag: str) -> Any:
    values = answer.get(tag, {}).get("Value", [])
    if not isinstance(values, list):
        raise TypeError(f"the values of {tag} are no list")
    return values[0] if values else None


def _uid(answer: Answer, tag: str) -> str:
    """A UID, or what stands in its place; fit to be told and written down in any case."""
    return str(_value(answer, tag) or "").encode("ascii", "replace").decode().replace("\0", "?")


def _counts(answer: Answer) -> tuple[Any, ...] | None:
    counts = tuple(_value(answer, tag) for tag in _RELATED_COUNTS)
    return None if counts[1] is None else counts
