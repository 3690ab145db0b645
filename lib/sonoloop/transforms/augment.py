"""Random views of a batch during training: one resampling of the whole batch, then grey values.

Whole batches are transformed at once in torch, one resampling of pictures and masks each, which
keeps two CPU cores for the network; per-image dictionary transforms were not compared. No up-down
flip: shadow and enhancement lie below a lesion, and upside down they would mean something else.
"""

import math
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentationRanges:
    """How far a view may stray from its image.

    Attributes:
        rotation_deg: Largest rotation either way, in degrees.
        scale: Largest zoom factor; the smallest is its inverse.
        shift: Largest translation as a share of the side.
        gamma: Largest exponent of the grey values; the smallest is its inverse.
        contrast: Largest relative change of contrast.
        noise: Largest standard deviation of multiplicative (speckle-like) noise.
        blur_probability: Share of the images that are smoothed.
    """

    rotation_deg: float = 15.0
    scale: float = 1.25
    shift: float = 0.08
    gamma: float = 1.6
    contrast: float = 0.2
    noise: float = 0.08
    blur_probability: float = 0.2

    def times(self, strength: float) -> Self:
        """The same ranges, ``strength`` times as wide; factors such as a zoom to that power."""
        return type(self)(
            rotation_deg=self.rotation_deg * strength,
            scale=self.scale**strength,
            shift=self.shift * strength,
            gamma=self.gamma**strength,
            contrast=min(0.9, self.contrast * strength),
            noise=self.noise * strength,
            blur_probability=min(1.0, self.blur_probability * strength),
        )


def _uniform(count: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    return torch.rand(count, generator=generator) * (high - low) + low


def random_affine(count: int, ranges: AugmentationRanges, generator: torch.Generator) -> Tensor:
    """Maps of random left-right flips, rotations, zooms and shifts, (N, 2, 3), for :func:`move`."""
    angle = torch.deg2rad(_uniform(count, -ranges.rotation_deg, ranges.rotation_deg, generator))
    log_scale = math.log(ranges.scale)
    zoom = torch.exp(_uniform(count, -log_scale, log_scale, generator))
    flip = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0)
    cos, sin = torch.cos(angle) / zoom, torch.sin(angle) / zoom
    shift_x = _uniform(count, -2 * ranges.shift, 2 * ranges.shift, generator)
    shift_y = _uniform(count, -2 * ranges.shift, 2 * ranges.shift, generator)
    rows = [torch.stack([cos * flip, -sin, shift_x], 1), torch.stack([sin * flip, cos, shift_y], 1)]
    return torch.stack(rows, 1)


def move(images: Tensor, theta: Tensor) -> Tensor:
    """Images (N, 1, S, S) under the maps of :func:`random_affine`; black comes in at the sides."""
    grid = functional.affine_grid(theta.to(images.device), list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, align_corners=False)


def move_mask(masks: Tensor, theta: Tensor) -> Tensor:
    """Masks (N, 1, S, S) of 0 and 1 under the same maps; still 0 and 1."""
    return (move(masks, theta) > 0.5).float()


def random_grey(images: Tensor, ranges: AugmentationRanges, generator: torch.Generator) -> Tensor:
    """Random gamma, contrast, speckle-like noise and smoothing of images in [0, 1]."""
    count, device = images.shape[0], images.device

    def per_image(low: float, high: float) -> Tensor:
        return _uniform(count, low, high, generator).view(-1, 1, 1, 1).to(device)

    log_gamma = math.log(ranges.gamma)
    gamma = torch.exp(per_image(-log_gamma, log_gamma))
    bright = images.clamp(0, 1).pow(gamma) * (1 + per_image(-ranges.contrast, ranges.contrast))
    noise = torch.randn(images.shape, generator=generator).to(device)
    noisy = bright * (1 + noise * per_image(0, ranges.noise))
    smooth = functional.avg_pool2d(noisy, 3, stride=1, padding=1)
    blurred = per_image(0, 1) < ranges.blur_probability
    return torch.where(blurred, smooth, noisy).clamp(0, 1)
