import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw

from sonoloop.errors import ConfigError
from sonoloop.geometry import Box
from sonoloop.settings import PREPROCESSING_STEPS, TrainingSettings
from sonoloop.transforms.preprocess import on_grid_of, preprocess, sector_box

Pixels = npt.NDArray[np.uint8]

SECTOR = Box(60, 80, 260, 330)


def tissue(shape: tuple[int, int], *, seed: int = 0, bright: float = 90) -> Pixels:
    """Log-compressed Rayleigh speckle, as tissue shows it."""
    speckle = np.random.default_rng(seed).rayleigh(size=shape)
    grey: Pixels = np.clip(bright + 25 * np.log(speckle + 1e-3), 0, 255).astype(np.uint8)
    return grey


def screen_copy() -> Pixels:
    """Tissue in a black frame with a text, a ruler and a grey bar."""
    picture = Image.new("L", (420, 320))
    draw = ImageDraw.Draw(picture)
    draw.text((10, 10), "L12-5  MI 0.8", fill=255)
    for row in range(60, 260, 20):
        draw.line((400, row, 406, row), fill=200)
    draw.rectangle((0, 300, 419, 319), fill=60)
    pixels: Pixels = np.asarray(picture).copy()
    inside = (slice(SECTOR.top, SECTOR.bottom), slice(SECTOR.left, SECTOR.right))
    pixels[inside] = tissue((SECTOR.height, SECTOR.width))
    return pixels


def test_without_steps_an_image_stays_as_it_is() -> None:
    pixels = screen_copy()

    same, box = preprocess(pixels, ())

    assert same is pixels
    assert box == Box(0, 0, 320, 420)


def test_frame_texts_and_rulers_are_cut_away_and_no_tissue() -> None:
    pixels = screen_copy()

    inside, box = preprocess(pixels, ["strip_border"])

    found = np.array(box.as_list())
    assert np.abs(found - np.array(SECTOR.as_list())).max() <= 6
    assert (found[:2] <= SECTOR.as_list()[:2]).all()
    assert (found[2:] >= SECTOR.as_list()[2:]).all()
    np.testing.assert_array_equal(inside, pixels[box.top : box.bottom, box.left : box.right])


@pytest.mark.parametrize("shape", [(60, 90), (300, 280), (450, 700)])
def test_an_image_without_a_frame_is_not_cut(shape: tuple[int, int]) -> None:
    assert sector_box(tissue(shape)) == Box(0, 0, *shape)


def test_depth_that_no_sound_reaches_is_no_frame() -> None:
    pixels = tissue((400, 300))
    pixels[200:] = 0

    assert sector_box(pixels) == Box(0, 0, 400, 300)


def test_a_dark_lesion_at_the_side_is_no_frame() -> None:
    pixels = tissue((300, 300))
    pixels[80:200, :110] = 2

    assert sector_box(pixels) == Box(0, 0, 300, 300)


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((100, 140), np.uint8),
        np.full((100, 140), 255, np.uint8),
        np.zeros((1, 1), np.uint8),
        np.zeros((3, 200), np.uint8),
    ],
    ids=["black", "white", "one pixel", "sliver"],
)
def test_a_blank_image_is_left_alone(pixels: Pixels) -> None:
    after, box = preprocess(pixels, PREPROCESSING_STEPS)

    assert box == Box(0, 0, *pixels.shape)
    np.testing.assert_array_equal(after, pixels)


def test_a_speck_in_the_dark_is_no_sector() -> None:
    pixels = np.zeros((300, 400), np.uint8)
    pixels[100:130, 100:140] = tissue((30, 40))

    assert sector_box(pixels) == Box(0, 0, 300, 400)


def test_despeckling_smooths_speckle_and_keeps_an_edge() -> None:
    pixels = tissue((80, 80))
    pixels[:, 40:] = np.minimum(tissue((80, 40), seed=1).astype(int) + 100, 255).astype(np.uint8)
    before = pixels.copy()

    smooth, _ = preprocess(pixels, ["despeckle"])

    assert smooth.dtype == np.uint8
    assert smooth[:, :40].std() < 0.8 * pixels[:, :40].std()
    step = pixels[:, 42:60].mean() - pixels[:, 20:38].mean()
    assert smooth[:, 40].mean() - smooth[:, 39].mean() > 0.8 * step
    np.testing.assert_array_equal(pixels, before)


def test_equalising_raises_the_contrast_of_a_dull_image() -> None:
    dull = (tissue((120, 160)) // 8 + 40).astype(np.uint8)

    even, _ = preprocess(dull, ["equalise"])

    assert even.dtype == np.uint8
    assert even.std() > 3 * dull.std()


def test_steps_are_done_in_the_order_they_are_named() -> None:
    pixels = screen_copy()
    box = sector_box(pixels)
    cropped = np.ascontiguousarray(pixels[box.top : box.bottom, box.left : box.right])

    first, _ = preprocess(pixels, ["strip_border", "equalise"])

    np.testing.assert_array_equal(first, preprocess(cropped, ["equalise"])[0])
    assert not np.array_equal(first, preprocess(pixels, ["equalise", "strip_border"])[0])


def test_a_box_outside_what_was_kept_has_no_place_there() -> None:
    assert on_grid_of(Box(10, 10, 20, 20), Box(0, 0, 10, 40)) is None


@pytest.mark.parametrize(
    ("step", "hint"),
    [("strip_borders", "did you mean 'strip_border'"), ("x", "one of strip_border, despeckle")],
)
def test_an_unknown_step_is_refused_wherever_it_is_named(step: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=hint):
        preprocess(np.zeros((4, 4), np.uint8), [step])
    with pytest.raises(ConfigError, match=hint):
        TrainingSettings.from_conf({"preprocessing": f"equalise, {step}"})


def test_every_step_that_can_be_named_can_be_done() -> None:
    pixels = screen_copy()

    for step in PREPROCESSING_STEPS:
        assert not np.array_equal(preprocess(pixels, [step])[0], pixels)
    assert TrainingSettings.from_conf(
        {"preprocessing": "strip_border, equalise"}
    ).preprocessing == (
        "strip_border",
        "equalise",
    )
