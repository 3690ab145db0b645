"""Scores of images under model versions, and queues of strategies."""

from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import pytest

from sonoloop.active_learning.candidates import SCORE_NAMES, Proposal
from sonoloop.records import ImageRecord
from sonoloop.store import Store
from sonoloop.store.acquisition import QueueState, Scored
from sonoloop.store.annotations import NewAnnotation

MakeRecord = Callable[..., ImageRecord]


def scored(image_id: str, value: float = 0.5) -> Scored:
    return Scored(
        image_id=image_id,
        scores=dict.fromkeys(SCORE_NAMES, value),
        embedding=np.array([value, -1.0], np.float32),
    )


@pytest.fixture
def ids(store: Store, make_record: MakeRecord) -> list[str]:
    """Six images of three patients, registered."""
    names = [f"img{n}" for n in range(6)]
    store.images.upsert_many([make_record(n, patient_id=f"p{i // 2}") for i, n in enumerate(names)])
    return names


def label(store: Store, image_id: str, reader: str = "r") -> None:
    store.annotations.save(NewAnnotation(image_id=image_id, reader=reader), None)


class TestScores:
    def test_come_back_as_they_were_kept(self, store: Store, ids: list[str]) -> None:
        store.acquisition.write("m1", [scored(ids[0], 0.25)])

        kept = store.acquisition.scores_of(ids[0], "m1")

        assert kept
        assert kept.scores == dict.fromkeys(SCORE_NAMES, 0.25)
        assert kept.embedding is not None
        assert kept.embedding.tolist() == [0.25, -1.0]
        assert kept.embedding.dtype == np.float32

    def test_are_kept_by_model_version(self, store: Store, ids: list[str]) -> None:
        store.acquisition.write("m1", [scored(ids[0], 0.25)])
        store.acquisition.write("m2", [scored(ids[0], 0.75)])

        kept = [store.acquisition.scores_of(ids[0], model) for model in ("m1", "m2", "m3")]

        assert [one and one.scores["entropy"] for one in kept] == [0.25, 0.75, None]

    def test_are_replaced_by_those_of_the_same_version(self, store: Store, ids: list[str]) -> None:
        store.acquisition.write("m1", [scored(ids[0], 0.25)])
        store.acquisition.write("m1", [scored(ids[0], 0.5)])

        kept = store.acquisition.scores_of(ids[0], "m1")

        assert kept
        assert kept.scores["entropy"] == 0.5

    def test_of_an_unknown_image_are_passed_over(self, store: Store, ids: list[str]) -> None:
        store.acquisition.write("m1", [scored("gone"), scored(ids[0])])

        assert store.acquisition.progress("m1") == (1, 6)

    def test_what_is_left_to_score_begins_with_images_without_label(
        self, store: Store, ids: list[str]
    ) -> None:
        label(store, ids[0])
        store.acquisition.write("m1", [scored(ids[1])])

        assert store.acquisition.unscored("m1", limit=9) == [*ids[2:], ids[0]]
        assert store.acquisition.unscored("m1", limit=2) == ids[2:4]
        assert store.acquisition.unscored("m2", limit=9) == [*ids[1:], ids[0]]

    def test_an_image_that_cannot_be_scored_is_not_tried_for_ever(
        self, store: Store, ids: list[str]
    ) -> None:
        store.acquisition.write("m1", [Scored(image_id=ids[0], problem="truncated")])

        kept = store.acquisition.scores_of(ids[0], "m1")

        assert kept == Scored(image_id=ids[0], problem="truncated")
        assert ids[0] not in store.acquisition.unscored("m1", limit=9)
        assert store.acquisition.candidates("m1")[0].image_ids == ()

    def test_go_with_their_image(self, store: Store, ids: list[str]) -> None:
        store.acquisition.write("m1", [scored(ids[0])])
        store.acquisition.set_queue("entropy", "m1", [Proposal(ids[0], 1, "Why.")], labels=0)

        store.images.remove(ids[0])

        assert store.acquisition.progress("m1") == (0, 5)
        assert store.acquisition.queue("entropy", limit=9) == []

    def test_of_other_versions_can_be_forgotten(self, store: Store, ids: list[str]) -> None:
        for model in ("m1", "m2", "m3"):
            store.acquisition.write(model, [scored(image_id) for image_id in ids])

        assert store.acquisition.forget_all_but(["m2", "m3"]) == 6
        assert [store.acquisition.progress(model)[0] for model in ("m1", "m2", "m3")] == [0, 6, 6]


