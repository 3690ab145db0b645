"""How long it takes until the version before answers again."""

import dataclasses
import shutil
import time
from pathlib import Path
from typing import Any, Final

import numpy as np

from sonoloop.errors import ModelError
from sonoloop.inference.compile import ensure_compiled
from sonoloop.inference.shipped import shipped_model
from sonoloop.networks.card import WEIGHTS_FILE, read_card, write_card
from sonoloop.records import ModelRecord
from sonoloop.service.inference import TASKS, InferenceService
from sonoloop.settings import PipelineSettings
from sonoloop.store.files import sha256_of_file
from sonoloop.store.store import Store

LOAD_S: Final = 600.0


def measure_rollback(workspace: Path, *, rounds: int) -> dict[str, Any]:
    """Seconds from asking for the version before until it answers requests.

    Two versions of the shipped segmenter take turns; the second is a copy under another name.

    Args:
        workspace: An empty folder.
        rounds: Rollbacks measured with both versions in memory. One more is measured as after a
            restart, when the version before is compiled on the disk and not in memory.

    Raises:
        ModelError: If a model is not shipped, cannot be loaded, or other bytes come back.
    """
    ensure_compiled(*(shipped_model(task) for task in TASKS))
    with Store.open(workspace) as store:
        first, second = _two_versions(store, workspace)
        digest = sha256_of_file(first.directory / WEIGHTS_FILE)
        seconds = []
        inference = _answering(store)
        for _ in range(rounds):
            _publish(store, inference, second)
            seconds.append(_seconds_back(store, inference))
            _raise_if_other(first, digest)
        _publish(store, inference, second)
        fresh = _seconds_back(store, _answering(store))
    return {
        "rounds": rounds,
        "p50_ms": 1000 * float(np.median(seconds)),
        "max_ms": 1000 * max(seconds),
        "after_restart_ms": 1000 * fresh,
        "weights_sha256": digest,
    }


def _two_versions(store: Store, workspace: Path) -> tuple[ModelRecord, ModelRecord]:
    records = []
    for task in TASKS:
        folder = shipped_model(task)
        record = store.models.register(read_card(folder).as_dict(), folder)
        store.models.publish(record.model_id, kind="shipped", actor="bench")
        records.append(record)
    copy = workspace / "copy"
    shutil.copytree(records[0].directory, copy)
    card = dataclasses.replace(read_card(copy), model_id=f"{records[0].model_id}-again")
    write_card(copy, card)
    return records[0], store.models.register(card.as_dict(), copy)


def _answering(store: Store) -> InferenceService:
    inference = InferenceService(store.models, PipelineSettings(device="cpu"))
    _wait(store, inference)
    return inference


def _publish(store: Store, inference: InferenceService, model: ModelRecord) -> None:
    store.models.publish(model.model_id, actor="bench")
    _wait(store, inference)


def _seconds_back(store: Store, inference: InferenceService) -> float:
    began = time.perf_counter()
    store.models.rollback("segmentation", actor="bench")
    _wait(store, inference)
    return time.perf_counter() - began


def _wait(store: Store, inference: InferenceService) -> None:
    if not inference.wait_for(store.models.generation().number, timeout_s=LOAD_S):
        raise ModelError(f"the models are not loaded: {inference.failure or 'too slow'}")


def _raise_if_other(model: ModelRecord, digest: str) -> None:
    found = sha256_of_file(model.directory / WEIGHTS_FILE)
    if found != digest:
        raise ModelError(f"{model.model_id} came back with other bytes: sha256 {found}")
