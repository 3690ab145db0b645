"""What the training of a segmenter makes small, by name.

* ``dice_ce``: Dice loss plus cross-entropy, equally weighted.
* ``log_cosh_dice``: log(cosh(Dice loss)) of each image. Jadon, "A survey of loss functions for
  semantic segmentation", CIBCB 2020, arXiv 2006.14822.
* ``combo``: cross-entropy in which a missed lesion pixel costs more, plus Dice loss. Taghanaki et
  al., "Combo loss: Handling input and output imbalance in multi-organ segmentation", Comput. Med.
  Imaging Graph. 75, 2019.
* ``boundary``: ``dice_ce`` plus the mean of probability times signed distance to the outline.
  Kervadec et al., "Boundary loss for highly unbalanced segmentation", MIDL 2019 and Med. Image
  Anal. 67, 2021.
"""

from collections.abc import Callable

import numpy as np
import torch
from monai.losses import DiceCELoss, DiceLoss
from scipy.ndimage import distance_transform_edt
from torch import Tensor
from torch.nn import functional

from sonoloop.geometry import Mask
from sonoloop.settings import SegmentationLoss

PRESENCE_WEIGHT = 0.2
"""Weight of "is there a lesion at all" beside the outline."""

COMBO_CROSS_ENTROPY = 0.5
"""Share of the cross-entropy in ``combo`` (alpha of the paper), the rest is Dice."""

COMBO_LESION = 0.7
"""Share of the lesion in that cross-entropy (beta of the paper); above 0.5 a missed lesion pixel
costs more than a false one."""

BOUNDARY_WEIGHT = 2.56
"""Of the boundary term: the 0.01 a pixel the paper begins with, on images of 256 pixels a side."""

OutlineLoss = Callable[[Tensor, Tensor], Tensor]


def segmentation_loss(name: SegmentationLoss) -> OutlineLoss:
    """The loss of a network's output, (N, 1 or 2, S, S), against masks, (N, 1, S, S) of 0 and 1.

    A second channel is the presence logit of :class:`~sonoloop.networks.gated_unet.GatedUnet`;
    its cross-entropy is added.
    """
    outline = _OUTLINE_LOSSES[name]()

    def loss(output: Tensor, truth: Tensor) -> Tensor:
        total = outline(output[:, :1], truth)
        if output.shape[1] > 1:
            present = truth.amax((1, 2, 3))
            presence = functional.binary_cross_entropy_with_logits(output[:, 1, 0, 0], present)
            total = total + PRESENCE_WEIGHT * presence
        return total

    return loss


def _dice_ce() -> OutlineLoss:
    loss: OutlineLoss = DiceCELoss(sigmoid=True)
    return loss


def _log_cosh_dice() -> OutlineLoss:
    dice_loss = DiceLoss(sigmoid=True, reduction="none")

    def loss(logits: Tensor, truth: Tensor) -> Tensor:
        return torch.log(torch.cosh(dice_loss(logits, truth))).mean()

    return loss


def _combo() -> OutlineLoss:
    weighted = DiceCELoss(
        sigmoid=True,
        weight=torch.tensor(COMBO_LESION / (1 - COMBO_LESION)),
        lambda_ce=COMBO_CROSS_ENTROPY * (1 - COMBO_LESION),
        lambda_dice=1 - COMBO_CROSS_ENTROPY,
    )

    def loss(logits: Tensor, truth: Tensor) -> Tensor:
        result: Tensor = weighted.to(logits.device)(logits, truth)
        return result

    return loss


def _boundary() -> OutlineLoss:
    region = _dice_ce()

    def loss(logits: Tensor, truth: Tensor) -> Tensor:
        masks = truth[:, 0].cpu().numpy() > 0.5
        distances = torch.from_numpy(np.stack([signed_distance(mask) for mask in masks])[:, None])
        outside = (torch.sigmoid(logits) * distances.to(logits)).mean()
        return region(logits, truth) + BOUNDARY_WEIGHT * outside

    return loss


_OUTLINE_LOSSES: dict[SegmentationLoss, Callable[[], OutlineLoss]] = {
    "dice_ce": _dice_ce,
    "log_cosh_dice": _log_cosh_dice,
    "combo": _combo,
    "boundary": _boundary,
}


def signed_distance(mask: Mask) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Distance of every pixel from the outline as a share of the longer side; negative inside.

    As in the paper's code, the outermost lesion pixels are at 0 and the pixels next to them at one
    pixel; an image without lesion, or of lesion alone, has no outline and is 0 everywhere.

    Args:
        mask: (H, W), True on the lesion.

    Returns:
        (H, W).

    Example:
        >>> signed_distance(np.array([[False, True, True, True, False]])).tolist()
        [[0.2..., -0.0, -0.2..., -0.0, 0.2...]]
    """
    if not mask.any() or mask.all():
        return np.zeros(mask.shape, np.float32)
    outside = distance_transform_edt(~mask)
    inside = distance_transform_edt(mask) - 1
    distance: np.ndarray[tuple[int, ...], np.dtype[np.float32]] = np.where(
        mask, -inside, outside
    ).astype(np.float32)
    return distance / np.float32(max(mask.shape))
