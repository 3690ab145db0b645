import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sonoloop.errors import ConflictError, ModelError, NotFoundError, StoreError
from sonoloop.store import Store

Register = Callable[..., Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model folder as a training leaves it."""
    made = tmp_path / "run"
    (made / "openvino").mkdir(parents=True)
    for name in ("weights.safetensors", "card.json", "openvino/model.xml"):
        (made / name).write_text(name)
    return made


def card(model_id: str, task: str = "segmentation", **more: Any) -> dict[str, Any]:
    return {"model_id": model_id, "task": task, "architecture": "unet"} | more


class TestRegistering:
    def test_the_folder_is_copied_and_listed(self, store: Store, folder: Path) -> None:
        stated = card("seg-1", parent_id="seg-0", metrics={"dice": 0.9, "loss": float("nan")})

        model = store.models.register(stated, folder)

        assert model.directory == store.paths.models / "seg-1"
        assert (model.directory / "openvino/model.xml").read_text() == "openvino/model.xml"
        assert (folder / "card.json").exists()
        assert (model.parent_id, model.serving) == ("seg-0", False)
        assert store.models.list() == [store.models.get("seg-1")]
        assert store.models.get("seg-1").metrics == {"dice": 0.9, "loss": None}

    @pytest.mark.parametrize("missing", ["weights.safetensors", "card.json"])
    def test_an_incomplete_folder_is_refused(
        self, store: Store, folder: Path, missing: str
    ) -> None:
        (folder / missing).unlink()

        with pytest.raises(ModelError, match=f"has no {missing}"):
            store.models.register(card("seg-1"), folder)

        assert list(store.paths.models.iterdir()) == []

    def test_a_full_disk_is_told_and_nothing_is_left(
        self, store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: Any, **__: Any) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(shutil, "copyfile", full)

        with pytest.raises(StoreError, match=r"No space left on device.*make room"):
            store.models.register(card("seg-1"), folder)

        assert list(store.paths.models.iterdir()) == []

    @pytest.mark.parametrize(
        ("stated", "told"),
        [
            ({"task": "segmentation"}, "states no model_id, architecture"),
            (card("seg-1", task="detection"), "unknown task 'detection'"),
            (card("../seg-1"), "not an identifier"),
        ],
    )
    def test_a_card_that_is_none_is_refused(
        self, store: Store, folder: Path, stated: dict[str, Any], told: str
    ) -> None:
        with pytest.raises(ModelError, match=told):
            store.models.register(stated, folder)

    def test_a_version_is_never_replaced(self, store: Store, folder: Path) -> None:
        store.models.register(card("seg-1"), folder)
        (folder / "card.json").write_text("another")

        with pytest.raises(ConflictError, match="'seg-1' is registered already"):
            store.models.register(card("seg-1"), folder)

        assert (store.paths.models / "seg-1/card.json").read_text() == "card.json"
        assert [p.name for p in store.paths.models.iterdir()] == ["seg-1"]

    def test_what_a_crash_left_before_the_row_is_replaced(self, store: Store, folder: Path) -> None:
        (store.paths.models / "seg-1").mkdir()
        (store.paths.models / "seg-1/stale").touch()

        model = store.models.register(card("seg-1"), folder)

        assert not (model.directory / "stale").exists()
        assert (model.directory / "weights.safetensors").exists()


class TestServing:
    def test_one_model_serves_each_task(self, store: Store, folder: Path) -> None:
        for stated in (card("seg-1"), card("seg-2"), card("cls-1", "classification")):
            store.models.register(stated, folder)
            store.models.publish(stated["model_id"])

        serving = [store.models.serving("segmentation"), store.models.serving("classification")]

        assert [model.model_id for model in serving if model] == ["seg-2", "cls-1"]
        assert [(m.model_id, m.serving) for m in store.models.list("segmentation")] == [
            ("seg-1", False),
            ("seg-2", True),
        ]

    def test_an_older_version_can_serve_again(self, store: Store, folder: Path) -> None:
        for model_id in ("seg-1", "seg-2"):
            store.models.register(card(model_id), folder)
            store.models.publish(model_id)

        assert store.models.publish("seg-1").serving

        assert store.models.get("seg-1").serving
        assert not store.models.get("seg-2").serving

    def test_nothing_serves_before_the_first_was_published(self, store: Store) -> None:
        assert store.models.serving("segmentation") is None

    @pytest.mark.parametrize("call", ["publish", "get"])
    def test_an_unknown_model_is_told(self, store: Store, call: str) -> None:
        with pytest.raises(NotFoundError, match="unknown model 'seg-9'"):
            getattr(store.models, call)("seg-9")
