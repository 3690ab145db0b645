from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from sonoloop.errors import InvalidRequestError, StoreError
from sonoloop.store import Store
from sonoloop.store.events import EVENT_KINDS, NewEvent, record_events
from sonoloop.store.schema_events import KIND_LENGTH


def test_an_event_tells_who_what_and_when(store: Store) -> None:
    before = datetime.now(UTC)

    store.events.append(
        "annotation_saved", actor="ann", image_id="a", model_id="m1", details={"revision": 2}
    )

    [event] = store.events.list()
    assert (event.kind, event.actor) == ("annotation_saved", "ann")
    assert (event.image_id, event.model_id, event.details) == ("a", "m1", {"revision": 2})
    assert before <= event.created_at <= datetime.now(UTC)


def test_events_are_found_by_image_actor_model_and_kind(store: Store) -> None:
    store.events.append("skip", actor="ann", image_id="a")
    store.events.append("skip", actor="bob", image_id="b")
    store.events.append("model_published", actor="ann", model_id="m1")

    found = store.events.list
    assert [event.actor for event in found(image_id="a")] == ["ann"]
    assert [event.image_id for event in found(kind="skip")] == ["b", "a"]
    assert [event.kind for event in found(actor="ann")] == ["model_published", "skip"]
    assert [event.kind for event in found(model_id="m1")] == ["model_published"]
    assert found(actor="bob", image_id="a") == []


def test_pages_of_events_follow_one_another(store: Store) -> None:
    for number in range(5):
        store.events.append("skip", actor=f"r{number}")

    first = store.events.list(limit=2)
    second = store.events.list(limit=2, before=first[-1].event_id)

    assert [event.actor for event in first + second] == ["r4", "r3", "r2", "r1"]


def test_a_page_without_events_cannot_be_asked_for(store: Store) -> None:
    with pytest.raises(InvalidRequestError, match="a page of 0 events"):
        store.events.list(limit=0)


def test_many_events_are_logged_in_their_order(store: Store) -> None:
    new = [NewEvent(kind="image_registered", actor="x", image_id=f"i{n}") for n in range(1200)]

    with store._database.writing() as session:
        record_events(session, new)

    logged = store.events.list(limit=None)
    assert [event.image_id for event in reversed(logged)] == [event.image_id for event in new]


def test_an_event_is_not_kept_when_what_it_tells_is_not(store: Store) -> None:
    def change_of_mind() -> None:
        with store._database.writing() as session:
            record_events(session, [NewEvent(kind="skip", actor="ann")])
            raise RuntimeError("changed my mind")

    with pytest.raises(RuntimeError, match="changed my mind"):
        change_of_mind()

    assert store.events.list() == []


@pytest.mark.parametrize("change", ["UPDATE events SET actor = 'eve'", "DELETE FROM events"])
def test_the_database_itself_refuses_to_change_the_log(store: Store, change: str) -> None:
    store.events.append("skip", actor="ann", image_id="a")

    with (
        pytest.raises((StoreError, IntegrityError), match="append-only"),
        store._database.writing() as session,
    ):
        session.execute(text(change))

    assert [event.actor for event in store.events.list()] == ["ann"]


def test_every_kind_fits_its_column() -> None:
    assert max(map(len, EVENT_KINDS)) <= KIND_LENGTH
