import dataclasses
import json
from pathlib import Path

import pytest

from simulated import FakeLearner, Remembering
from sonoloop.active_learning.registry import STRATEGIES
from sonoloop.errors import ConfigError
from sonoloop.simulation.cells import CellFiles
from sonoloop.simulation.plan import ALL_LABELS, Plan
from sonoloop.simulation.run import cells_of, first_choice, next_batch, simulate

PLAN = Plan(
    strategies=("random", "stratified", "entropy", "auto"),
    seeds=(0, 1),
    start=4,
    batch=4,
    growth=1.5,
    rounds=3,
)


def run(folder: Path, learner: FakeLearner, plan: Plan = PLAN) -> Remembering:
    watch = Remembering()
    simulate(plan, STRATEGIES, learner, CellFiles(folder), watch)
    return watch


def cells(folder: Path) -> dict[str, dict[str, object]]:
    found = {path.name: json.loads(path.read_text()) for path in (folder / "cells").iterdir()}
    for content in found.values():
        content.pop("seconds")
    return found


class TestOrder:
    def test_all_of_one_seed_come_before_the_next(self, tmp_path: Path) -> None:
        computed = run(tmp_path, FakeLearner()).computed

        seeds = [seed for seed, _, _ in computed]
        assert seeds == sorted(seeds)
        assert [name for seed, name, _ in computed if seed == 0] == [
            ALL_LABELS, *(name for name in PLAN.strategies for _ in range(3)),
        ]  # fmt: skip
        assert len(computed) == cells_of(PLAN)

    def test_labels_grow_by_what_was_chosen(self, tmp_path: Path) -> None:
        run(tmp_path, FakeLearner())

        for name in PLAN.strategies:
            of_round = [
                CellFiles(tmp_path).read(name, 0, n, described=STRATEGIES[name].description)
                for n in range(3)
            ]
            first, second, third = (cell for cell in of_round if cell)
            assert second.labelled == first.labelled + first.chosen
            assert third.labelled == second.labelled + second.chosen
            assert [len(c.labelled) for c in (first, second, third)] == [4, 8, 14]
            assert len(set(third.labelled)) == 14
            assert third.chosen == ()


class TestBeginnings:
    def test_strategies_that_need_a_network_begin_with_the_same_images(
        self, tmp_path: Path
    ) -> None:
        learner = FakeLearner()
        run(tmp_path, learner)

        starts = {
            name: cell["labelled"]
            for file, cell in cells(tmp_path).items()
            for name in [str(cell["strategy"])]
            if cell["round"] == 0 and cell["seed"] == 0
        }
        assert starts["random"] == starts["stratified"] == starts["entropy"]
        assert starts["auto"] != starts["random"]

    def test_the_same_beginning_is_learnt_once(self, tmp_path: Path) -> None:
        learner = FakeLearner()
        run(tmp_path, learner)

        beginnings = [(places, seed) for places, seed in learner.learnt if len(places) == 4]
        assert len(beginnings) == len(set(beginnings)) == 4  # random's and auto's, of two seeds

    def test_another_seed_begins_with_other_images(self) -> None:
        pool = FakeLearner().pool

        chosen = [first_choice(STRATEGIES["entropy"], pool, 5, seed=seed) for seed in (0, 0, 1)]

        assert chosen[0] == chosen[1] != chosen[2]

    def test_families_do_not_repeat_in_the_beginning(self) -> None:
        pool = FakeLearner().pool
        families = dict(zip(pool.image_ids, pool.families, strict=True))

        chosen = first_choice(STRATEGIES["random"], pool, 10, seed=3)

        assert len({families[name] for name in chosen}) == 10


def test_scores_are_asked_for_only_where_they_are_used(tmp_path: Path) -> None:
    learner = FakeLearner()
    plan = dataclasses.replace(PLAN, strategies=("random", "k_centre", "entropy"), seeds=(0,))

    run(tmp_path, learner, plan)

    assert learner.scored == [4, 8]


def test_strategies_that_chose_the_same_images_share_a_network(tmp_path: Path) -> None:
    learner = FakeLearner()
    plan = dataclasses.replace(PLAN, strategies=("typiclust", "auto"), seeds=(0,))

    run(tmp_path, learner, plan)

    assert [len(places) for places, _ in learner.learnt] == [40, 4, 8, 14]


