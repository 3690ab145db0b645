"""QIDO-RS answers from the index of a folder (PS3.18 10.6)."""

import json
import sqlite3
from typing import Any, Final

from sonoloop.pacs.attributes import UTF_8
from sonoloop.pacs.index import InstanceIndex, number_of
from sonoloop.pacs.matching import Level, Query, named, told

_TABLES: Final[dict[Level, str]] = {
    "studies": "studies",
    "series": "series JOIN studies USING (study)",
    "instances": (
        "instances JOIN series USING (study, series) JOIN studies ON studies.study = series.study"
    ),
}
_COLUMNS: Final[dict[Level, str]] = {
    "studies": "studies.study, NULL, NULL, studies.attributes, NULL, NULL",
    "series": "series.study, series.series, NULL, studies.attributes, series.attributes, NULL",
    "instances": (
        "instances.study, instances.series, instances.instance, studies.attributes, "
        "series.attributes, instances.attributes"
    ),
}
_DATE: Final = """json_extract(studies.attributes, '$."00080020".Value[0]')"""
_ORDER: Final[dict[Level, str]] = {
    "studies": f"{_DATE} DESC, studies.study",
    "series": f"{number_of('series', '00200011')}, series.series",
    "instances": f"{number_of('instances', '00200013')}, instances.instance",
}
"""Newest studies first; series and images by their number."""


def search(index: InstanceIndex, query: Query, root: str) -> list[dict[str, Any]]:
    """Answers to a query, as DICOM JSON.

    Args:
        index: What lies where.
        query: As :func:`sonoloop.pacs.matching.parse` gives it.
        root: Address of the DICOMweb service, without a slash at the end.

    Raises:
        StoreError: If the index cannot be read.
    """
    parts = [condition.sql() for condition in query.conditions]
    where = " AND ".join(text for text, _ in parts) or "1"
    values = [value for _, given in parts for value in given]
    # Every part is made of our own tables and tags; what was asked for is bound.
    statement = (
        f"SELECT {_COLUMNS[query.level]} FROM {_TABLES[query.level]} WHERE {where} "  # noqa: S608
        f"ORDER BY {_ORDER[query.level]} LIMIT ? OFFSET ?"
    )
    with index.connection() as connection:
        connection.create_function("told", 2, told, deterministic=True)
        connection.create_function("named", 2, named, deterministic=True)
        rows = connection.execute(statement, (*values, query.limit, query.offset)).fetchall()
        return [_answer(connection, row, root) for row in rows]


def _answer(connection: sqlite3.Connection, row: tuple[Any, ...], root: str) -> dict[str, Any]:
    study, series, instance, *levels = row
    answer: dict[str, Any] = {
        "00080005": {"vr": "CS", "Value": [UTF_8]},
        "00080056": {"vr": "CS", "Value": ["ONLINE"]},
    }
    for attributes in levels:
        if attributes is not None:
            answer |= json.loads(attributes)
    address = f"{root}/studies/{study}"
    if series is None:
        answer |= _of_study(connection, study)
    else:
        address += f"/series/{series}"
        answer["00201209"] = _count(
            connection, "SELECT count(*) FROM instances WHERE study = ? AND series = ?",
            (study, series),
        )  # fmt: skip
    if instance is not None:
        del answer["00201209"]
        address += f"/instances/{instance}"
    answer["00081190"] = {"vr": "UR", "Value": [address]}
    return dict(sorted(answer.items()))


def _of_study(connection: sqlite3.Connection, study: str) -> dict[str, Any]:
    query = "SELECT DISTINCT modality FROM series WHERE study = ? ORDER BY modality"
    modalities = [name for (name,) in connection.execute(query, (study,)) if name]
    return {
        "00080061": {"vr": "CS", "Value": modalities},
        "00201206": _count(connection, "SELECT count(*) FROM series WHERE study = ?", (study,)),
        "00201208": _count(connection, "SELECT count(*) FROM instances WHERE study = ?", (study,)),
    }


def _count(connection: sqlite3.Connection, query: str, values: tuple[str, ...]) -> dict[str, Any]:
    return {"vr": "IS", "Value": [connection.execute(query, values).fetchone()[0]]}
