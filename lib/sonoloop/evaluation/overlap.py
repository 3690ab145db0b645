"""Agreement of two masks."""

import numpy as np
from scipy import ndimage

from sonoloop.errors import GeometryError
from sonoloop.geometry import Mask


def _same_shape(pred: Mask, truth: Mask) -> None:
    if pred.shape != truth.shape:
        raise GeometryError(f"masks of shapes {pred.shape} and {truth.shape} cannot be compared")


def dice(pred: Mask, truth: Mask) -> float:
    """Dice coefficient 2|A and B| / (|A| + |B|), in [0, 1] (Dice, Ecology 26, 1945).

    Two empty masks agree: 1. Callers keep images without a lesion out of means.

    Raises:
        GeometryError: If the masks differ in shape.
    """
    _same_shape(pred, truth)
    total = int(pred.sum()) + int(truth.sum())
    if total == 0:
        return 1.0
    return 2 * int((pred & truth).sum()) / total


def iou(pred: Mask, truth: Mask) -> float:
    """Intersection over union, in [0, 1]; 1 for two empty masks.

    Raises:
        GeometryError: If the masks differ in shape.
    """
    value = dice(pred, truth)
    return value / (2 - value)


def _contour(mask: Mask) -> Mask:
    inside: Mask = ndimage.binary_erosion(mask)
    return mask & ~inside


def surface_distances(pred: Mask, truth: Mask) -> tuple[np.ndarray, np.ndarray]:
    """Distance in pixels of every contour pixel of one mask from the other's contour, both ways.

    Raises:
        GeometryError: If the masks differ in shape or one is empty.
    """
    _same_shape(pred, truth)
    if not pred.any() or not truth.any():
        raise GeometryError("surface distances need two masks that are not empty")
    contours = _contour(pred), _contour(truth)
    to_pred, to_truth = (ndimage.distance_transform_edt(~contour) for contour in contours)
    return to_truth[contours[0]], to_pred[contours[1]]


def hd95_px(pred: Mask, truth: Mask) -> float:
    """95th percentile Hausdorff distance in pixels: the larger of the two directed percentiles.

    Convention of MONAI's ``compute_hausdorff_distance(percentile=95, directed=False)``. Where one
    mask is empty the diagonal of the image stands in for the distance; two empty masks give 0.

    Raises:
        GeometryError: If the masks differ in shape.
    """
    _same_shape(pred, truth)
    if not pred.any() and not truth.any():
        return 0.0
    if not pred.any() or not truth.any():
        return float(np.hypot(*pred.shape))
    forth, back = surface_distances(pred, truth)
    return float(max(np.percentile(forth, 95), np.percentile(back, 95)))


def nsd(pred: Mask, truth: Mask, *, tolerance_px: float = 2.0) -> float:
    """Normalised surface Dice: share of both contours within ``tolerance_px`` of the other.

    Nikolov et al., "Clinically Applicable Segmentation of Head and Neck Anatomy", JMIR 2021. One
    empty mask gives 0, two give 1.

    Raises:
        GeometryError: If the masks differ in shape.
    """
    _same_shape(pred, truth)
    if not pred.any() or not truth.any():
        return float(not pred.any() and not truth.any())
    forth, back = surface_distances(pred, truth)
    near = int((forth <= tolerance_px).sum()) + int((back <= tolerance_px).sum())
    return near / (forth.size + back.size)
