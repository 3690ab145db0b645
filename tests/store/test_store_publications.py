from collections.abc import Callable
from pathlib import Path

import pytest

from sonoloop.errors import ConflictError, ModelError, NotFoundError
from sonoloop.records import ModelTask
from sonoloop.store import Store

Register = Callable[..., None]


@pytest.fixture
def register(store: Store, tmp_path: Path) -> Register:
    """Registers models, each with weights of its own."""

    def registering(*model_ids: str, task: ModelTask = "segmentation") -> None:
        for model_id in model_ids:
            folder = tmp_path / "made" / model_id
            folder.mkdir(parents=True)
            (folder / "weights.safetensors").write_bytes(model_id.encode())
            (folder / "card.json").write_text("{}")
            card = {"model_id": model_id, "task": task, "architecture": "unet"}
            store.models.register(card, folder)

    return registering


def serving(store: Store, task: ModelTask = "segmentation") -> str | None:
    found = store.models.serving(task)
    return found.model_id if found else None


class TestHistory:
    def test_every_publication_says_who_and_why(self, store: Store, register: Register) -> None:
        register("a", "b")

        store.models.publish("a", kind="shipped", actor="sonoloop", reason="the first")
        store.models.publish("b", actor="ada", reason="looks better")

        newest, oldest = store.models.history("segmentation")
        assert (oldest.model_id, oldest.replaced, oldest.kind) == ("a", None, "shipped")
        assert (newest.model_id, newest.replaced, newest.kind) == ("b", "a", "hand")
        assert (newest.actor, newest.reason) == ("ada", "looks better")
        assert newest.number > oldest.number

    def test_publishing_what_serves_already_is_no_publication(
        self, store: Store, register: Register
    ) -> None:
        register("a")
        store.models.publish("a")

        store.models.publish("a")

        assert len(store.models.history()) == 1

    def test_a_generation_names_both_models_of_one_moment(
        self, store: Store, register: Register
    ) -> None:
        assert store.models.generation().models == {}
        register("a", "b")
        register("c", task="classification")
        for model_id in ("a", "c"):
            store.models.publish(model_id)
        before = store.models.generation()

        store.models.publish("b")

        after = store.models.generation()
        assert {task: model.model_id for task, model in after.models.items()} == {
            "segmentation": "b",
            "classification": "c",
        }
        assert after.number > before.number


class TestGoingBack:
    def test_rolling_back_goes_one_version_further_each_time(
        self, store: Store, register: Register
    ) -> None:
        register("a", "b", "c")
        for model_id in ("a", "b", "c"):
            store.models.publish(model_id)

        back = [store.models.rollback("segmentation").model_id for _ in range(2)]

        assert back == ["b", "a"]
        with pytest.raises(ConflictError, match="no segmentation model to go back to"):
            store.models.rollback("segmentation")
        assert [p.kind for p in store.models.history()][:2] == ["rollback", "rollback"]

    def test_what_was_rolled_back_is_not_gone_back_to(
        self, store: Store, register: Register
    ) -> None:
        register("a", "b", "c")
        store.models.publish("a")
        store.models.publish("b")
        store.models.rollback("segmentation", actor="ada", reason="odd outlines")
        store.models.publish("c")

        assert store.models.rollback("segmentation").model_id == "a"

    def test_a_task_that_nothing_serves_has_no_way_back(self, store: Store) -> None:
        with pytest.raises(ConflictError, match="none served before"):
            store.models.rollback("classification")

    @pytest.mark.parametrize("call", ["rollback", "publish"])
    def test_changed_weights_never_serve_again(
        self, store: Store, register: Register, call: str
    ) -> None:
        register("a", "b")
        store.models.publish("a")
        store.models.publish("b")
        (store.paths.models / "a/weights.safetensors").write_bytes(b"torn")

        with pytest.raises(ModelError, match="the weights of a have changed"):
            getattr(store.models, call)("segmentation" if call == "rollback" else "a")

        assert serving(store) == "b"

    def test_lost_weights_are_told(self, store: Store, register: Register) -> None:
        register("a")
        (store.paths.models / "a/weights.safetensors").unlink()

        with pytest.raises(ModelError, match="the weights of a cannot be read"):
            store.models.publish("a")


class TestPins:
    def test_nothing_takes_the_place_of_a_pinned_model(
        self, store: Store, register: Register
    ) -> None:
        register("a", "b", "c")
        store.models.publish("a")
        store.models.publish("b")

        pin = store.models.pin("b", actor="ada", reason="study in progress")

        assert store.models.pins() == {"segmentation": pin}
        with pytest.raises(ConflictError, match="pinned to b by ada: study in progress"):
            store.models.publish("c")
        with pytest.raises(ConflictError, match="pinned to b"):
            store.models.rollback("segmentation")
        assert serving(store) == "b"

    def test_an_unpinned_model_is_replaced_again(self, store: Store, register: Register) -> None:
        register("a", "b")
        store.models.publish("a")
        store.models.pin("a")

        store.models.unpin("segmentation")
        store.models.unpin("classification")
        store.models.publish("b")

        assert serving(store) == "b"
        assert store.models.pins() == {}

    def test_only_what_serves_can_be_pinned(self, store: Store, register: Register) -> None:
        register("a")

        with pytest.raises(ConflictError, match="'a' does not serve segmentation"):
            store.models.pin("a")
        with pytest.raises(NotFoundError, match="unknown model 'z'"):
            store.models.pin("z")


class TestMeasuredAgainst:
    def test_a_candidate_measured_against_another_model_is_not_published(
        self, store: Store, register: Register
    ) -> None:
        register("a", "b", "c")
        store.models.publish("a")
        store.models.publish("b")

        with pytest.raises(ConflictError, match="b serves by now, not a"):
            store.models.publish("c", kind="gate", instead_of="a")

        assert store.models.publish("c", kind="gate", instead_of="b").serving