def test_a_batch_holds_only_images_without_a_label() -> None:
    learner = FakeLearner()
    labelled = learner.pool.image_ids[:30]
    scores = learner.learn(range(30), seed=0).scores()

    chosen = next_batch(STRATEGIES["entropy"], learner.pool, labelled, scores, count=10, seed=1)

    assert set(chosen) == set(learner.pool.image_ids[30:])


def test_too_many_rounds_are_refused_before_anything_is_learnt(tmp_path: Path) -> None:
    learner = FakeLearner(images=10)

    with pytest.raises(ConfigError, match="reach 14 labels, there are 10 images"):
        run(tmp_path, learner)

    assert learner.learnt == []


class TestResuming:
    @pytest.mark.parametrize("dies_at", [0, 1, 3, 9, 17])
    def test_a_run_that_was_killed_goes_on_to_the_same_end(
        self, tmp_path: Path, dies_at: int
    ) -> None:
        whole = run(tmp_path / "whole", FakeLearner())
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "cut", FakeLearner(dies_at=dies_at))
        left = len(cells(tmp_path / "cut"))

        rest = run(tmp_path / "cut", FakeLearner())

        assert cells(tmp_path / "cut") == cells(tmp_path / "whole")
        assert len(rest.reused) == left < cells_of(PLAN)
        assert rest.reused + rest.computed == whole.computed

    def test_a_finished_run_learns_nothing(self, tmp_path: Path) -> None:
        run(tmp_path, FakeLearner())
        learner = FakeLearner()

        watch = run(tmp_path, learner)

        assert learner.learnt == []
        assert len(watch.reused) == cells_of(PLAN)

    def test_a_torn_cell_is_computed_again(self, tmp_path: Path) -> None:
        run(tmp_path, FakeLearner())
        before = cells(tmp_path)
        torn = tmp_path / "cells" / "seed001-entropy-round01.json"
        torn.write_bytes(torn.read_bytes()[:40])

        watch = run(tmp_path, FakeLearner())

        assert watch.computed == [(1, "entropy", 1)]
        assert cells(tmp_path) == before

    def test_a_strategy_that_became_another_begins_anew(self, tmp_path: Path) -> None:
        run(tmp_path, FakeLearner())
        other = dataclasses.replace(STRATEGIES["random"], description="Something else")  # type: ignore[type-var]
        watch = Remembering()

        simulate(PLAN, {**STRATEGIES, "random": other}, FakeLearner(), CellFiles(tmp_path), watch)

        assert {name for _, name, _ in watch.computed} == {"random"}
        assert len(watch.computed) == 6

    def test_strategies_and_seeds_can_be_added(self, tmp_path: Path) -> None:
        run(tmp_path, FakeLearner())
        more = dataclasses.replace(PLAN, strategies=(*PLAN.strategies, "bald"), seeds=(0, 1, 2))

        watch = run(tmp_path, FakeLearner(), more)

        assert len(watch.reused) == cells_of(PLAN)
        assert {name for seed, name, _ in watch.computed if seed < 2} == {"bald"}

    def test_rounds_can_be_added(self, tmp_path: Path) -> None:
        longer = dataclasses.replace(PLAN, rounds=4)
        run(tmp_path / "at once", FakeLearner(), longer)
        run(tmp_path / "later", FakeLearner())

        watch = run(tmp_path / "later", FakeLearner(), longer)

        assert cells(tmp_path / "later") == cells(tmp_path / "at once")
        assert {number for _, name, number in watch.computed} == {2, 3}


class TestDefinition:
    def test_a_folder_holds_one_simulation(self, tmp_path: Path) -> None:
        CellFiles(tmp_path).require({"start": 4, "batch": 4})
        CellFiles(tmp_path).require({"start": 4, "batch": 4})

        with pytest.raises(ConfigError, match=r"another batch: 4, not 5 \(choose another folder"):
            CellFiles(tmp_path).require({"start": 4, "batch": 5})

    def test_an_empty_folder_holds_none(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="holds no simulation"):
            CellFiles(tmp_path).definition()


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_every_strategy_can_be_simulated(tmp_path: Path, name: str) -> None:
    plan = dataclasses.replace(PLAN, strategies=(name,), seeds=(0,))

    watch = run(tmp_path, FakeLearner(), plan)

    assert watch.computed == [(0, ALL_LABELS, 0), *((0, name, number) for number in range(3))]
