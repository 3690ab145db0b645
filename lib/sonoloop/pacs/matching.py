"""What a QIDO-RS query asks for (PS3.18 8.3.4), parsed once and told to SQLite.

Supported matching (PS3.4 C.2.2.2): single value, list of UIDs, wildcards, ranges of dates and
times, and universal (an empty value). Names match without regard to case, as PS3.4 allows.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword

from sonoloop.errors import InvalidRequestError
from sonoloop.pacs.attributes import is_uid
from sonoloop.pacs.index import INSTANCE_KEYWORDS, SERIES_KEYWORDS, STUDY_KEYWORDS

Level = Literal["studies", "series", "instances"]

LEVELS: Final[dict[Level, tuple[str, ...]]] = {
    "studies": STUDY_KEYWORDS,
    "series": SERIES_KEYWORDS,
    "instances": INSTANCE_KEYWORDS,
}
MODALITIES_IN_STUDY: Final = "ModalitiesInStudy"
UID_COLUMNS: Final = {
    "StudyInstanceUID": "study",
    "SeriesInstanceUID": "series",
    "SOPInstanceUID": "instance",
}
LARGEST_PAGE: Final = 5000
"""Answers to one query, at most; a client that wants more asks for the next page."""

_SET_ASIDE: Final = frozenset({"includefield", "fuzzymatching", "emptyvaluematching"})
_MAX_VALUE: Final = 1024
_LENGTHS: Final = {"DA": 8, "TM": 6}


@dataclass(frozen=True, slots=True)
class Condition:
    """One filter.

    Attributes:
        level: Of the attribute.
        keyword: Of the attribute.
        value: As it was asked for; never empty.
    """

    level: Level
    keyword: str
    value: str

    def sql(self) -> tuple[str, list[str]]:
        """A condition on the tables ``studies``, ``series`` and ``instances``, and its values."""
        if self.keyword == MODALITIES_IN_STUDY:
            other = "SELECT modality FROM series m WHERE m.study = studies.study"
            names = self.listed
            return f"({' OR '.join(f'? IN ({other})' for _ in names)})", names
        if self.keyword in UID_COLUMNS:
            column = UID_COLUMNS[self.keyword]
            return f"{self.level}.{column} IN ({_marks(self.listed)})", self.listed
        tag = f"{tag_for_keyword(self.keyword) or 0:08X}"
        found = f"""json_extract({self.level}.attributes, '$."{tag}".Value[0]')"""
        vr = dictionary_VR(tag)
        if vr in _LENGTHS:
            return _between(found, self.value, _LENGTHS[vr])
        return f"{'named' if vr == 'PN' else 'told'}({found}, ?)", [self.value]

    @property
    def listed(self) -> list[str]:
        """The values of a list of them."""
        return [value for value in re.split(r"[,\\]", self.value) if value]


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed query.

    Attributes:
        level: What is listed.
        conditions: All of them hold for every answer.
        limit: Answers, at most.
        offset: Answers passed over first.
    """

    level: Level
    conditions: tuple[Condition, ...]
    limit: int
    offset: int


def parse(level: Level, parameters: Iterable[tuple[str, str]], path: Mapping[str, str]) -> Query:
    """The query of a request.

    Args:
        level: What is listed.
        parameters: Of the query string, in order.
        path: UIDs that the path names, by keyword.

    Raises:
        InvalidRequestError: If an attribute is unknown, a UID is none, or a number is none.
    """
    conditions = [Condition(_level_of(keyword), keyword, uid) for keyword, uid in path.items()]
    numbers = {"limit": LARGEST_PAGE, "offset": 0}
    for name, value in parameters:
        if name in numbers:
            numbers[name] = _whole(name, value)
        elif name.lower() not in _SET_ASIDE:
            conditions.extend(_condition(level, name, value))
    for condition in conditions:
        _check(condition)
    limit = min(numbers["limit"], LARGEST_PAGE)
    return Query(level, tuple(conditions), limit, numbers["offset"])


def told(stored: str | int | float | None, pattern: str) -> bool:
    """Whether a stored value is what a pattern with ``*`` and ``?`` asks for.

    Args:
        stored: The value as SQLite extracts it.
        pattern: As it was asked for.

    Example:
        >>> told("US BREAST", "*BREAST"), told("{left breast", "{*")
        (True, True)
        >>> told(None, "*"), told(None, "x"), told(12, "12")
        (True, False, True)
    """
    text = "" if stored is None else str(stored).rstrip()
    return _fits(text.casefold(), pattern.rstrip("^ ").casefold())


