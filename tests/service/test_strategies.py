"""Which image comes next, for whom, and for how long."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sonoloop.errors import BusyError, NotFoundError
from sonoloop.records import Lease
from sonoloop.service.server import Service
from sonoloop.service.strategies import ATTEMPTS, STRATEGIES, Handed, hand_out, strategy
from sonoloop.store.annotations import NewAnnotation


def label(service: Service, image_id: str, reader: str = "r") -> None:
    service.store.annotations.save(NewAnnotation(image_id=image_id, reader=reader), None)


def ids(handed: list[Handed | None]) -> list[str]:
    return [one.image.image_id for one in handed if one]


def test_an_unknown_strategy_is_told_with_those_there_are() -> None:
    with pytest.raises(NotFoundError, match=r"unknown strategy 'magic' \(one of random, first"):
        strategy("magic")


@pytest.mark.parametrize("name", ["random", "first"])
def test_labelled_images_never_come_again_and_the_end_is_none(service: Service, name: str) -> None:
    seen = []
    while handed := service.next_image(name, reader="a"):
        seen.append(handed.image.image_id)
        label(service, handed.image.image_id, "a")

    assert sorted(seen) == sorted(service.store.images.labelled_ids())
    assert len(set(seen)) == len(seen) == 6


@pytest.mark.parametrize("name", ["random", "first"])
def test_no_image_is_lent_to_two_readers_and_a_late_one_waits(service: Service, name: str) -> None:
    handed = [service.next_image(name, reader=reader) for reader in "abcdef"]

    late = service.next_image(name, reader="g")

    assert len(set(ids(handed))) == 6
    assert late is None


def test_readers_without_a_name_are_one_reader(service: Service) -> None:
    nameless = service.next_image("first", reader="")
    again = service.next_image("first", reader="")
    named = service.next_image("first", reader="a")

    assert nameless
    assert nameless.lease.reader == "annotator"
    assert ids([nameless]) == ids([again])
    assert ids([named]) != ids([nameless])


def test_whoever_asks_again_gives_back_what_he_held(service: Service) -> None:
    for _ in range(20):
        service.next_image("random", reader="a")

    held = service.store.leases.of("a")

    assert len(held) == len(service.store.leases.active()) == 1


def test_a_lease_ends_when_its_time_is_over(service: Service) -> None:
    image_id = service.store.images.unlabelled_ids()[0]
    then = datetime.now(UTC) - timedelta(seconds=61)
    service.store.leases.take(image_id, "a", strategy="first", reason="", seconds=60, at=then)

    handed = service.next_image("first", reader="b")

    assert ids([handed]) == [image_id]


@pytest.mark.parametrize("end", ["submit", "skip", "not assessable", "release"])
def test_a_lease_ends_with_what_the_reader_does(service: Service, end: str) -> None:
    handed = service.next_image("first", reader="a")
    assert handed
    image_id = handed.image.image_id
    ways: dict[str, Callable[[], Any]] = {
        "submit": lambda: label(service, image_id, "a"),
        "skip": lambda: service.store.skips.add(image_id, "a", "skip", "a pen was drawn on it"),
        "not assessable": lambda: service.store.skips.add(image_id, "a", "not_assessable", ""),
        "release": lambda: service.store.leases.release(image_id, "a"),
    }

    ways[end]()

    assert service.store.leases.active() == []


def test_it_is_told_who_holds_it_until_when_and_why(service: Service) -> None:
    handed = service.next_image("first", reader="a")

    assert handed
    told = handed.as_json(at=handed.lease.taken_at)
    assert (told["reader"], told["strategy"]) == ("a", "first")
    assert told["reason"].endswith("known longest.")
    assert told["lease_seconds"] == service.settings.lease_s
    assert datetime.fromisoformat(told["lease_expires"]) == handed.lease.expires_at


@pytest.mark.parametrize("way", ["random", "first", "typiclust", "assigned"])
def test_a_viewer_of_dicom_gets_only_what_lies_in_the_archive(service: Service, way: str) -> None:
    picture = service.store.images.get(service.store.images.unlabelled_ids()[0])
    scan = replace(picture, image_id="1.2.3", locator="scan.dcm", sop_instance_uid="1.2.3")
    sent = replace(scan, image_id="sent", locator="sent.dcm", source="upload")
    service.store.images.upsert_many([sent, scan])
    if way == "assigned":
        service.store.assignments.to_readers([picture.image_id, "sent", "1.2.3"], ["a"])
    name = "first" if way == "assigned" else way

    handed = service.next_image(name, reader="a", in_archive=True)

    assert ids([handed]) == ["1.2.3"]
    label(service, "1.2.3", "a")
    assert service.next_image(name, reader="a", in_archive=True) is None
    assert service.next_image(name, reader="a") is not None


def test_what_is_assigned_by_name_comes_first_and_only_to_those_named(service: Service) -> None:
    last = service.store.images.unlabelled_ids()[-1]
    service.store.assignments.to_readers([last], ["a", "b"])

    mine = service.next_image("first", reader="a")
    others = [service.next_image("first", reader=reader) for reader in "cdefg"]
    waiting = service.next_image("first", reader="b")
    label(service, last, "a")
    after = service.next_image("first", reader="b")

    assert mine
    assert (mine.image.image_id, mine.lease.reason) == (last, "Assigned to you by name.")
    assert last not in ids(others)
    assert waiting is None
    assert ids([after]) == [last]


def test_an_image_for_two_readers_comes_to_each_once(service: Service) -> None:
    everything = service.store.images.unlabelled_ids()
    service.store.assignments.to_any(everything, 2)
    seen: dict[str, list[str]] = {}
    for reader in "abc":
        while handed := service.next_image("random", reader=reader):
            seen.setdefault(reader, []).append(handed.image.image_id)
            label(service, handed.image.image_id, reader)

    assert sorted(seen["a"]) == sorted(seen["b"]) == sorted(everything)
    assert "c" not in seen


def test_a_reader_whom_others_always_outrun_is_told_to_ask_again(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    def lost(image_id: str, *_: Any, **__: Any) -> Lease | None:
        tried.append(image_id)
        return None

    monkeypatch.setattr(service.store.leases, "take", lost)

    with pytest.raises(BusyError, match="ask again"):
        hand_out(service.store, "first", "a", seconds=60)
    assert len(tried) == ATTEMPTS


def test_who_was_handed_an_image_is_in_its_info(service: Service) -> None:
    handed = service.next_image("random", reader="a")

    assert handed
    info = service.store.images.get(handed.image.image_id).info
    assert info["strategy"]["random"]["client_id"] == "a"


def test_every_strategy_says_what_it_does() -> None:
    assert all(one.info()["description"] for one in STRATEGIES.values())
