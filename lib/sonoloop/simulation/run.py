"""Reveals labels round by round, seed by seed: a run that is cut short is still balanced."""

import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from sonoloop.active_learning.candidates import EMBEDDINGS, NOTHING, Candidates, Scores, Strategy
from sonoloop.active_learning.random_choice import Random
from sonoloop.errors import ScoreError
from sonoloop.simulation.cells import Cell, CellFiles
from sonoloop.simulation.learner import Learner, Outcome
from sonoloop.simulation.plan import ALL_LABELS, Plan


class Watch(Protocol):
    """Is told of every cell."""

    def done(self, cell: Cell, *, reused: bool) -> None:
        """A cell is there.

        Args:
            cell: The cell.
            reused: Whether it was there before.
        """
        ...


def cells_of(plan: Plan) -> int:
    """How many cells a simulation has."""
    return len(plan.seeds) * (1 + len(plan.strategies) * plan.rounds)


def simulate(
    plan: Plan,
    strategies: Mapping[str, Strategy],
    learner: Learner,
    files: CellFiles,
    watch: Watch,
) -> None:
    """Compute every cell of a plan that is not there yet.

    Args:
        plan: What is simulated.
        strategies: By name, at least those of the plan.
        learner: What learns.
        files: Where cells are kept.
        watch: Told of progress.

    Raises:
        ConfigError: If the rounds ask for more images than there are.
        ScoreError: If a strategy cannot choose.
    """
    counts = plan.label_counts(len(learner.pool))
    for seed in plan.seeds:
        worker = _Worker(learner, files, watch, seed)
        worker.reference()
        for name in plan.strategies:
            worker.follow(name, strategies[name], counts)


@dataclass(slots=True)
class _Worker:
    """Everything of one seed.

    Attributes:
        known: Outcomes by the images they rest on, and the seconds they took: strategies that
            chose the same images have the same network.
    """

    learner: Learner
    files: CellFiles
    watch: Watch
    seed: int
    known: dict[tuple[str, ...], tuple[Outcome, float]] = field(default_factory=dict)

    def reference(self) -> None:
        """Train on every image."""
        cell = self.files.read(ALL_LABELS, self.seed, 0, described=ALL_LABELS)
        reused = cell is not None
        if cell is None:
            everything = self.learner.pool.image_ids
            outcome, seconds = self._learn(everything)
            cell = Cell(
                strategy=ALL_LABELS,
                described=ALL_LABELS,
                seed=self.seed,
                round=0,
                labelled=everything,
                chosen=(),
                dice=outcome.dice,
                auc=outcome.auc,
                seconds=round(seconds, 3),
            )
            self.files.write(cell)
        self.watch.done(cell, reused=reused)

    def follow(self, name: str, strategy: Strategy, counts: Sequence[int]) -> None:
        """Let a strategy choose until there are as many labels as in the last round."""
        labelled: tuple[str, ...] = ()
        for number in range(len(counts)):
            cell = self.files.read(name, self.seed, number, described=strategy.description)
            adds = counts[number + 1] - counts[number] if number + 1 < len(counts) else 0
            reused = (
                cell is not None
                and (number == 0 or cell.labelled == labelled)
                and len(cell.chosen) == adds  # the last round of a shorter plan chose none
            )
            if cell is None or not reused:
                if number == 0:
                    labelled = first_choice(strategy, self.learner.pool, counts[0], seed=self.seed)
                cell = self._cell(name, strategy, number, labelled, adds)
                self.files.write(cell)
            self.watch.done(cell, reused=reused)
            labelled = cell.labelled + cell.chosen

    def _cell(
        self, name: str, strategy: Strategy, number: int, labelled: tuple[str, ...], adds: int
    ) -> Cell:
        outcome, seconds = self._learn(labelled)
        began = time.monotonic()
        chosen: tuple[str, ...] = ()
        if adds:
            scored = bool(set(strategy.needs) - {EMBEDDINGS})
            chosen = next_batch(
                strategy,
                self.learner.pool,
                labelled,
                outcome.scores() if scored else {},
                count=adds,
                seed=draw(self.seed, number + 1),
            )
        return Cell(
            strategy=name,
            described=strategy.description,
            seed=self.seed,
            round=number,
            labelled=labelled,
            chosen=chosen,
            dice=outcome.dice,
            auc=outcome.auc,
            seconds=round(seconds + time.monotonic() - began, 3),
        )

    def _learn(self, labelled: tuple[str, ...]) -> tuple[Outcome, float]:
        key = tuple(sorted(labelled))
        if key not in self.known:
            began = time.monotonic()
            places = places_of(self.learner.pool, labelled)
            outcome = self.learner.learn(places, seed=self.seed)
            self.known[key] = outcome, time.monotonic() - began
        return self.known[key]


def draw(seed: int, number: int) -> int:
    """The seed of a strategy's choice: another one in each round of each seed."""
    return zlib.crc32(f"{seed}/{number}".encode())


def first_choice(strategy: Strategy, pool: Candidates, count: int, *, seed: int) -> tuple[str, ...]:
    """The images a strategy begins with; random ones where it needs a network to choose.

    The random ones depend on the seed alone: all strategies that cannot begin by themselves begin
    with the same images.
    """
    number = draw(seed, 0)
    try:
        proposals = strategy.propose(pool, NOTHING, count=count, seed=number)
    except ScoreError:
        proposals = Random().propose(pool, NOTHING, count=count, seed=number)
    return tuple(proposal.image_id for proposal in proposals)


def next_batch(
    strategy: Strategy,
    pool: Candidates,
    labelled: Sequence[str],
    scores: Mapping[str, Scores],
    *,
    count: int,
    seed: int,
) -> tuple[str, ...]:
    """The images a strategy asks for next.

    Args:
        strategy: That chooses.
        pool: Every image, labelled or not, without scores.
        labelled: Ids of those that are.
        scores: (N,) of every image of ``pool``, by name.
        count: How many.
        seed: Of the choice.

    Raises:
        ScoreError: If the strategy lacks a score.
    """
    everything = Candidates(
        image_ids=pool.image_ids,
        families=pool.families,
        embeddings=pool.embeddings,
        scores=dict(scores),
    )
    known = places_of(pool, labelled)
    free = np.setdiff1d(np.arange(len(pool)), known)
    proposals = strategy.propose(
        everything.take(free), everything.take(known), count=count, seed=seed
    )
    return tuple(proposal.image_id for proposal in proposals)


def places_of(pool: Candidates, image_ids: Sequence[str]) -> list[int]:
    """Where images stand in the pool."""
    places = {name: place for place, name in enumerate(pool.image_ids)}
    return [places[name] for name in image_ids]
