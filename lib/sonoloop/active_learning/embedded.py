"""Embeddings of images as points whose distances mean something."""

import numpy as np
import numpy.typing as npt

from sonoloop.active_learning.candidates import Candidates, Embeddings
from sonoloop.errors import ScoreError

Distances = npt.NDArray[np.float32]


def points(pool: Candidates, labelled: Candidates) -> tuple[Embeddings, Embeddings]:
    """Rows of length one of the pool and of the labelled images that have embeddings.

    The mean of all is taken away first: networks with ReLU put every image into one corner.

    Raises:
        ScoreError: If the pool has no embeddings, or those of both are of different length.
    """
    mine = pool.features()
    known = labelled.embeddings
    if known is None or not len(labelled):
        known = np.zeros((0, mine.shape[1]), dtype=np.float32)
    if known.shape[1] != mine.shape[1]:
        raise ScoreError(
            f"embeddings of the pool have {mine.shape[1]} values, those of labelled images "
            f"{known.shape[1]} (embed both with the same model)"
        )
    every = np.concatenate([mine, known]).astype(np.float32)
    if len(every):
        every = every - every.mean(axis=0)
    every /= np.maximum(np.linalg.norm(every, axis=1, keepdims=True), np.float32(1e-12))
    return every[: len(mine)], every[len(mine) :]


def distances_to(rows: Embeddings, point: Embeddings) -> Distances:
    """(N,) Euclidean distance of every row to one point (D,)."""
    distance: Distances = np.linalg.norm(rows - point, axis=1)
    return distance
