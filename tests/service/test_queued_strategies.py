"""Strategies whose queue is made in the background."""

import pytest

from sonoloop.active_learning.candidates import Proposal
from sonoloop.active_learning.registry import STRATEGIES as RANKING
from sonoloop.service.server import Service
from sonoloop.service.strategies import NOT_QUEUED, STRATEGIES
from sonoloop.store.annotations import NewAnnotation

QUEUED = [name for name, ranking in RANKING.items() if ranking.needs]


def test_clients_are_offered_every_strategy(service: Service) -> None:
    offered = service.info.get()["strategies"]

    assert set(offered) == set(STRATEGIES) == {*RANKING, "first"}
    assert all(entry["description"] for entry in offered.values())


@pytest.mark.parametrize("name", QUEUED)
def test_the_head_of_the_queue_comes_with_its_reason(service: Service, name: str) -> None:
    wanted = service.store.images.unlabelled_ids()[3]
    service.store.acquisition.set_queue(
        name, "m", [Proposal(wanted, 0.9, "Because it is the fourth.")], labels=0
    )

    handed = service.next_image(name, reader="a")

    assert handed
    assert handed.image.image_id == wanted
    assert (handed.lease.strategy, handed.lease.reason) == (name, "Because it is the fourth.")


@pytest.mark.parametrize("name", QUEUED)
def test_without_a_queue_every_image_still_comes(service: Service, name: str) -> None:
    seen = []
    while handed := service.next_image(name, reader="a"):
        assert handed.lease.reason == NOT_QUEUED
        seen.append(handed.image.image_id)
        service.store.annotations.save(
            NewAnnotation(image_id=handed.image.image_id, reader="a"), None
        )

    assert sorted(seen) == sorted(service.store.images.labelled_ids())
    assert len(seen) == 6


def test_two_readers_walk_the_queue_without_meeting(service: Service) -> None:
    ids = service.store.images.unlabelled_ids()
    ranked = [Proposal(image_id, 0.0, f"Rank {n}.") for n, image_id in enumerate(ids[::-1])]
    service.store.acquisition.set_queue("entropy", "m", ranked, labels=0)

    first, second = (service.next_image("entropy", reader=reader) for reader in "ab")
    again = service.next_image("entropy", reader="a")

    assert first
    assert second
    assert again
    assert [one.lease.reason for one in (first, second, again)] == ["Rank 0.", "Rank 1.", "Rank 0."]
