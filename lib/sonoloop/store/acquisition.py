"""What a model makes of every image, and the queues in which strategies want them labelled."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

import numpy as np
from sqlalchemy import delete, exists, func, insert, select

from sonoloop.active_learning.candidates import SCORE_NAMES, Candidates, Embeddings, Proposal
from sonoloop.datasets.splits import families
from sonoloop.records import ImageRecord, LabelledImage
from sonoloop.store.database import Database, batches
from sonoloop.store.pool import POOL, open_to
from sonoloop.store.records import image_record
from sonoloop.store.schema import ImageRow, now
from sonoloop.store.schema_acquisition import AcquisitionRow, QueueRow

EMBEDDING_TYPE: Final = np.dtype("<f2")
"""Embeddings are kept with eleven bits of precision: half the room, the same neighbours."""

_SCORES: Final = tuple(getattr(AcquisitionRow, name) for name in SCORE_NAMES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """An image as a model sees it.

    Attributes:
        scores: By the names of ``active_learning.candidates.SCORE_NAMES``; empty when it could
            not be scored.
        embedding: (D,) float32, or None.
        problem: Why it could not be scored, or None.
    """

    image_id: str
    scores: Mapping[str, float] = field(default_factory=dict)
    embedding: Embeddings | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """The image a strategy wants labelled next, and why.

    Attributes:
        model: Version of the models whose scores were asked.
    """

    record: ImageRecord
    score: float
    reason: str
    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueState:
    """How old the queue of a strategy is.

    Attributes:
        labels: Images that were labelled when it was made.
        length: Images it began with.
    """

    model: str
    labels: int
    length: int


class Acquisition:
    """Scores by image and model version; every method is one transaction.

    A model version is any text that names the models which took part.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def write(self, model: str, rows: Sequence[Scored]) -> None:
        """Keep scores in the place of this version's older ones; unknown images are passed over."""
        by_id = {row.image_id: row for row in rows}
        with self._database.writing() as session:
            for batch in batches(tuple(by_id)):
                found = session.execute(
                    select(ImageRow.id, ImageRow.image_id).where(ImageRow.image_id.in_(batch))
                ).tuples()
                places = {key: by_id[image_id] for key, image_id in found}
                old = AcquisitionRow.image.in_(places) & (AcquisitionRow.model == model)
                session.execute(delete(AcquisitionRow).where(old))
                if places:
                    session.execute(
                        insert(AcquisitionRow),
                        [_values(key, model, row) for key, row in places.items()],
                    )

    def unscored(self, model: str, *, limit: int) -> list[str]:
        """Ids of available images that this version has not seen, those without label first."""
        seen = exists().where(AcquisitionRow.image == ImageRow.id, AcquisitionRow.model == model)
        query = (
            select(ImageRow.image_id)
            .where(ImageRow.available, ~seen)
            .order_by(ImageRow.labelled, ImageRow.id)
            .limit(limit)
        )
        with self._database.reading() as session:
            return list(session.scalars(query))

    def progress(self, model: str) -> tuple[int, int]:
        """How many available images this version has seen, and how many there are."""
        with self._database.reading() as session:
            total = session.scalar(select(func.count()).where(ImageRow.available))
            done = session.scalar(
                select(func.count())
                .select_from(AcquisitionRow)
                .join(ImageRow, ImageRow.id == AcquisitionRow.image)
                .where(AcquisitionRow.model == model, ImageRow.available)
            )
        return done or 0, total or 0

    def scores_of(self, image_id: str, model: str) -> Scored | None:
        """What this version made of an image, or None when it has not seen it."""
        query = (
            select(AcquisitionRow)
            .join(ImageRow, ImageRow.id == AcquisitionRow.image)
            .where(ImageRow.image_id == image_id, AcquisitionRow.model == model)
        )
        with self._database.reading() as session:
            row = session.scalar(query)
            return None if row is None else _scored(row, image_id)

    def candidates(self, model: str) -> tuple[Candidates, Candidates]:
        """Images this version has scored: those without a label, and those with one.

        Without embeddings, see :meth:`embeddings`. Families are the same in both.
        """
        query = (
            select(
                ImageRow.image_id,
                ImageRow.labelled,
                ImageRow.patient_id,
                ImageRow.near_duplicates,
                *_SCORES,
            )
            .join(AcquisitionRow, AcquisitionRow.image == ImageRow.id)
            .where(AcquisitionRow.model == model, AcquisitionRow.problem.is_(None))
            .where(ImageRow.available | ImageRow.labelled)
            .order_by(ImageRow.id)
        )
        with self._database.reading() as session:
            rows = session.execute(query).all()
        values = np.array([row[4:] for row in rows], dtype=np.float64).reshape(-1, len(_SCORES))
        every = Candidates(
            image_ids=tuple(row.image_id for row in rows),
            families=_families([(row.image_id, row[2], row[3]) for row in rows]),
            scores={name: values[:, column] for column, name in enumerate(SCORE_NAMES)},
        )
        labelled = np.array([row.labelled for row in rows], dtype=bool)
        return every.take(np.flatnonzero(~labelled)), every.take(np.flatnonzero(labelled))

    def embeddings(self, model: str, image_ids: Collection[str]) -> dict[str, Embeddings]:
        """Embedding of each of these images that has one, (D,) float32, by id."""
        found: dict[str, Embeddings] = {}
        with self._database.reading() as session:
            for batch in batches(tuple(image_ids)):
                query = (
                    select(ImageRow.image_id, AcquisitionRow.embedding)
                    .join(AcquisitionRow, AcquisitionRow.image == ImageRow.id)
                    .where(ImageRow.image_id.in_(batch), AcquisitionRow.model == model)
                )
                for image_id, kept in session.execute(query).tuples():
                    if kept is not None:
                        found[image_id] = _unpacked(kept)
        return found

    def set_queue(
        self, strategy: str, model: str, proposals: Sequence[Proposal], *, labels: int
    ) -> None:
        """Replace the queue of a strategy; unknown images are passed over.

        Args:
            strategy: Its name.
            model: Version whose scores were asked.
            proposals: Best first.
            labels: Images that are labelled now.
        """
        with self._database.writing() as session:
            keys: dict[str, int] = {}
            for batch in batches([proposal.image_id for proposal in proposals]):
                query = select(ImageRow.image_id, ImageRow.id).where(ImageRow.image_id.in_(batch))
                keys.update(session.execute(query).tuples().all())
            session.execute(delete(QueueRow).where(QueueRow.strategy == strategy))
            rows = [
                {
                    "strategy": strategy,
                    "rank": rank,
                    "image": keys[proposal.image_id],
                    "score": proposal.score,
                    "reason": proposal.reason,
                    "model": model,
                    "labels": labels,
                    "queued_at": now(),
                }
                for rank, proposal in enumerate(proposals)
                if proposal.image_id in keys
            ]
            if rows:
                session.execute(insert(QueueRow), rows)

    def best(
        self,
        strategy: str,
        *,
        reader: str | None = None,
        at: datetime | None = None,
        exclude: Collection[str] = (),
        in_archive: bool = False,
    ) -> Queued | None:
        """The first image in a strategy's queue that waits for this reader; None when none does.

        Args:
            strategy: Its name.
            reader: Who asks; None is a reader without a name.
            at: The instant, for leases; None is this moment.
            exclude: Image ids not to choose; few.
            in_archive: Only images that a viewer of DICOM can open.
        """
        waits = open_to(reader, at or now(), in_archive=in_archive)
        query = (
            select(ImageRow, QueueRow)
            .join(QueueRow, QueueRow.image == ImageRow.id)
            .where(QueueRow.strategy == strategy, POOL, *waits)
            .order_by(QueueRow.rank)
            .limit(1)
        )
        if exclude:
            query = query.where(ImageRow.image_id.not_in(tuple(exclude)))
        with self._database.reading() as session:
            found = session.execute(query).tuples().first()
            if found is None:
                return None
            image, row = found
            return Queued(
                record=image_record(image), score=row.score, reason=row.reason, model=row.model
            )

    def queue(self, strategy: str, *, limit: int) -> list[Queued]:
        """The head of a strategy's queue, without images that are labelled or gone."""
        query = (
            select(ImageRow, QueueRow)
            .join(QueueRow, QueueRow.image == ImageRow.id)
            .where(QueueRow.strategy == strategy, POOL)
            .order_by(QueueRow.rank)
            .limit(limit)
        )
        with self._database.reading() as session:
            return [
                Queued(
                    record=image_record(image), score=row.score, reason=row.reason, model=row.model
                )
                for image, row in session.execute(query).tuples()
            ]

    def queue_state(self, strategy: str) -> QueueState | None:
        """How old the queue of a strategy is; None when there is none."""
        query = (
            select(QueueRow.model, QueueRow.labels, func.count())
            .where(QueueRow.strategy == strategy)
            .group_by(QueueRow.model, QueueRow.labels)
        )
        with self._database.reading() as session:
            found = session.execute(query).tuples().first()
        if found is None:
            return None
        model, labels, length = found
        return QueueState(model=model, labels=labels, length=length)

    def forget_all_but(self, models: Collection[str]) -> int:
        """Remove the scores of other versions; how many there were."""
        others = delete(AcquisitionRow).where(AcquisitionRow.model.not_in(tuple(models)))
        with self._database.writing() as session:
            return len(session.scalars(others.returning(AcquisitionRow.image)).all())


