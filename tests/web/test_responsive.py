"""The server answers while inference is busy, and says so when it is too busy."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest

from sonoloop.records import Findings
from sonoloop.service import inference
from sonoloop.settings import PipelineSettings

CLIENTS = 8


class Gate:
    """A pipeline that stands still until it is opened."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.opened = threading.Event()

    def load(self, _: Path, __: Path, ___: PipelineSettings) -> Callable[[Any], Findings]:
        def pipeline(image: Any) -> Findings:
            self.began.set()
            assert self.opened.wait(60)
            return Findings(
                mask=image.pixels > 150,
                probability_map=image.pixels / 255,
                lesions=(),
                probabilities={},
                pathology="normal",  # type: ignore[arg-type]
                spacing_mm=None,
                models={},
                seconds=0.0,
            )

        return pipeline


@pytest.fixture
def busy(
    make_site: Callable[..., AbstractContextManager[Any]], monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Any, Gate]]:
    """A server on which eight inferences wait, and the gate that lets them through."""
    monkeypatch.setattr(inference, "MAX_WAITING", CLIENTS)
    gate = Gate()
    with make_site(load_pipeline=gate.load) as site, ThreadPoolExecutor(CLIENTS) as pool:
        address = f"{site.url}/infer/lesion?image={site.ids[0]}&output=json"
        asking = [pool.submit(httpx.post, address, timeout=60) for _ in range(CLIENTS)]
        try:
            assert gate.began.wait(60)
            yield site, gate
        finally:
            gate.opened.set()
        assert [future.result().status_code for future in asking] == [200] * CLIENTS


def test_everything_else_answers_while_inference_is_busy(busy: tuple[Any, Gate]) -> None:
    site, _ = busy

    replies = [
        site.http.get("/info/"),
        site.http.post("/activelearning/first", json={}),
        site.http.get(f"/datastore/image?image={site.ids[0]}"),
        site.http.get("/datastore/?output=all"),
        site.http.put(f"/datastore/image/info?image={site.ids[0]}", data={"info": "{}"}),
    ]

    assert {reply.status_code for reply in replies} == {200}


def test_one_request_too_many_is_told_to_come_again(
    busy: tuple[Any, Gate], until: Callable[..., None]
) -> None:
    site, _ = busy
    address = f"/infer/lesion?image={site.ids[0]}"
    until(lambda: site.service.inference._waiting == CLIENTS)

    reply = site.http.post(address)

    assert (reply.status_code, reply.json()["code"]) == (429, "busy")
    assert reply.headers["retry-after"] == "2"
