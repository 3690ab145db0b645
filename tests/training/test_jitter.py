import dataclasses

import numpy as np
import numpy.typing as npt
import torch

from sonoloop.geometry import Box
from sonoloop.training.jitter import Surroundings, jittered_crops, stack, with_surroundings
from sonoloop.transforms.augment import AugmentationRanges
from sonoloop.transforms.crop import crop_box
from sonoloop.transforms.letterbox import letterbox

STILL = AugmentationRanges(rotation_deg=0.0)
SIZE_PX = 64


def smooth(height: int, width: int) -> npt.NDArray[np.uint8]:
    rows, columns = np.mgrid[:height, :width]
    return np.asarray(40 + 100 * rows / height + 100 * columns / width, dtype=np.uint8)


def views(crops: Surroundings, jitter: float, *, seed: int = 0) -> npt.NDArray[np.float32]:
    generator = torch.Generator().manual_seed(seed)
    found: npt.NDArray[np.float32] = jittered_crops(
        crops, jitter=jitter, size_px=SIZE_PX, ranges=STILL, generator=generator
    ).numpy()
    return found[:, 0]


def test_without_jitter_a_view_is_the_letterboxed_crop_or_its_mirror() -> None:
    pixels, box = smooth(200, 240), Box(60, 50, 120, 170)
    around = with_surroundings(pixels, box, margin=0.25, jitter=0.0, size_px=SIZE_PX)

    found = views(stack([around] * 8), 0.0)

    square, _ = letterbox(crop_box(pixels, box), SIZE_PX)
    for view in found:
        differences = [np.abs(view - s)[20:44].max() for s in (square, square[:, ::-1])]
        assert min(differences) < 0.03


def test_bars_beside_the_box_stay_black() -> None:
    pixels = np.full((200, 240), 200, np.uint8)
    around = with_surroundings(
        pixels, Box(80, 50, 110, 170), margin=0.25, jitter=0.1, size_px=SIZE_PX
    )

    found = views(stack([around] * 20), 0.1)

    assert (found[:, :10] == 0).all()
    assert (found[:, 30:34, 4:-4] > 0.7).all()


def test_what_comes_in_at_a_moved_side_is_the_image() -> None:
    pixels = np.full((200, 240), 200, np.uint8)
    around = with_surroundings(
        pixels, Box(60, 60, 140, 140), margin=0.25, jitter=0.3, size_px=SIZE_PX
    )

    found = views(stack([around] * 40), 0.3)

    for view in found > 0.5:
        rows, columns = np.nonzero(view)
        assert max(np.ptp(rows), np.ptp(columns)) == SIZE_PX - 1


def test_a_box_never_leaves_its_image() -> None:
    pixels = np.full((80, 100), 200, np.uint8)
    around = with_surroundings(pixels, Box(0, 0, 80, 100), margin=0.25, jitter=0.5, size_px=SIZE_PX)

    found = views(stack([around] * 40), 0.5)

    for view in found:
        rows, columns = np.nonzero(view)
        inner = view[rows.min() + 1 : rows.max(), columns.min() + 1 : columns.max()]
        assert inner.min() > 0.7


def test_more_jitter_moves_sides_farther() -> None:
    pixels, box = smooth(300, 300), Box(100, 100, 200, 200)

    spread = [
        views(
            stack(
                [with_surroundings(pixels, box, margin=0.25, jitter=jitter, size_px=SIZE_PX)] * 60
            ),
            jitter,
        )[:, 8:-8, 8:-8]
        .mean(axis=(1, 2))
        .std()
        for jitter in (0.05, 0.3)
    ]

    assert spread[1] > 3 * spread[0] > 0


def test_the_same_seed_gives_the_same_views_and_leaves_the_crops_alone() -> None:
    around = stack(
        [
            with_surroundings(
                smooth(90, 90), Box(20, 20, 60, 70), margin=0.25, jitter=0.2, size_px=64
            )
        ]
    )
    before = dataclasses.replace(around, pixels=around.pixels.copy(), box=around.box.copy())

    first, again, other = (views(around, 0.2, seed=seed) for seed in (1, 1, 2))

    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    np.testing.assert_array_equal(around.pixels, before.pixels)
    np.testing.assert_array_equal(around.box, before.box)
