"""What the archive has of an annotation is taken back when the annotation is."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from archives import FakeArchive
from outbox_site import NOW, PowerCutError, Site, record
from sonoloop.service.delivery import SWITCHED_OFF, WITHDRAWN, Delivery
from sonoloop.settings import WriteBackSettings
from sonoloop.store import Store

IMAGE = "1.1"


def withdraw(site: Site) -> None:
    site.store.annotations.withdraw(IMAGE, "final")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path / "workspace")
    made.store.images.upsert_many([record(IMAGE)])
    yield made
    made.outbox.close()
    made.store.close()


def test_what_was_archived_is_rejected(site: Site) -> None:
    site.say(IMAGE)
    site.drain()
    sent = {one.address.instance for one in site.entries()[0].documents}

    withdraw(site)
    assert site.states() == ["waiting"]
    site.drain()

    assert site.states() == ["verified"]
    assert site.kinds() == ["segmentation", "report", "rejection"]
    assert set(site.archive.said()[-1].split()[3:]) == sent
    assert [one.kind for one in site.entries()[0].documents] == [
        "segmentation",
        "report",
        "rejection",
    ]


def test_what_is_rejected_is_neither_sent_nor_asked_for_again(site: Site) -> None:
    site.say(IMAGE)
    site.drain()
    hidden = list(site.archive.kept)
    withdraw(site)
    for instance in hidden:  # as archives do that follow the note
        del site.archive.kept[instance]

    site.drain()
    site.reopen()
    site.drain()

    assert site.states() == ["verified"]
    assert site.kinds() == ["rejection"]
    assert set(site.archive.stored.values()) == {1}


def test_what_is_withdrawn_on_its_way_is_rejected_once_it_arrived(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, real = site.archive.store, site.archive.store

    def withdrawing(study: str, instances: Any) -> None:
        real(study, instances)
        monkeypatch.setattr(site.archive, "store", store)
        withdraw(site)

    site.say(IMAGE)
    monkeypatch.setattr(site.archive, "store", withdrawing)
    site.drain()

    assert site.states() == ["verified"]
    assert site.kinds() == ["segmentation", "report", "rejection"]


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (Delivery, "_write"),
        (Store, "outbox.keep_documents"),
        (FakeArchive, "store"),
        (Store, "outbox.mark_sent"),
        (FakeArchive, "retrieve"),
        (Store, "outbox.mark_verified"),
    ],
    ids=lambda one: getattr(one, "__name__", one),
)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_crash_between_any_two_steps_sends_one_note(
    site: Site, owner: Any, name: str, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.say(IMAGE)
    site.drain()
    withdraw(site)
    target = type(site.store.outbox) if owner is Store else owner
    method = name.rpartition(".")[2]
    real = getattr(target, method)

    def dying(*arguments: Any, **named: Any) -> Any:
        if moment == "after":
            real(*arguments, **named)
        raise PowerCutError

    with monkeypatch.context() as patch:
        patch.setattr(target, method, dying)
        with pytest.raises(PowerCutError):
            site.drain()
    site.reopen()
    site.drain()

    assert site.states() == ["verified"]
    assert site.kinds() == ["segmentation", "report", "rejection"]


def test_after_a_crash_what_the_archive_hides_since_the_note_is_not_sent_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.say(IMAGE)
    site.drain()
    rejected = list(site.archive.kept)
    withdraw(site)

    def dying(*_: Any) -> None:
        raise PowerCutError

    with monkeypatch.context() as patch:
        patch.setattr(type(site.store.outbox), "mark_verified", dying)
        with pytest.raises(PowerCutError):
            site.drain()
    assert site.states() == ["sent"]
    for instance in rejected:
        del site.archive.kept[instance]
    site.reopen()
    site.drain()

    assert site.states() == ["verified"]
    assert site.kinds() == ["rejection"]


def test_while_the_archive_is_away_the_note_waits(site: Site) -> None:
    site.say(IMAGE)
    site.drain()
    site.archive.away = True
    withdraw(site)
    site.outbox.step(NOW)
    assert site.states() == ["waiting"]

    site.archive.away = False
    site.drain(NOW + timedelta(minutes=2))

    assert site.kinds()[-1] == "rejection"


def test_a_later_answer_goes_after_the_note(site: Site) -> None:
    site.say(IMAGE)
    site.drain()
    withdraw(site)
    site.say(IMAGE)
    site.drain()

    assert site.states() == ["verified", "verified"]
    assert site.kinds() == ["segmentation", "report", "rejection", "segmentation", "report"]


def test_what_never_went_needs_no_note(site: Site) -> None:
    site.say(IMAGE)
    withdraw(site)
    site.drain()

    assert [(entry.state, entry.problem) for entry in site.entries()] == [("off", WITHDRAWN)]
    assert site.kinds() == []


def test_where_nothing_is_written_nothing_is_taken_back(site: Site) -> None:
    site.say(IMAGE)
    site.drain()
    withdraw(site)
    site.settings = WriteBackSettings(write_seg=False, write_sr=False)
    site.reopen()
    site.drain()

    assert [(entry.state, entry.problem) for entry in site.entries()] == [("off", SWITCHED_OFF)]
    assert site.kinds() == ["segmentation", "report"]


def test_a_note_that_cannot_be_made_holds_up_nothing(site: Site) -> None:
    site.say(IMAGE)
    site.drain()
    withdraw(site)
    site.say(IMAGE, "bob")
    site.archive.refuses = True
    site.outbox.step(NOW)
    site.archive.refuses = False
    site.drain()

    assert site.states() == ["failed", "verified"]
