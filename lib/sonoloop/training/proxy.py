"""Trains the light network of simulations: arrays in, arrays out.

A few decoders outline the lesion. Pathologies are told apart by logistic regression on the frozen
features averaged over the lesion: the true one while it learns, the predicted one afterwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from torch.nn import functional

from sonoloop.errors import TrainingError
from sonoloop.labels import PATHOLOGIES
from sonoloop.networks.device import limit_threads
from sonoloop.networks.proxy import ProxyDecoder
from sonoloop.training.losses import segmentation_loss
from sonoloop.training.proxy_features import UNKNOWN, ProxyImages
from sonoloop.training.proxy_settings import ProxySettings

Places = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]
Maps = npt.NDArray[np.float32]
Embeddings = npt.NDArray[np.float32]

BLOCK: Final = 64
WARM_UP: Final = 0.1
"""Share of the steps in which the learning rate rises."""
BACKGROUND: Final = 1e-4
"""Weight of every cell outside the lesion, so that an image without one has a mean as well."""
MAX_ITERATIONS: Final = 500


@dataclass(frozen=True, slots=True)
class ProxyAnswers:
    """What a trained proxy makes of some images.

    Attributes:
        maps: (M, N, S/4, S/4) float32, lesion probability by each member.
        pathologies: (N, 3) probabilities in the order of ``labels.PATHOLOGIES``.
    """

    maps: Maps
    pathologies: Values


class TrainedProxy:
    """A proxy that has learnt; made by :meth:`Proxy.learn`."""

    def __init__(self, decoder: ProxyDecoder, classifier: "_Classifier") -> None:
        self._decoder, self._classifier = decoder, classifier

    def answers(self, images: ProxyImages) -> ProxyAnswers:
        """Outlines and pathologies of images, each in its first view.

        Args:
            images: Of :attr:`Proxy.train`, or of :meth:`Proxy.fitting`.
        """
        found, pathologies = [], []
        with torch.inference_mode():
            for begin in range(0, len(images), BLOCK):
                chosen = np.arange(begin, min(begin + BLOCK, len(images)))
                maps = torch.sigmoid(self._decoder(_maps(images, chosen, np.zeros_like(chosen))))
                found.append(maps.transpose(0, 1).numpy())
                pathologies.append(self._classifier(_lesion_means(images, chosen, maps.mean(1))))
        return ProxyAnswers(np.concatenate(found, 1), np.concatenate(pathologies))


class Proxy:
    """Trains on any part of the training images.

    Args:
        train: Images that can be learnt from; their features, not their labels, give the scale of
            every channel.
        settings: How it is trained.

    Attributes:
        train: The images, scaled.
    """

    def __init__(self, train: ProxyImages, settings: ProxySettings) -> None:
        limit_threads(settings.threads)
        self._settings, self._scales = settings, train.scales()
        self._loss = segmentation_loss("dice_ce")
        self.train = self.fitting(train)

    def fitting(self, images: ProxyImages) -> ProxyImages:
        """Other images on the scale of the training images."""
        return images.standardised(self._scales)

    def learn(self, places: Sequence[int] | Places, *, seed: int) -> TrainedProxy:
        """A proxy trained on some of the training images.

        Args:
            places: Of the images, in any order; the outcome does not depend on it.
            seed: Of weights and batches.

        Raises:
            TrainingError: If there is no image.
        """
        chosen = np.unique(np.asarray(places, dtype=np.int64))
        if not chosen.size:
            raise TrainingError("a proxy needs at least one labelled image, got none")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            decoder = self._decoder(chosen, np.random.default_rng(seed))
        return TrainedProxy(decoder.eval(), self._classifier(chosen))

    def _decoder(self, chosen: Places, rng: np.random.Generator) -> ProxyDecoder:
        settings, train = self._settings, self.train
        channels = tuple(int(maps.shape[2]) for maps in train.maps)
        decoder = ProxyDecoder(channels, settings.widths, members=settings.members)
        steps = settings.steps_for(len(chosen))
        optimiser = torch.optim.AdamW(
            decoder.parameters(),
            settings.learning_rate,
            weight_decay=settings.weight_decay,
            fused=True,
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, settings.learning_rate, total_steps=steps, pct_start=WARM_UP
        )
        order = np.zeros(0, dtype=np.int64)
        for _ in range(steps):
            while len(order) < settings.batch_size:
                order = np.concatenate([order, rng.permutation(chosen)])
            batch, order = order[: settings.batch_size], order[settings.batch_size :]
            views = rng.integers(0, len(train.targets), len(batch))
            logits = decoder(_maps(train, batch, views))
            truth = train.targets[views, batch].float()[:, None].expand_as(logits)
            loss = self._loss(logits.flatten(0, 1)[:, None], truth.flatten(0, 1)[:, None])
            optimiser.zero_grad()
            (loss * settings.members).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
        return decoder

    def _classifier(self, chosen: Places) -> "_Classifier":
        known = chosen[self.train.classes[chosen] != UNKNOWN]
        features = _lesion_means(self.train, known, self.train.targets[0, known].float())
        return _Classifier(features, self.train.classes[known], self._settings.inverse_penalty)


class _Classifier:
    """Logistic regression over the pathologies met; with one, or none, it says so of every image.

    Args:
        features: (N, D).
        classes: (N,) index of the pathology.
        inverse_penalty: The smaller, the smoother.
    """

    def __init__(self, features: Embeddings, classes: Places, inverse_penalty: float) -> None:
        self._met = np.unique(classes)
        if len(self._met) > 1:
            self._scaler = StandardScaler().fit(features)
            self._model = LogisticRegression(C=inverse_penalty, max_iter=MAX_ITERATIONS).fit(
                self._scaler.transform(features), classes
            )

    def __call__(self, features: Embeddings) -> Values:
        """(N, 3) probabilities; of pathologies never met 0."""
        told = np.zeros((len(features), len(PATHOLOGIES)))
        if len(self._met) > 1:
            told[:, self._met] = self._model.predict_proba(self._scaler.transform(features))
        else:
            told[:, self._met if len(self._met) else slice(None)] = 1
        normalised: Values = told / told.sum(1, keepdims=True)
        return normalised


def embeddings(images: ProxyImages) -> Embeddings:
    """(N, D) float32: the two coarsest maps of each image's first view, averaged over it."""
    means = [maps[0].float().mean((2, 3)) for maps in images.maps[-2:]]
    rows: Embeddings = torch.cat(means, 1).numpy()
    return rows


