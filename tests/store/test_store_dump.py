import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import inspect

from sonoloop.errors import StoreError
from sonoloop.geometry import LabelMap
from sonoloop.quality.doubt import FLAG_KINDS, Doubt
from sonoloop.records import ImageRecord
from sonoloop.store import NewAnnotation, Store
from sonoloop.store.dump import TABLES, DumpedRow, check_row
from sonoloop.store.images import ImageDescription


@pytest.fixture
def full(
    store: Store, make_record: Callable[..., ImageRecord], make_mask: Callable[..., LabelMap]
) -> Store:
    """A store with a row in many of its tables."""
    store.images.upsert_many([make_record("a"), make_record("b", spacing_mm=None)])
    store.images.describe_many([ImageDescription(image_id="a", info={"ключ": [1.5, None, "ü"]})])
    saved = store.annotations.save(
        NewAnnotation(image_id="a", reader="ann", seconds_spent=0.1), make_mask()
    )
    store.quality.settle(
        "a", {saved.annotation_id: [Doubt(kind="fragments", sentence="2 specks")]}, kinds=FLAG_KINDS
    )
    store.skips.add("b", "bob", "not_assessable", "shadow")
    store.jobs.create("scoring", "dice", {"share": 1 / 3})
    return store


def dumped(store: Store) -> dict[str, list[DumpedRow]]:
    with store.dump.snapshot() as snapshot:
        return {name: list(snapshot.rows(name)) for name in TABLES}


def loader(tables: dict[str, list[DumpedRow]]) -> Callable[[str], Iterator[DumpedRow]]:
    return lambda name: iter(tables[name])


def test_every_table_of_the_database_is_dumped_but_those_of_accounts(store: Store) -> None:
    with store._database.engine.connect() as connection:
        there = set(inspect(connection).get_table_names())

    assert there - {"alembic_version"} == set(TABLES) | {"accounts", "account_tokens"}


def test_rows_are_json(full: Store) -> None:
    tables = dumped(full)

    assert json.loads(json.dumps(tables)) == tables
    assert tables["images"][0]["info"] == {"ключ": [1.5, None, "ü"]}
    assert tables["annotations"][0]["created_at"].endswith("+00:00")


def test_what_was_dumped_loads_again_identically(full: Store, tmp_path: Path) -> None:
    tables = dumped(full)

    with Store.open(tmp_path / "other") as other:
        assert other.dump.is_empty()
        other.dump.load(loader(tables))

        assert dumped(other) == tables
        assert not other.dump.is_empty()
        assert other.quality.open_images() == {"a"}


def test_what_sqlite_dumped_loads_into_any_database_and_goes_on(
    store: Store,
    tmp_path: Path,
    make_record: Callable[..., ImageRecord],
    make_mask: Callable[..., LabelMap],
) -> None:
    with Store.open(tmp_path / "other") as other:
        other.images.upsert_many([make_record("a")])
        other.annotations.save(NewAnnotation(image_id="a", reader="ann"), make_mask())
        other.events.append("skip", actor="ann", image_id="a")
        tables = dumped(other)

    store.dump.load(loader(tables))
    assert dumped(store) == tables
    store.images.upsert_many([make_record("b")])
    store.events.append("skip", actor="bob")

    assert [event.actor for event in store.events.list(kind="skip")] == ["bob", "ann"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"extra": 1}, "other columns: extra"),
        ({"created_at": "yesterday"}, "events.created_at cannot be 'yesterday'"),
        ({"created_at": 5}, "events.created_at cannot be 5"),
    ],
)
def test_a_row_that_does_not_fit_is_told(change: dict[str, Any], told: str) -> None:
    row = {"id": 1, "kind": "skip", "actor": "ann", "image_id": None, "model_id": None}
    row |= {"details": {}, "created_at": "2026-01-01T00:00:00.000000+00:00"}

    assert check_row("events", row)["actor"] == "ann"
    with pytest.raises(StoreError, match=told):
        check_row("events", row | change)


def test_rows_that_refer_to_nothing_are_refused_as_a_whole(full: Store, tmp_path: Path) -> None:
    tables = dumped(full)
    tables["annotations"][0]["image"] = 77

    with Store.open(tmp_path / "other") as other:
        with pytest.raises(StoreError, match="contradict one another"):
            other.dump.load(loader(tables))
        assert other.dump.is_empty()
