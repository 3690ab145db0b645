"""Lesion crops whose sides move at random, as the crop around a predicted outline does.

A crop is stored with its surroundings, so that what comes in at a moved side is the image and not
black. A view is one resampling of the stored square; outside of the moved box it is black, as the
letterboxed crop is at inference.
"""

import dataclasses
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from sonoloop.geometry import Box
from sonoloop.transforms.augment import AugmentationRanges, random_affine
from sonoloop.transforms.letterbox import letterbox_pixels

Pixels = npt.NDArray[np.uint8]

CORNERS = 1.2
"""Room for the corners of a crop that is turned, as a factor of its side."""

LEAST_SIDE = 0.2
"""A moved box is never thinner than this share of the lesion's longer side."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """A crop with what lies around it, in a square; or a stack of them, with N in front.

    Positions are in units of the square: -1 is its left or upper edge, 1 its right or lower one.

    Attributes:
        pixels: (C, C) uint8; black where the image has ended.
        box: (4,) float32, left, top, right and bottom of the crop.
        bounds: (4,) float32, the same of the image.
        side: () float32, longer side of the lesion.
    """

    pixels: Pixels
    box: npt.NDArray[np.float32]
    bounds: npt.NDArray[np.float32]
    side: npt.NDArray[np.float32]


def with_surroundings(
    pixels: Pixels, box: Box, *, margin: float, jitter: float, size_px: int
) -> Surroundings:
    """The crop ``box`` of an image with as much around it as ``jitter`` can bring in.

    Args:
        pixels: (H, W) of the image.
        box: Crop around the lesion, with its margin.
        margin: Margin in the box, as a share of the lesion's longer side.
        jitter: Farthest a side can move, as a share of the lesion's longer side.
        size_px: Side the network sees; the crop is stored at that resolution.
    """
    longer = max(box.height, box.width)
    factor = CORNERS * (1 + 2 * jitter)
    half = max(1, round(factor * longer / 2))
    top, left = (box.top + box.bottom) // 2 - half, (box.left + box.right) // 2 - half
    square = np.zeros((2 * half, 2 * half), dtype=np.uint8)
    height, width = pixels.shape
    rows = slice(max(0, top), min(height, top + 2 * half))
    columns = slice(max(0, left), min(width, left + 2 * half))
    square[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] = pixels[
        rows, columns
    ]

    def placed(edges: tuple[int, int, int, int]) -> npt.NDArray[np.float32]:
        origin = np.array([left, top, left, top])
        return np.asarray((np.array(edges) - origin) / half - 1, dtype=np.float32)

    return Surroundings(
        letterbox_pixels(square, round(size_px * factor))[0],
        placed((box.left, box.top, box.right, box.bottom)),
        placed((0, 0, width, height)),
        np.array(longer / (1 + 2 * margin) / half, dtype=np.float32),
    )


def stack(examples: list[Surroundings]) -> Surroundings:
    """Surroundings of many crops as one, with N in front of every shape."""
    names = [field.name for field in dataclasses.fields(Surroundings)]
    return Surroundings(*(np.stack([getattr(e, name) for e in examples]) for name in names))


def taken(crops: Surroundings, chosen: npt.NDArray[np.int64]) -> Surroundings:
    """Some of a stack."""
    names = [field.name for field in dataclasses.fields(Surroundings)]
    return Surroundings(*(getattr(crops, name)[chosen] for name in names))


def jittered_crops(
    crops: Surroundings,
    *,
    jitter: float,
    size_px: int,
    ranges: AugmentationRanges,
    generator: torch.Generator,
) -> Tensor:
    """Random views of N crops, (N, 1, S, S) in [0, 1].

    Every side of the box moves on its own, but never out of the image; then the view is flipped
    and turned. Zoom and shift of ``ranges`` are left out: moved sides are both.

    Args:
        crops: N of them.
        jitter: Farthest a side moves, as a share of the lesion's longer side.
        size_px: Side of the views.
        ranges: How far they turn.
        generator: Source of every random choice.
    """
    count = len(crops.pixels)
    box, bounds = torch.from_numpy(crops.box), torch.from_numpy(crops.bounds)
    side = torch.from_numpy(crops.side)[:, None]
    moved = box + (2 * torch.rand((count, 4), generator=generator) - 1) * jitter * side
    low, high = (
        torch.maximum(moved[:, :2], bounds[:, :2]),
        torch.minimum(moved[:, 2:], bounds[:, 2:]),
    )
    centre, half = (low + high) / 2, torch.maximum((high - low) / 2, LEAST_SIDE / 2 * side)
    longest = half.amax(1)
    theta = random_affine(count, dataclasses.replace(ranges, scale=1.0, shift=0.0), generator)
    theta = torch.cat([theta[:, :, :2] * longest[:, None, None], centre[:, :, None]], dim=2)
    pixels = torch.from_numpy(crops.pixels)[:, None].float() / 255
    grid = functional.affine_grid(theta, [count, 1, size_px, size_px], align_corners=False)
    views = functional.grid_sample(pixels, grid, align_corners=False)
    return views * _inside(half / longest[:, None], size_px)


def _inside(half: Tensor, size_px: int) -> Tensor:
    """(N, 1, S, S), 1 inside the centred boxes of (N, 2) half width and height, else 0."""
    at = (torch.arange(size_px) * 2 + 1) / size_px - 1
    columns = at.abs()[None] <= half[:, :1]
    rows = at.abs()[None] <= half[:, 1:]
    return (rows[:, :, None] & columns[:, None, :])[:, None].float()
