"""One image as the networks of a pipeline want it, and their answers back on its own grid."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sonoloop.errors import ModelError
from sonoloop.geometry import Box, ProbabilityMap
from sonoloop.labels import PATHOLOGIES
from sonoloop.networks.card import ModelCard
from sonoloop.transforms.crop import lesion_crop_box
from sonoloop.transforms.letterbox import GreyPixels
from sonoloop.transforms.preprocess import on_grid_of, preprocess

Rows = npt.NDArray[np.float32]


class Looks:
    """An image after the preprocessing of each network; what both ask for is done once.

    Args:
        pixels: (H, W) uint8.
    """

    def __init__(self, pixels: GreyPixels) -> None:
        self.pixels = pixels
        self._done: dict[tuple[str, ...], tuple[GreyPixels, Box]] = {}

    def after(self, steps: tuple[str, ...]) -> tuple[GreyPixels, Box]:
        """The image after ``steps``, and where it lies in the image; see ``preprocess``."""
        if steps not in self._done:
            self._done[steps] = preprocess(self.pixels, steps)
        return self._done[steps]


def put_back(inside: ProbabilityMap, part: Box, shape: tuple[int, int]) -> ProbabilityMap:
    """A map of the ``part`` of an image as a map of the whole, (H, W), 0 where nothing is known."""
    if inside.shape == shape:
        return inside
    whole = np.zeros(shape, dtype=np.float32)
    whole[part.top : part.bottom, part.left : part.right] = inside
    return whole


def crop_boxes(card: ModelCard, part: Box, tight: Sequence[Box], *, margin: float) -> list[Box]:
    """What a classifier looks at, on the grid of the ``part`` of the image that was kept.

    Args:
        card: Of the classifier: what it looks at, and its margin.
        part: What preprocessing kept of the image.
        tight: Boxes of lesions on the image's own grid.
        margin: Where the card names none, as a share of a lesion's longer side.

    Returns:
        A box for each lesion; one of the whole part where there is none, or where the classifier
        looks at whole images. A lesion outside of the part is shown as the whole part.
    """
    shape = (part.height, part.width)
    whole = Box(0, 0, *shape)
    if card.crop == "whole" or not tight:
        return [whole]
    share = margin if card.crop_margin is None else card.crop_margin
    inside = [on_grid_of(part, box) for box in tight]
    return [
        whole if box is None else lesion_crop_box(box, margin=share, within=shape) for box in inside
    ]


def told_apart(card: ModelCard) -> tuple[int, ...]:
    """Where each output of a classifier stands among all pathologies.

    Raises:
        ModelError: If it tells something else apart.
    """
    names = card.classes or PATHOLOGIES
    if len(set(names)) < len(names) or not set(names) <= set(PATHOLOGIES):
        raise ModelError(
            f"{card.model_id} tells {', '.join(names)} apart (each must be another one of "
            f"{', '.join(PATHOLOGIES)})"
        )
    return tuple(PATHOLOGIES.index(name) for name in names)


def spread(rows: Rows, places: Sequence[int]) -> Rows:
    """Probabilities (N, classes) as (N, 3) of all pathologies, 0 for those that are not told.

    Example:
        >>> spread(np.array([[0.25, 0.75]], np.float32), [1, 2]).tolist()
        [[0.0, 0.25, 0.75]]
    """
    every = np.zeros((len(rows), len(PATHOLOGIES)), dtype=np.float32)
    every[:, list(places)] = rows
    return every
