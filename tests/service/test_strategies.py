"""Which image comes next, and for whom."""

import pytest

from sonoloop.errors import NotFoundError
from sonoloop.service.server import Service
from sonoloop.service.strategies import STRATEGIES, Leases, next_image, strategy
from sonoloop.store.annotations import NewAnnotation


def label(service: Service, image_id: str) -> None:
    service.store.annotations.save(NewAnnotation(image_id=image_id, tag="final", reader="r"), None)


def test_an_unknown_strategy_is_told_with_those_there_are() -> None:
    with pytest.raises(NotFoundError, match=r"unknown strategy 'magic' \(one of random, first\)"):
        strategy("magic")


@pytest.mark.parametrize("name", list(STRATEGIES))
def test_labelled_images_never_come_again_and_the_end_is_none(service: Service, name: str) -> None:
    seen = []
    while record := service.next_image(name, client="a"):
        seen.append(record.image_id)
        label(service, record.image_id)

    assert sorted(seen) == sorted(service.store.images.labelled_ids())
    assert len(set(seen)) == len(seen) == 6


def test_two_clients_are_handed_different_images_until_nothing_else_is_left(
    service: Service,
) -> None:
    handed = {client: service.next_image("first", client=client) for client in "abcdef"}
    ids = {record.image_id for record in handed.values() if record}

    late = service.next_image("first", client="g")

    assert len(ids) == 6
    assert late is not None
    assert late.image_id in ids


def test_the_same_client_keeps_its_image_and_a_nameless_one_keeps_none(service: Service) -> None:
    first = service.next_image("first", client="")

    again = service.next_image("first", client="a")
    same = service.next_image("first", client="a")

    assert first
    assert again
    assert same
    assert first.image_id == again.image_id == same.image_id


def test_a_lease_ends(service: Service) -> None:
    leases = Leases(lease_s=0.0)
    first = next_image(service.store.images, leases, "first", client="a")

    second = next_image(service.store.images, leases, "first", client="b")

    assert first == second


def test_who_was_handed_an_image_is_in_its_info(service: Service) -> None:
    record = service.next_image("random", client="a")

    assert record is not None
    info = service.store.images.get(record.image_id).info
    assert info["strategy"]["random"]["client_id"] == "a"