def named(stored: str | None, pattern: str) -> bool:
    """Whether one of the groups of a name is what a pattern asks for.

    Args:
        stored: The JSON object of the groups (PS3.18 F.2.2).
        pattern: As it was asked for.

    Example:
        >>> named('{"Alphabetic": "Doe^Jane^^"}', "doe*"), named(None, "doe*")
        (True, False)
    """
    groups = json.loads(stored).values() if stored else ()
    return any(told(str(group).rstrip("^ "), pattern) for group in groups or ("",))


def _fits(text: str, pattern: str) -> bool:
    """Wildcards in time proportional to both lengths: a regular expression could take ages."""
    at = place = 0
    star, resumed = -1, 0
    while at < len(text):
        sign = pattern[place : place + 1]
        if sign == "*":
            star, resumed = place, at
            place += 1
        elif sign in ("?", text[at]):
            at, place = at + 1, place + 1
        elif star >= 0:  # let the last star take one character more
            resumed += 1
            at, place = resumed, star + 1
        else:
            return False
    return not pattern[place:].strip("*")


def _condition(level: Level, name: str, value: str) -> list[Condition]:
    keyword = _keyword(name)
    of = _level_of(keyword)
    order = list(LEVELS)
    if order.index(of) > order.index(level):
        raise InvalidRequestError(
            f"{keyword} is told of {of}, not of {level} (ask at /dicom-web/{of})"
        )
    if len(value) > _MAX_VALUE:
        raise InvalidRequestError(f"the value of {keyword} is longer than {_MAX_VALUE} characters")
    asked = value.strip().strip('"')
    return [Condition(of, keyword, asked)] if asked.strip("*") else []


def _keyword(name: str) -> str:
    keyword = keyword_for_tag(name) if re.fullmatch(r"[0-9A-Fa-f]{8}", name) else name
    if tag_for_keyword(keyword) is None:
        raise InvalidRequestError(f"{name[:64]!r} is no attribute of DICOM that can be asked for")
    return keyword


def _level_of(keyword: str) -> Level:
    if keyword == MODALITIES_IN_STUDY:
        return "studies"
    for level, keywords in LEVELS.items():
        if keyword in keywords:
            return level
    offered = ", ".join((MODALITIES_IN_STUDY, *(k for ks in LEVELS.values() for k in ks)))
    raise InvalidRequestError(f"{keyword} cannot be asked for here (one of {offered})")


def _check(condition: Condition) -> None:
    vr = "CS" if condition.keyword == MODALITIES_IN_STUDY else dictionary_VR(condition.keyword)
    if vr == "UI" and condition.keyword in UID_COLUMNS:
        for uid in re.split(r"[,\\]", condition.value):
            if not is_uid(uid):
                raise InvalidRequestError(
                    f"{condition.keyword} {uid[:70]!r} is no UID (digits, dots; at most 64)"
                )
    if condition.keyword == MODALITIES_IN_STUDY and not condition.listed:
        raise InvalidRequestError(
            f"{condition.keyword} {condition.value[:40]!r} names no modality (such as US)"
        )
    if vr in _LENGTHS and not re.fullmatch(r"[0-9.]*(-[0-9.]*)?", condition.value):
        raise InvalidRequestError(
            f"{condition.keyword} {condition.value[:40]!r} is no date, time or range of them "
            f"(20260101, 20260101-20260131)"
        )


def _whole(name: str, value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 10):
        raise InvalidRequestError(f"{name} must be a whole number from 0, got {value[:40]!r}")
    return int(value)


def _between(found: str, asked: str, length: int) -> tuple[str, list[str]]:
    """From the first to the last moment of a range; fewer digits mean the whole day or hour."""
    first, dash, last = asked.partition("-")
    last = last if dash else first
    conditions, values = [f"{found} IS NOT NULL"], []
    if first:
        conditions.append(f"substr({found}, 1, {length}) >= ?")
        values.append(first[:length])
    if last:
        conditions.append(f"substr({found}, 1, {length}) <= ?")
        values.append(last[:length].ljust(length, "9"))
    return f"({' AND '.join(conditions)})", values


def _marks(values: Sequence[str]) -> str:
    return ", ".join("?" * len(values))
