import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonoloop.errors import GeometryError
from sonoloop.transforms.letterbox import letterbox, letterbox_mask, placement_in

shapes = st.tuples(st.integers(1, 300), st.integers(1, 300))


def test_a_tall_image_keeps_its_proportions_and_is_padded_with_black() -> None:
    square, placement = letterbox(np.full((200, 100), 255, np.uint8), 64)

    assert placement.shape == (64, 32)
    assert (square[:, 16:48] == 1).all()
    assert not square[:, :16].any()
    assert not square[:, 48:].any()


@given(shapes, st.sampled_from([32, 64, 96]))
def test_the_image_always_fits_and_touches_two_sides(shape: tuple[int, int], size: int) -> None:
    placement = placement_in(shape, size)

    assert max(placement.shape) == size
    assert placement.top + placement.shape[0] <= size
    assert placement.left + placement.shape[1] <= size


@given(shapes)
def test_restore_gives_the_image_its_own_grid_back(shape: tuple[int, int]) -> None:
    _, placement = letterbox(np.zeros(shape, np.uint8), 64)

    restored = placement.restore(np.ones((64, 64), np.float32))

    assert restored.shape == shape
    assert np.allclose(restored, 1)


def test_restore_undoes_letterbox_on_a_smooth_picture() -> None:
    rows, columns = np.mgrid[0:180, 0:240]
    pixels = (120 + 60 * np.sin(rows / 30) + 60 * np.cos(columns / 40)).astype(np.uint8)

    square, placement = letterbox(pixels, 256)

    assert np.abs(placement.restore(square) * 255 - pixels).mean() < 1.0


def test_a_mask_lands_where_its_image_lands() -> None:
    mask = np.zeros((100, 300), dtype=bool)
    mask[20:80, 60:150] = True

    square, _ = letterbox(mask.astype(np.uint8) * 255, 96)

    np.testing.assert_array_equal(letterbox_mask(mask, 96), square >= 128 / 255)


def test_the_input_is_left_alone() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (50, 70), dtype=np.uint8)
    before = pixels.copy()

    letterbox(pixels, 64)

    np.testing.assert_array_equal(pixels, before)


def test_an_empty_image_is_refused() -> None:
    with pytest.raises(GeometryError, match="holds no pixel"):
        letterbox(np.zeros((0, 5), np.uint8), 64)
