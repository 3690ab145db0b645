import numpy as np

from sonoloop.evaluation.heat import FRAME, HOT, OPACITY, heat_overlay
from sonoloop.geometry import Box


def test_without_heat_the_image_stays_as_it_is() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30), dtype=np.uint8)

    drawn = heat_overlay(pixels, np.zeros((20, 30), np.float32))

    np.testing.assert_array_equal(drawn, np.repeat(pixels[..., None], 3, axis=2))


def test_the_hottest_place_shows_the_texture_below() -> None:
    pixels = np.array([[0, 200]], dtype=np.uint8)

    drawn = heat_overlay(pixels, np.ones((1, 2), np.float32))

    expected = pixels[..., None] * (1 - OPACITY) + np.array(HOT) * OPACITY
    np.testing.assert_allclose(drawn, expected, atol=1)


def test_what_was_looked_at_is_framed_inside_the_image() -> None:
    drawn = heat_overlay(
        np.zeros((10, 12), np.uint8), np.zeros((10, 12), np.float32), [Box(2, 3, 10, 12)]
    )

    framed = (drawn == FRAME).all(axis=2)
    assert framed.sum() == 2 * (8 + 9) - 4
    assert framed[2, 3]
    assert framed[9, 11]
    assert not framed[5, 5]
