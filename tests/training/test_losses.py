import math
from typing import get_args

import numpy as np
import pytest
import torch
from monai.losses import DiceCELoss, DiceLoss
from torch import Tensor

from sonoloop.settings import SegmentationLoss
from sonoloop.training.losses import (
    BOUNDARY_WEIGHT,
    COMBO_CROSS_ENTROPY,
    COMBO_LESION,
    PRESENCE_WEIGHT,
    segmentation_loss,
    signed_distance,
)

NAMES: tuple[SegmentationLoss, ...] = get_args(SegmentationLoss)
SIDE = 16


@pytest.fixture
def truth() -> Tensor:
    """Two masks with a lesion each, of unequal size."""
    masks = torch.zeros(2, 1, SIDE, SIDE)
    masks[0, 0, 4:10, 5:12] = 1
    masks[1, 0, 8:14, 2:5] = 1
    return masks


@pytest.fixture
def logits() -> Tensor:
    return torch.randn(2, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


def certain(masks: Tensor) -> Tensor:
    return (masks * 2 - 1) * 20


def soft_dice(probabilities: Tensor, masks: Tensor) -> Tensor:
    """Of each image."""
    overlap = (probabilities * masks).sum((1, 2, 3))
    return 2 * overlap / (probabilities.sum((1, 2, 3)) + masks.sum((1, 2, 3)))


@pytest.mark.parametrize("name", NAMES)
class TestEveryLoss:
    def test_is_smaller_the_nearer_the_outline(self, name: SegmentationLoss, truth: Tensor) -> None:
        loss = segmentation_loss(name)

        right, shifted, far = (
            loss(certain(truth.roll(shift, 3)), truth).item() for shift in (0, 1, 3)
        )

        assert right < shifted < far

    def test_leads_to_the_outline_by_descent(self, name: SegmentationLoss, truth: Tensor) -> None:
        logits = torch.zeros_like(truth, requires_grad=True)
        optimizer = torch.optim.Adam([logits], lr=0.3)
        loss = segmentation_loss(name)

        for _ in range(60):
            optimizer.zero_grad()
            loss(logits, truth).backward()  # type: ignore[no-untyped-call]
            optimizer.step()

        assert torch.equal((logits > 0).float(), truth)

    def test_is_finite_where_there_is_no_lesion(
        self, name: SegmentationLoss, logits: Tensor
    ) -> None:
        logits.requires_grad_()

        loss = segmentation_loss(name)(logits * 50, torch.zeros_like(logits))
        loss.backward()  # type: ignore[no-untyped-call]

        assert torch.isfinite(loss)
        assert logits.grad is not None
        assert torch.isfinite(logits.grad).all()

    def test_adds_the_presence_of_a_lesion(
        self, name: SegmentationLoss, logits: Tensor, truth: Tensor
    ) -> None:
        truth[1] = 0
        presence = torch.tensor([1.5, -0.5])
        both = torch.cat([logits, presence.view(2, 1, 1, 1).expand_as(logits)], 1)
        loss = segmentation_loss(name)

        added = (loss(both, truth) - loss(logits, truth)).item()

        expected = (math.log1p(math.exp(-1.5)) + math.log1p(math.exp(-0.5))) / 2
        assert added == pytest.approx(PRESENCE_WEIGHT * expected, rel=1e-4)


def test_dice_ce_is_that_of_monai(logits: Tensor, truth: Tensor) -> None:
    expected = DiceCELoss(sigmoid=True)(logits, truth)

    torch.testing.assert_close(segmentation_loss("dice_ce")(logits, truth), expected)


def test_log_cosh_dice_is_taken_of_each_image(logits: Tensor, truth: Tensor) -> None:
    each = [DiceLoss(sigmoid=True)(logits[i : i + 1], truth[i : i + 1]).item() for i in (0, 1)]

    loss = segmentation_loss("log_cosh_dice")(logits, truth).item()

    assert loss == pytest.approx(sum(math.log(math.cosh(x)) for x in each) / 2, rel=1e-5)


def test_log_cosh_dice_of_a_mask_that_misses_is_that_of_one() -> None:
    truth = torch.zeros(1, 1, SIDE, SIDE)
    truth[..., :4, :4] = 1

    loss = segmentation_loss("log_cosh_dice")(certain(truth.roll(8, 3)), truth).item()

    assert loss == pytest.approx(math.log(math.cosh(1)), abs=1e-4)


def test_combo_is_the_formula_of_its_paper(logits: Tensor, truth: Tensor) -> None:
    p = torch.sigmoid(logits)
    weighted = COMBO_LESION * truth * p.log() + (1 - COMBO_LESION) * (1 - truth) * (1 - p).log()
    dice = soft_dice(p, truth).mean()
    paper = -COMBO_CROSS_ENTROPY * weighted.mean() - (1 - COMBO_CROSS_ENTROPY) * dice

    loss = segmentation_loss("combo")(logits, truth)

    # The Dice loss is 1 - Dice, which moves the paper's figure by a constant.
    torch.testing.assert_close(loss, paper + (1 - COMBO_CROSS_ENTROPY), atol=1e-5, rtol=1e-5)


def test_combo_charges_a_missed_pixel_more_than_a_false_one() -> None:
    truth = torch.zeros(1, 1, SIDE, SIDE)
    truth[..., :8, :] = 1
    missed, false = certain(truth), certain(truth)
    missed[..., 0, 0] = -20
    false[..., 15, 0] = 20
    loss = segmentation_loss("combo")

    assert loss(missed, truth) > loss(false, truth)


def test_boundary_adds_probability_times_distance(logits: Tensor, truth: Tensor) -> None:
    distances = np.stack([signed_distance(mask.numpy() > 0) for mask in truth[:, 0]])
    outside = (torch.sigmoid(logits)[:, 0] * torch.from_numpy(distances)).mean()

    added = segmentation_loss("boundary")(logits, truth) - segmentation_loss("dice_ce")(
        logits, truth
    )

    torch.testing.assert_close(added, BOUNDARY_WEIGHT * outside)


def test_boundary_charges_a_false_pixel_more_the_farther_it_is(truth: Tensor) -> None:
    near, far = certain(truth), certain(truth)
    near[0, 0, 11, 12] = 20
    far[0, 0, 15, 0] = 20
    loss = segmentation_loss("boundary")
    plain = segmentation_loss("dice_ce")

    assert loss(near, truth) < loss(far, truth)
    torch.testing.assert_close(plain(near, truth), plain(far, truth))


def test_the_distance_is_negative_inside_and_a_share_of_the_longer_side() -> None:
    mask = np.zeros((6, 10), bool)
    mask[1:6, 3:8] = True

    distance = signed_distance(mask) * 10

    assert distance.dtype == np.float32
    np.testing.assert_allclose(distance[3], [3, 2, 1, 0, -1, -2, -1, 0, 1, 2], atol=1e-6)
    np.testing.assert_allclose(distance[0, 2], math.sqrt(2), atol=1e-6)


@pytest.mark.parametrize("lesion", [False, True])
def test_a_mask_without_outline_has_no_distances(lesion: bool) -> None:
    assert not signed_distance(np.full((5, 7), lesion)).any()
