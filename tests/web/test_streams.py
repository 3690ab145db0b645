"""Server-sent events: what is told, when a stream ends, and how many there may be."""

import asyncio
from collections.abc import Callable, Iterable

import pytest

from sonoloop.errors import BusyError, StoreError
from sonoloop.web import streams
from sonoloop.web.streams import Event, Streams

FIRST = "retry: 2000\n\n"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "PACE_S", 0.002)
    monkeypatch.setattr(streams, "NOTICE_S", 0.001)


class Shown:
    """What is to be shown, look by look; the server ends with the last one."""

    def __init__(self, *looks: Iterable[Event]) -> None:
        self._looks = list(looks)

    @property
    def is_open(self) -> bool:
        return bool(self._looks)

    async def __call__(self) -> Iterable[Event]:
        return self._looks.pop(0)


def told(shown: Shown) -> list[str]:
    """Every frame of a stream until it ends."""

    async def read() -> list[str]:
        response = Streams(lambda: shown.is_open).open(shown)
        return [str(frame) async for frame in response.body_iterator]

    return asyncio.run(read())


def test_only_what_has_changed_is_told() -> None:
    frames = told(
        Shown(
            [("board", "1", "{}"), ("trainings", "1", "[]")],
            [("board", "1", "{}"), ("trainings", "2", "[7]")],
        )
    )

    assert frames == [
        FIRST,
        "event: board\nid: 1\ndata: {}\n\nevent: trainings\nid: 1\ndata: []\n\n",
        "event: trainings\nid: 2\ndata: [7]\n\n",
    ]


def test_a_silent_stream_beats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "BEAT_S", 0.0)

    frames = told(Shown([("board", "1", "{}")], [("board", "1", "{}")]))

    assert frames[-1] == "event: beat\ndata: \n\n"


def test_a_stream_ends_after_its_life(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "LIFE_S", 0.0)

    assert told(Shown([("board", "1", "{}")])) == [FIRST]


def test_a_store_that_fails_ends_the_stream_without_an_error() -> None:
    async def failing() -> Iterable[Event]:
        raise StoreError("the disk is away")

    async def read() -> list[str]:
        return [str(frame) async for frame in Streams(lambda: True).open(failing).body_iterator]

    assert asyncio.run(read()) == [FIRST]


def test_too_many_are_refused_and_those_that_end_make_room() -> None:
    async def one_after_another() -> tuple[int, int]:
        several = Streams(lambda: True, limit=1)
        shown = Shown([("board", "1", "{}")])
        first = several.open(shown).body_iterator.__aiter__()
        await first.__anext__()
        during = several.count
        with pytest.raises(BusyError, match="1 windows watch this server already"):
            several.open(shown)
        await first.aclose()  # type: ignore[attr-defined]
        return during, several.count

    assert asyncio.run(one_after_another()) == (1, 0)


@pytest.mark.parametrize("ends", [True, False])
def test_the_end_of_the_web_server_is_found_by_its_handler_of_signals(
    monkeypatch: pytest.MonkeyPatch, ends: bool
) -> None:
    class WebServer:
        should_exit = ends

        def handle_exit(self) -> None:
            """What a server is called back by."""

    handler: Callable[[], None] = WebServer().handle_exit
    monkeypatch.setattr("signal.getsignal", lambda _number: handler)
    shown = Shown([("board", "1", "{}")])

    frames = told(shown)

    assert len(frames) == (1 if ends else 2)
