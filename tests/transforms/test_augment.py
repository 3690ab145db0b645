import pytest
import torch
from torch import Tensor

from sonoloop.transforms.augment import (
    AugmentationRanges,
    move,
    move_mask,
    random_affine,
    random_grey,
)

STILL = AugmentationRanges(
    rotation_deg=0, scale=1, shift=0, gamma=1, contrast=0, noise=0, blur_probability=0
)


@pytest.fixture
def images() -> Tensor:
    pictures = torch.zeros(16, 1, 32, 32)
    pictures[:, :, 4:12, 6:20] = 0.7
    return pictures


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_ranges_of_nothing_change_nothing_but_left_and_right(images: Tensor) -> None:
    moved = move(images, random_affine(16, STILL, seeded()))

    same = torch.isclose(moved, images, atol=1e-5).flatten(1).all(1)
    mirrored = torch.isclose(moved, images.flip(-1), atol=1e-5).flatten(1).all(1)
    assert bool((same | mirrored).all())
    assert bool(same.any())
    assert bool(mirrored.any())


def test_what_lies_above_stays_above(images: Tensor) -> None:
    moved = move(images, random_affine(16, AugmentationRanges(), seeded()))

    top, bottom = moved[:, :, :16].sum((1, 2, 3)), moved[:, :, 16:].sum((1, 2, 3))
    assert bool((top > bottom).all())


def test_masks_move_with_their_images(images: Tensor) -> None:
    theta = random_affine(16, AugmentationRanges(), seeded())

    masks = move_mask((images > 0).float(), theta)

    assert set(masks.flatten().tolist()) == {0.0, 1.0}
    torch.testing.assert_close(masks, (move(images, theta) > 0.35).float())


def test_grey_values_stay_in_range_and_differ_between_images(images: Tensor) -> None:
    grey = random_grey(images, AugmentationRanges(), seeded())

    assert 0 <= float(grey.min()) <= float(grey.max()) <= 1
    assert len({round(float(picture.mean()), 5) for picture in grey}) > 8


def test_the_same_seed_gives_the_same_views(images: Tensor) -> None:
    first, again = (
        random_grey(move(images, random_affine(16, AugmentationRanges(), g)), STILL, g)
        for g in (seeded(3), seeded(3))
    )

    torch.testing.assert_close(first, again)


def test_the_input_is_left_alone(images: Tensor) -> None:
    before = images.clone()

    random_grey(move(images, random_affine(16, AugmentationRanges(), seeded())), STILL, seeded())

    torch.testing.assert_close(images, before)


class TestAugmentStrength:
    def test_doubles_angles_and_squares_factors(self) -> None:
        usual = AugmentationRanges()

        twice = usual.times(2.0)

        assert twice.rotation_deg == 2 * usual.rotation_deg
        assert twice.scale == pytest.approx(usual.scale**2)
        assert twice.gamma == pytest.approx(usual.gamma**2)

    def test_leaves_the_usual_ranges_at_one(self) -> None:
        assert AugmentationRanges().times(1.0) == AugmentationRanges()

    def test_never_takes_a_share_beyond_one(self) -> None:
        assert AugmentationRanges().times(4.0).blur_probability <= 1.0
        assert AugmentationRanges().times(4.0).contrast < 1.0