class TestCandidates:
    def test_are_the_scored_images_with_and_without_label(
        self, store: Store, ids: list[str]
    ) -> None:
        store.acquisition.write("m1", [scored(n, i / 8) for i, n in enumerate(ids[:4])])
        label(store, ids[1])

        pool, labelled = store.acquisition.candidates("m1")

        assert pool.image_ids == (ids[0], ids[2], ids[3])
        assert labelled.image_ids == (ids[1],)
        assert pool.score("bald").tolist() == [0.0, 0.25, 0.375]
        assert pool.families[0] == labelled.families[0] != pool.families[1] == pool.families[2]

    def test_embeddings_are_looked_up_by_id(self, store: Store, ids: list[str]) -> None:
        store.acquisition.write("m1", [scored(ids[0], 0.5), Scored(image_id=ids[1])])

        found = store.acquisition.embeddings("m1", [*ids, "unknown"])

        assert {name: row.tolist() for name, row in found.items()} == {ids[0]: [0.5, -1.0]}

    def test_there_are_none_before_anything_is_scored(self, store: Store, ids: list[str]) -> None:
        assert [len(part) for part in store.acquisition.candidates("m1")] == [0, 0]
        assert ids


class TestQueue:
    def fill(self, store: Store, ids: list[str]) -> None:
        ranked = [Proposal(n, 1 - i / 8, f"Rank {i}.") for i, n in enumerate(ids)]
        store.acquisition.set_queue("entropy", "m1", ranked, labels=3)

    def test_the_first_image_that_waits_is_the_best(self, store: Store, ids: list[str]) -> None:
        self.fill(store, ids)
        label(store, ids[0])

        best = store.acquisition.best("entropy", reader="r")

        assert best
        assert (best.record.image_id, best.reason, best.score, best.model) == (
            ids[1],
            "Rank 1.",
            0.875,
            "m1",
        )

    def test_what_another_reader_holds_is_passed_over(self, store: Store, ids: list[str]) -> None:
        self.fill(store, ids)
        lent = datetime(2026, 1, 1, tzinfo=UTC)
        store.leases.take(ids[0], "a", strategy="entropy", reason="", seconds=60, at=lent)

        mine, others = (
            store.acquisition.best("entropy", reader=reader, at=lent) for reader in ("a", "b")
        )

        assert mine
        assert others
        assert (mine.record.image_id, others.record.image_id) == (ids[0], ids[1])

    def test_what_the_reader_passed_over_or_answered_does_not_come_again(
        self, store: Store, ids: list[str]
    ) -> None:
        store.assignments.to_any(ids, 2)
        self.fill(store, ids)
        label(store, ids[0], "a")
        store.skips.add(ids[1], "a", "skip", "blurred")

        best = {reader: store.acquisition.best("entropy", reader=reader) for reader in "ab"}

        assert best["a"]
        assert best["b"]
        assert (best["a"].record.image_id, best["b"].record.image_id) == (ids[2], ids[0])

    def test_images_can_be_left_out(self, store: Store, ids: list[str]) -> None:
        self.fill(store, ids)

        best = store.acquisition.best("entropy", exclude=ids[:2])

        assert best
        assert best.record.image_id == ids[2]

    def test_there_is_no_best_without_a_queue(self, store: Store, ids: list[str]) -> None:
        self.fill(store, ids)

        assert store.acquisition.best("bald", reader="r") is None

    def test_a_new_queue_replaces_the_old_one(self, store: Store, ids: list[str]) -> None:
        self.fill(store, ids)
        store.acquisition.set_queue(
            "entropy", "m2", [Proposal(ids[5], 1, "New."), Proposal("gone", 0, "No.")], labels=9
        )

        queue = store.acquisition.queue("entropy", limit=9)

        assert [queued.record.image_id for queued in queue] == [ids[5]]
        assert store.acquisition.queue_state("entropy") == QueueState(
            model="m2", labels=9, length=1
        )
        assert store.acquisition.queue_state("bald") is None

    def test_the_head_can_be_shown(self, store: Store, ids: list[str]) -> None:
        self.fill(store, ids)
        label(store, ids[1])

        head = store.acquisition.queue("entropy", limit=2)

        assert [queued.record.image_id for queued in head] == [ids[0], ids[2]]

    @pytest.mark.parametrize("kind_of_database", ["sqlite"], indirect=True)
    def test_the_best_is_found_by_an_index(self, store: Store, ids: list[str]) -> None:
        self.fill(store, ids)
        statements: list[str] = []
        with store._database.engine.connect() as connection:
            plan = connection.exec_driver_sql(
                "EXPLAIN QUERY PLAN SELECT images.id FROM images JOIN acquisition_queue AS queue "
                "ON queue.image = images.id WHERE queue.strategy = 'entropy' "
                "AND NOT images.labelled AND images.available ORDER BY queue.rank LIMIT 1"
            )
            statements = [row[3] for row in plan]

        assert any("USING PRIMARY KEY" in line or "autoindex" in line for line in statements)
        assert not any("SCAN" in line or "TEMP B-TREE" in line for line in statements), statements
