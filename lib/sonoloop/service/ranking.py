"""Scores every image and ranks those without a label; what the background does, step by step."""

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from sonoloop.active_learning.candidates import EMBEDDINGS, Candidates, Proposal, Strategy
from sonoloop.active_learning.registry import STRATEGIES
from sonoloop.errors import PacsError, ScoreError, SonoloopError
from sonoloop.imaging.image import UltrasoundImage
from sonoloop.inference.acquisition import Sight
from sonoloop.records import ImageRecord, ModelTask
from sonoloop.service.images import ImageLibrary
from sonoloop.store.acquisition import Scored
from sonoloop.store.store import Store

logger = logging.getLogger(__name__)

CHUNK: Final = 16
"""Images that are scored before their scores are written: what a killed process loses at most."""
BATCHES: Final = (20, 180)
"""Sizes of the batches a strategy ranks one after the other: about what readers label before there
is a new queue, and a reserve behind it."""
MOST_EMBEDDED: Final = 5000
"""Strategies that compare images with one another do so among so many, drawn at random."""
FIRST_RANKING: Final = 64
"""Queues are made once so many images are scored, then each time four times as many are."""

Scorer = Callable[[UltrasoundImage], Sight]
Report = Callable[[Mapping[str, Any]], None]


def version_of(models: Mapping[ModelTask, str]) -> str:
    """Name of the models whose scores belong together.

    Example:
        >>> version_of({"segmentation": "seg-2", "classification": "cls-7"})
        'seg-2 cls-7'
    """
    return f"{models['segmentation']} {models['classification']}"


def score_pool(
    store: Store,
    library: ImageLibrary,
    scorer: Scorer,
    version: str,
    *,
    report: Report,
    should_stop: Callable[[], bool],
) -> int:
    """Score what ``version`` has not seen and rank the images; how many were scored now.

    Goes on where an earlier call was interrupted.

    Raises:
        PacsError: If the PACS cannot be asked; what was scored before is kept.
    """
    scored = 0
    next_ranking = FIRST_RANKING
    while not should_stop():
        ids = store.acquisition.unscored(version, limit=CHUNK)
        if not ids:
            break
        records = store.images.get_many(ids)
        rows = [_score(library, scorer, records[image_id]) for image_id in ids]
        store.acquisition.write(version, rows)
        scored += len(rows)
        done, total = store.acquisition.progress(version)
        report({"done": done, "total": total, "stage": "scoring"})
        if done >= next_ranking:
            next_ranking = 4 * done
            rank(store, version, should_stop=should_stop)
    if not should_stop():
        rank(store, version, should_stop=should_stop)
    return scored


def rank(store: Store, version: str, *, should_stop: Callable[[], bool] = lambda: False) -> None:
    """Make the queue of every strategy from the scores of ``version``.

    A strategy that cannot do with them is left without a queue, and why is logged.
    """
    labels = store.images.count_labelled()
    pool, labelled = store.acquisition.candidates(version)
    embedded = (
        _embedded(store, version, pool, seed=labels),
        _embedded(store, version, labelled, seed=labels),
    )
    for name, strategy in STRATEGIES.items():
        if not strategy.needs or should_stop():
            continue
        mine, known = embedded if EMBEDDINGS in strategy.needs else (pool, labelled)
        proposals: list[Proposal] = []
        try:
            proposals = in_batches(strategy, mine, known, seed=labels)
        except ScoreError as error:
            logger.warning("strategy %s has no queue: %s", name, error)
        store.acquisition.set_queue(name, version, proposals, labels=labels)


def in_batches(
    strategy: Strategy, pool: Candidates, labelled: Candidates, *, seed: int
) -> list[Proposal]:
    """What a strategy proposes in :data:`BATCHES`, each as if those before it were labelled.

    Raises:
        ScoreError: If the candidates lack what the strategy needs.
    """
    places = {image_id: place for place, image_id in enumerate(pool.image_ids)}
    proposals: list[Proposal] = []
    for count in BATCHES:
        chosen = [places[proposal.image_id] for proposal in proposals]
        rest = pool.take(np.setdiff1d(np.arange(len(pool)), chosen))
        known = labelled.joined(pool.take(chosen))
        proposals += strategy.propose(rest, known, count=count, seed=seed)
    return proposals


def _score(library: ImageLibrary, scorer: Scorer, record: ImageRecord) -> Scored:
    try:
        sight = scorer(library.load(record))
    except PacsError:
        raise
    except SonoloopError as error:
        logger.warning("image %s cannot be scored: %s", record.image_id, error)
        return Scored(image_id=record.image_id, problem=str(error))
    return Scored(image_id=record.image_id, scores=sight.scores, embedding=sight.embedding)


def _embedded(store: Store, version: str, images: Candidates, *, seed: int) -> Candidates:
    """Those of the images that have an embedding, with it; at most :data:`MOST_EMBEDDED`."""
    places = np.arange(len(images))
    if len(places) > MOST_EMBEDDED:
        drawn = np.random.default_rng(seed).choice(len(images), MOST_EMBEDDED, replace=False)
        places = np.sort(drawn)
    some = images.take(places)
    found = store.acquisition.embeddings(version, some.image_ids)
    there = [place for place, image_id in enumerate(some.image_ids) if image_id in found]
    part = some.take(there)
    if not there:
        return part
    return Candidates(
        image_ids=part.image_ids,
        families=part.families,
        embeddings=np.stack([found[image_id] for image_id in part.image_ids]),
        scores=part.scores,
    )
