"""Cold start: typical images of groups that nobody has labelled yet.

TypiClust (Hacohen, Dekel, Weinshall, "Active Learning on a Budget: Opposite Strategies Suit High
and Low Budgets", ICML 2022): as many k-means clusters as there will be labels, at most 500; from
the largest cluster without a label the image in the densest surroundings, 1 / mean distance to its
20 nearest neighbours there. Both numbers are the paper's.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from sonoloop.active_learning.candidates import EMBEDDINGS, Candidates, Embeddings, Places, Proposal
from sonoloop.active_learning.embedded import points
from sonoloop.active_learning.families import Turns, wanted

MOST_CLUSTERS: Final = 500
NEIGHBOURS: Final = 20
FEW_CLUSTERS: Final = 50
"""Up to so many clusters k-means is exact, beyond in mini-batches, as in the paper."""


@dataclass(frozen=True, slots=True)
class TypiClust:
    """The most typical image of the largest group without a label, group by group."""

    name: str = "typiclust"
    description: str = "A typical image of a group without labels"
    needs: tuple[str, ...] = (EMBEDDINGS,)

    def propose(
        self, pool: Candidates, labelled: Candidates, *, count: int, seed: int
    ) -> list[Proposal]:
        """See :class:`~sonoloop.active_learning.candidates.Strategy`."""
        count = wanted(count, pool)
        rows, known = points(pool, labelled)
        if count == 0:
            return []
        every = np.concatenate([rows, known])
        cluster = clusters(every, min(len(known) + count, MOST_CLUSTERS), seed=seed)
        sizes = np.bincount(cluster)
        covered = np.bincount(cluster[len(rows) :], minlength=len(sizes))
        typical = typicality(every, cluster)[: len(rows)]
        cluster = cluster[: len(rows)]
        turns, proposals = Turns(pool, labelled), []
        for _ in range(count):
            allowed = turns.open()
            groups = cluster[allowed]
            rank = np.lexsort((-typical[allowed], groups, -sizes[groups], covered[groups]))
            place = int(allowed[rank[0]])
            group = int(cluster[place])
            reason = _reason(int(sizes[group]), int(covered[group]))
            proposals.append(Proposal(pool.image_ids[place], float(typical[place]), reason))
            covered[group] += 1
            turns.take(place)
        return proposals


def _reason(size: int, covered: int) -> str:
    if size == 1:
        return "Unlike the other images: a group of its own, without a label."
    return (
        f"Typical of a group of {size} similar images, "
        f"{covered or 'none'} of them labelled or chosen before."
    )


def clusters(rows: Embeddings, count: int, *, seed: int) -> Places:
    """(N,) number of each row's cluster, from 0; at most ``count`` of them."""
    count = min(count, len(np.unique(rows, axis=0)))
    if count == 1:
        return np.zeros(len(rows), dtype=np.int64)
    # Imported here: the server knows every strategy but computes none, and scikit-learn is slow to
    # import.
    from sklearn.cluster import KMeans, MiniBatchKMeans

    if count <= FEW_CLUSTERS:
        kind = KMeans(n_clusters=count, n_init=1, random_state=seed % 2**32)
    else:
        kind = MiniBatchKMeans(n_clusters=count, n_init=1, random_state=seed % 2**32)
    found: Places = np.unique(kind.fit_predict(rows), return_inverse=True)[1].astype(np.int64)
    return found


def typicality(rows: Embeddings, cluster: Places) -> npt.NDArray[np.float64]:
    """(N,) inverse mean distance of each row to its nearest neighbours in its cluster.

    A row alone in its cluster has 0.
    """
    from sklearn.metrics import pairwise_distances

    typical = np.zeros(len(rows), dtype=np.float64)
    for number in range(int(cluster.max()) + 1):
        members = np.flatnonzero(cluster == number)
        if len(members) > 1:
            apart = pairwise_distances(rows[members])
            near = np.partition(apart, min(NEIGHBOURS, len(members) - 1), axis=1)
            mean = near[:, : NEIGHBOURS + 1].sum(axis=1) / min(NEIGHBOURS, len(members) - 1)
            typical[members] = 1.0 / np.maximum(mean, 1e-9)
    return typical
