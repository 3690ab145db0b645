"""The light network of simulations as a learner: its figures on test images, its doubts."""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from sonoloop.active_learning.candidates import SCORE_NAMES, Candidates, Scores
from sonoloop.active_learning.scores import image_scores
from sonoloop.datasets.splits import families, tokens_of
from sonoloop.errors import DatasetError
from sonoloop.evaluation.diagnosis import Scored, by_patient
from sonoloop.evaluation.overlap import dice
from sonoloop.evaluation.ranking import auc
from sonoloop.labels import PATHOLOGIES, Pathology
from sonoloop.networks.proxy import frozen_encoder
from sonoloop.records import LabelledImage
from sonoloop.simulation.learner import Outcome
from sonoloop.training.proxy import Proxy, ProxyAnswers, embeddings, masks_of
from sonoloop.training.proxy_features import UNKNOWN, ProxyImages, proxy_images
from sonoloop.training.proxy_settings import ProxySettings

TEST_VIEWS: Final = 1
"""Test images are seen as they are."""


class ProxyLearner:
    """The light network of :mod:`sonoloop.training.proxy`.

    Args:
        train: The pool.
        test: Images it is measured on.
        settings: How it is trained.
        features: Folder where features of images are kept.
        told: Called while features are computed, with the number of images done and of all.

    Attributes:
        pool: See :class:`~sonoloop.simulation.learner.Learner`.
        source: Where the weights of the frozen encoder are from.
        about_pool: Number of ``images`` and ``patients``, and a ``sha256`` of what they show.
        about_test: The same of the test images.

    Raises:
        DatasetError: If pool and test share a patient or a group of near-duplicates, or no test
            image has a lesion.
        ConfigError: If the weights of the encoder that is asked for are not on this machine.
    """

    def __init__(
        self,
        train: Sequence[LabelledImage],
        test: Sequence[LabelledImage],
        settings: ProxySettings,
        features: Path,
        *,
        told: Callable[[int, int], None] = lambda done, total: None,
    ) -> None:
        require_apart(train, test)
        encoder = frozen_encoder(settings.encoder)
        images = proxy_images(train, settings, encoder, features, views=settings.views, told=told)
        tested = proxy_images(test, settings, encoder, features, views=TEST_VIEWS, told=told)
        self.source = encoder.source
        self._proxy = Proxy(images, settings)
        self._test, self._size_px = self._proxy.fitting(tested), settings.size_px
        self._lesions = np.flatnonzero(tested.masks.any((1, 2)))
        if not self._lesions.size:
            raise DatasetError(f"none of {len(tested)} test images has a lesion")
        patients = {item.image_id: tokens_of(item)[0] for item in test}
        self._patients = [patients[name] for name in tested.image_ids]
        self.pool = _pool(images, train, embeddings(self._proxy.train))
        self.about_pool, self.about_test = _about(images, train), _about(tested, test)

    def learn(self, places: Sequence[int], *, seed: int) -> Outcome:
        """See :class:`~sonoloop.simulation.learner.Learner`."""
        trained = self._proxy.learn(places, seed=seed)
        on_test = trained.answers(self._test)
        return Outcome(
            dice=self._dice(on_test),
            auc=self._auc(on_test),
            scores=cache(lambda: _scores(trained.answers(self._proxy.train))),
        )

    def _dice(self, answers: ProxyAnswers) -> float:
        masks = masks_of(answers.maps[:, self._lesions], self._size_px)
        pairs = zip(masks, self._test.masks[self._lesions], strict=True)
        return float(np.mean([dice(mask, truth) for mask, truth in pairs]))

    def _auc(self, answers: ProxyAnswers) -> float | None:
        known = np.flatnonzero(self._test.classes != UNKNOWN)
        malignant = PATHOLOGIES.index(Pathology.MALIGNANT)
        images = Scored(
            patients=tuple(self._patients[place] for place in known),
            truth=self._test.classes[known] == malignant,
            model=answers.pathologies[known, malignant],
            reader=np.full(len(known), np.nan),
        )
        patients = by_patient(images)
        return auc(patients.truth, patients.model)


def require_apart(train: Sequence[LabelledImage], test: Sequence[LabelledImage]) -> None:
    """See that no patient and no group of near-duplicates is on both sides.

    Raises:
        DatasetError: If one is.
    """
    sides = [{token for item in items for token in tokens_of(item)} for items in (train, test)]
    both = sides[0] & sides[1]
    if both:
        raise DatasetError(
            f"training and test images share {len(both)} patients or groups of near-duplicates "
            "(cut the splits by patient)"
        )


def _pool(
    images: ProxyImages, items: Sequence[LabelledImage], rows: npt.NDArray[np.float32]
) -> Candidates:
    names = family_names(items)
    return Candidates(
        image_ids=images.image_ids,
        families=tuple(names[name] for name in images.image_ids),
        embeddings=rows,
    )


def family_names(items: Sequence[LabelledImage]) -> dict[str, str]:
    """By image id, a name that images of one patient, and near-duplicates, share."""
    return {image.image_id: family[0].image_id for family in families(items) for image in family}


def _about(images: ProxyImages, items: Sequence[LabelledImage]) -> dict[str, str | int]:
    names = set(images.image_ids)
    return {
        "images": len(images),
        "patients": len({tokens_of(item)[0] for item in items if item.image_id in names}),
        "sha256": images.content,
    }


def _scores(answers: ProxyAnswers) -> dict[str, Scores]:
    """Every score of every image of the pool."""
    rows = [
        image_scores(answers.maps[:, place], answers.pathologies[place])
        for place in range(len(answers.pathologies))
    ]
    return {name: np.array([row[name] for row in rows]) for name in SCORE_NAMES}
