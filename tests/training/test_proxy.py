"""The proxy on made features: it learns where a channel says where the lesion is."""

import numpy as np
import pytest
import torch

from sonoloop.errors import ConfigError, TrainingError
from sonoloop.training.proxy import Proxy, embeddings, masks_of
from sonoloop.training.proxy_features import ProxyImages
from sonoloop.training.proxy_settings import ProxySettings

SETTINGS = ProxySettings(
    encoder="random", size_px=64, members=2, widths=(8, 8, 8), steps=60, passes=0
)
BENIGN, MALIGNANT = 1, 2


def made(count: int, seed: int = 0) -> ProxyImages:
    """Images whose finest maps show the lesion, whose coarser ones show in it what it is."""
    rng = np.random.default_rng(seed)
    masks = np.zeros((count, 64, 64), dtype=bool)
    classes = np.where(np.arange(count) % 2, MALIGNANT, BENIGN)
    for mask in masks:
        top, left = rng.integers(4, 28, 2)
        mask[top : top + 24, left : left + 24] = True
    shares = torch.from_numpy(masks)[:, None].float()
    maps = []
    for channels, side in ((3, 16), (3, 8), (3, 4), (3, 2)):
        noise = torch.from_numpy(rng.normal(size=(count, channels, side, side))).float() * 0.3
        lesion = torch.nn.functional.adaptive_avg_pool2d(shares, side)
        noise[:, :1] += lesion * 3
        noise[:, 1:2] += lesion * torch.from_numpy(classes - 1.5)[:, None, None, None].float() * 4
        maps.append((noise + 5)[None].half())
    return ProxyImages(
        image_ids=tuple(f"i{n}" for n in range(count)),
        masks=masks,
        classes=classes.astype(np.int64),
        maps=tuple(maps),
        targets=torch.nn.functional.avg_pool2d(shares, 4)[None, :, 0].half(),
        content="",
    )


@pytest.fixture(scope="module")
def proxy() -> Proxy:
    return Proxy(made(24), SETTINGS)


def test_it_outlines_and_tells_pathologies_apart(proxy: Proxy) -> None:
    unseen = made(12, seed=1)

    answers = proxy.learn(range(24), seed=0).answers(proxy.fitting(unseen))

    assert answers.maps.shape == (2, 12, 16, 16)
    found = masks_of(answers.maps, 64)
    overlap = 2 * (found & unseen.masks).sum() / (found.sum() + unseen.masks.sum())
    assert overlap > 0.8
    assert (answers.pathologies.argmax(1) == unseen.classes).mean() > 0.9
    assert answers.pathologies.sum(1) == pytest.approx(np.ones(12))


def test_features_are_brought_to_one_scale(proxy: Proxy) -> None:
    for maps in proxy.train.maps:
        assert maps.float().mean((0, 1, 3, 4)).abs().max() < 0.01
        assert maps.float().std((0, 1, 3, 4)) == pytest.approx([1, 1, 1], abs=0.01)


def test_the_same_seed_gives_the_same_answers_and_leaves_torch_alone(proxy: Proxy) -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)

    first, again, other = (
        proxy.learn(places, seed=seed).answers(proxy.train)
        for places, seed in (([0, 1, 2], 5), ([2, 0, 1], 5), ([0, 1, 2], 6))
    )

    assert torch.equal(torch.rand(1), expected)
    assert np.array_equal(first.maps, again.maps)
    assert not np.array_equal(first.maps, other.maps)
    assert not np.array_equal(first.maps[0], first.maps[1])


def test_one_pathology_alone_is_told_of_every_image(proxy: Proxy) -> None:
    answers = proxy.learn([0, 2, 4], seed=0).answers(proxy.train)

    assert np.array_equal(answers.pathologies, np.tile([0.0, 1.0, 0.0], (24, 1)))


def test_without_a_pathology_all_are_as_likely() -> None:
    images = made(4)
    unknown = Proxy(
        ProxyImages(
            image_ids=images.image_ids,
            masks=images.masks,
            classes=np.full(4, -1),
            maps=images.maps,
            targets=images.targets,
            content="",
        ),
        SETTINGS,
    )

    answers = unknown.learn([0, 1], seed=0).answers(unknown.train)

    assert answers.pathologies == pytest.approx(np.full((4, 3), 1 / 3))


def test_nothing_cannot_be_learnt(proxy: Proxy) -> None:
    with pytest.raises(TrainingError, match="at least one labelled image"):
        proxy.learn([], seed=0)


def test_embeddings_are_a_row_for_each_image(proxy: Proxy) -> None:
    rows = embeddings(proxy.train)

    assert rows.shape == (24, 6)
    assert rows.dtype == np.float32


class TestSettings:
    def test_many_images_get_more_steps(self) -> None:
        settings = ProxySettings(steps=100, passes=10, batch_size=8)

        assert settings.steps_for(20) == 100
        assert settings.steps_for(160) == 200

    def test_every_problem_is_told(self) -> None:
        with pytest.raises(ConfigError, match="size_px must be a multiple of 32") as caught:
            ProxySettings(size_px=100, views=0, steps=0)

        assert len(caught.value.problems) == 3
