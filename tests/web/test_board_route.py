"""The dashboard's routes over HTTP."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

AT_MOST_S = 30.0


@pytest.fixture
def submit(label_file: Callable[..., Path]) -> Callable[..., None]:
    """Submits the drawn lesion of an image as a reader."""

    def submitting(site: Any, image: str, reader: str, pathology: str = "benign") -> None:
        params = {"reader": reader, "pathology": pathology}
        site.client.save_label(image, str(label_file(site.lesion)), params=params)

    return submitting


def events(lines: Iterator[str]) -> Iterator[tuple[str, Any]]:
    """Name and content of each event of a stream."""
    name = ""
    for line in lines:
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data" and value:
            yield name, json.loads(value)


def test_the_snapshot_holds_every_part_of_the_first_screen(shared_site: Any) -> None:
    board = shared_site.http.get("/sonoloop/board").json()

    assert set(board) == {
        "server",
        "labelling",
        "models",
        "queue",
        "leases",
        "quality",
        "outbox",
    }
    assert board["server"]["pipeline"]["state"] == "ready"
    assert board["labelling"]["progress"]["total"] == len(shared_site.ids)
    assert board["models"]["segmentation"]["versions"][0]["serving"]


def test_a_label_is_in_the_very_next_snapshot(site: Any, submit: Callable[..., None]) -> None:
    submit(site, site.ids[0], "Dr <b>Marsh</b>")

    board = site.http.get("/sonoloop/board").json()["labelling"]

    assert board["progress"]["labelled"] == 1
    assert [reader["reader"] for reader in board["readers"]] == ["Dr <b>Marsh</b>"]


def test_an_image_to_look_at_is_lent_to_nobody(shared_site: Any) -> None:
    image = shared_site.http.get("/sonoloop/board/image").json()["id"]

    assert image in shared_site.ids
    assert shared_site.service.store.leases.active() == []


def test_the_stream_tells_what_is_and_then_what_changes(
    site: Any, submit: Callable[..., None]
) -> None:
    site.service.store.assignments.to_any([site.ids[0]], 2)
    with site.http.stream("GET", "/sonoloop/board/stream") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["x-accel-buffering"] == "no"
        assert "no-transform" in answer.headers["cache-control"]
        told = events(answer.iter_lines())
        first = dict(next(told) for _ in range(3))
        for reader in ("ann", "bob"):
            submit(site, site.ids[0], reader)
        shown = first
        deadline = time.monotonic() + AT_MOST_S
        while not _has_pairs(shown) or shown["board"]["labelling"]["progress"]["labelled"] < 1:
            assert time.monotonic() < deadline, shown
            shown = shown | dict([next(told)])

    assert set(first) == {"board", "trainings", "agreement"}
    (pair,) = shown["agreement"]["agreement"]["pairs"]
    assert (pair["readers"], pair["dice"]) == (["ann", "bob"], 1.0)


def _has_pairs(shown: dict[str, Any]) -> bool:
    agreement = shown["agreement"]["agreement"]
    return bool(agreement and agreement["pairs"])
