import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from monai.metrics import (
    compute_dice,
    compute_hausdorff_distance,
    compute_iou,
    compute_surface_dice,
)

from sonoloop.errors import GeometryError
from sonoloop.evaluation.overlap import dice, hd95_px, iou, nsd
from sonoloop.geometry import Mask

pairs = st.tuples(
    hnp.arrays(bool, (12, 9), elements=st.booleans()),
    hnp.arrays(bool, (12, 9), elements=st.booleans()),
)


def disc(centre: tuple[int, int], radius: int) -> Mask:
    rows, columns = np.mgrid[0:64, 0:80]
    return np.asarray((rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 <= radius**2)


def as_tensors(pred: Mask, truth: Mask) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(pred)[None, None].float(), torch.from_numpy(truth)[None, None].float()


SHIFTED = [(disc((30, 30), 12), disc((32, 35), 10)), (disc((30, 30), 5), disc((20, 60), 9))]


@pytest.mark.parametrize(("pred", "truth"), SHIFTED)
def test_dice_is_that_of_monai(pred: Mask, truth: Mask) -> None:
    assert dice(pred, truth) == pytest.approx(compute_dice(*as_tensors(pred, truth)).item())


@pytest.mark.parametrize(("pred", "truth"), SHIFTED)
def test_iou_is_that_of_monai(pred: Mask, truth: Mask) -> None:
    assert iou(pred, truth) == pytest.approx(compute_iou(*as_tensors(pred, truth)).item())


@pytest.mark.parametrize(("pred", "truth"), SHIFTED)
def test_hd95_is_that_of_monai(pred: Mask, truth: Mask) -> None:
    tensors = as_tensors(pred, truth)

    expected = compute_hausdorff_distance(tensors[0], tensors[1], percentile=95)

    assert hd95_px(pred, truth) == pytest.approx(expected.item(), abs=1e-4)


@pytest.mark.parametrize(("pred", "truth"), SHIFTED)
def test_surface_dice_is_that_of_monai(pred: Mask, truth: Mask) -> None:
    tensors = as_tensors(pred, truth)

    expected = compute_surface_dice(tensors[0], tensors[1], class_thresholds=[2.0])

    assert nsd(pred, truth) == pytest.approx(expected.item(), abs=1e-4)


@given(pairs)
def test_overlap_is_symmetric_and_bounded(masks: tuple[Mask, Mask]) -> None:
    value = dice(*masks)

    assert 0 <= iou(*masks) <= value <= 1
    assert dice(*reversed(masks)) == value


def test_an_empty_mask_against_a_lesion_is_as_far_as_the_image_is_large() -> None:
    truth, nothing = disc((30, 30), 12), np.zeros((64, 80), dtype=bool)

    assert dice(nothing, truth) == 0
    assert nsd(nothing, truth) == 0
    assert hd95_px(nothing, truth) == pytest.approx(np.hypot(64, 80))


def test_two_empty_masks_agree() -> None:
    nothing = np.zeros((8, 8), dtype=bool)

    assert (dice(nothing, nothing), nsd(nothing, nothing), hd95_px(nothing, nothing)) == (1, 1, 0)


@pytest.mark.parametrize("metric", [dice, iou, hd95_px, nsd])
def test_masks_of_different_shape_are_refused(metric: object) -> None:
    assert callable(metric)
    with pytest.raises(GeometryError, match="cannot be compared"):
        metric(np.zeros((2, 3), bool), np.zeros((3, 2), bool))