def _values(key: int, model: str, row: Scored) -> dict[str, object]:
    packed = None if row.embedding is None else row.embedding.astype(EMBEDDING_TYPE).tobytes()
    return {
        "image": key,
        "model": model,
        **{name: row.scores.get(name) for name in SCORE_NAMES},
        "embedding": packed,
        "problem": row.problem,
        "scored_at": now(),
    }


def _scored(row: AcquisitionRow, image_id: str) -> Scored:
    values = {name: getattr(row, name) for name in SCORE_NAMES}
    return Scored(
        image_id=image_id,
        scores={name: value for name, value in values.items() if value is not None},
        embedding=None if row.embedding is None else _unpacked(row.embedding),
        problem=row.problem,
    )


def _unpacked(kept: bytes) -> Embeddings:
    return np.frombuffer(kept, dtype=EMBEDDING_TYPE).astype(np.float32)


def _families(images: Sequence[tuple[str, str | None, str | None]]) -> tuple[str, ...]:
    """Name of the family of each image (id, patient, group): its first image's id."""
    known = [
        LabelledImage(image_id=image_id, image_path=Path(), patient=patient or "", group=group)
        for image_id, patient, group in images
    ]
    names = {member.image_id: family[0].image_id for family in families(known) for member in family}
    return tuple(names[image_id] for image_id, _, _ in images)