def masks_of(maps: Maps, size_px: int) -> npt.NDArray[np.bool_]:
    """(N, S, S) lesions: the mean of the members' (M, N, s, s) maps, enlarged, from 0.5 on."""
    mean = torch.from_numpy(maps.mean(0))[:, None]
    enlarged = functional.interpolate(
        mean, size=(size_px, size_px), mode="bilinear", align_corners=False
    )
    masks: npt.NDArray[np.bool_] = (enlarged[:, 0] >= 0.5).numpy()
    return masks


def _maps(images: ProxyImages, chosen: Places, views: Places) -> list[Tensor]:
    """Maps of some images, each in one of its views, (B, C, s, s) float32."""
    return [maps[views, chosen].float() for maps in images.maps]


def _lesion_means(images: ProxyImages, chosen: Places, lesions: Tensor) -> Embeddings:
    """(B, D): every map but the finest, averaged over the (B, S/4, S/4) lesions."""
    means = []
    for maps in images.maps[1:]:
        first = maps[0, chosen].float()
        weights = functional.adaptive_avg_pool2d(lesions[:, None], first.shape[-1]) + BACKGROUND
        means.append((first * weights).sum((2, 3)) / weights.sum((2, 3)))
    rows: Embeddings = torch.cat(means, 1).numpy()
    return rows
