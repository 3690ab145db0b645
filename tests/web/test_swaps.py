"""Models that change under load: every request is answered, by two models of one moment."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx

from sonoloop.networks.card import ModelCard, write_card
from sonoloop.records import ModelTask

SWAPS = 50
CLIENTS = 4


def register(site: Any, folder: Path, model_id: str, task: ModelTask) -> None:
    folder = folder / model_id
    folder.mkdir(parents=True)
    (folder / "weights.safetensors").write_bytes(model_id.encode())
    card = ModelCard(model_id=model_id, task=task, architecture="fake")
    write_card(folder, card)
    site.service.store.models.register(card.as_dict(), folder)


def serving(site: Any) -> tuple[int, tuple[str, str]]:
    generation = site.service.store.models.generation()
    tasks: tuple[ModelTask, ...] = ("segmentation", "classification")
    first, second = (generation.models[task].model_id for task in tasks)
    return generation.number, (first, second)


def test_fifty_swaps_under_load_fail_no_request_and_mix_no_models(
    make_site: Callable[..., AbstractContextManager[Any]], tmp_path: Path
) -> None:
    answers: list[tuple[int, tuple[str, str]]] = []
    over = threading.Event()

    def ask(url: str, image_id: str) -> None:
        with httpx.Client(base_url=url, timeout=60) as http:
            while not over.is_set():
                reply = http.post("/infer/lesion", params={"image": image_id, "output": "json"})
                models = reply.json()["models"] if reply.status_code == 200 else {}
                pair = (models.get("segmentation", ""), models.get("classification", ""))
                answers.append((reply.status_code, pair))

    with make_site() as site, ThreadPoolExecutor(CLIENTS) as pool:
        for number in range(1, 4):
            register(site, tmp_path / "made", f"segmentation-{number}", "segmentation")
            register(site, tmp_path / "made", f"classification-{number}", "classification")
        published = {serving(site)[1]}
        asking = [pool.submit(ask, site.url, site.ids[n]) for n in range(CLIENTS)]
        for swap in range(SWAPS):
            task = ("segmentation", "classification")[swap % 2]
            site.service.store.models.publish(f"{task}-{swap // 2 % 4}", reason="a swap")
            number, pair = serving(site)
            published.add(pair)
            assert site.service.inference.wait_for(number, timeout_s=60)
        over.set()
        for one in asking:
            one.result(60)

    assert {status for status, _ in answers} == {200}
    served = {pair for _, pair in answers}
    assert served <= published
    assert len(served) > 3
