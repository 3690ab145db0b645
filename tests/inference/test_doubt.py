import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import entropy

from sonoloop.inference.doubt import disagreement, expected_dice, mask_doubt, normalised_entropy


def disc(radius: float, *, softness: float, centre: float = 32) -> np.ndarray:
    rows, columns = np.mgrid[:64, :64]
    distance = np.hypot(rows - 32, columns - centre)
    return np.asarray(expit((radius - distance) / softness), dtype=np.float32)


def test_a_certain_map_leaves_no_doubt() -> None:
    mask = disc(15, softness=0.01) > 0.5

    assert mask_doubt(mask.astype(np.float32), mask) == pytest.approx(0)
    assert mask_doubt(mask.astype(np.float32), mask, disagreement=0.0) == pytest.approx(0)


def test_a_blurred_outline_is_more_doubtful_the_smaller_the_lesion() -> None:
    doubts = [
        mask_doubt(disc(radius, softness=3), disc(radius, softness=3) >= 0.5)
        for radius in (24, 16, 8)
    ]

    assert doubts == sorted(doubts)
    assert doubts[0] < doubts[-1] / 2


def test_the_promised_dice_is_the_mean_dice_of_drawn_outlines() -> None:
    probability_map = disc(14, softness=2)
    mask = probability_map >= 0.5
    rng = np.random.default_rng(0)
    drawn = rng.random((400, 64, 64)) < probability_map

    dice = 2 * (drawn & mask).sum((1, 2)) / (drawn.sum((1, 2)) + mask.sum())

    assert expected_dice(probability_map, mask) == pytest.approx(dice.mean(), abs=2e-3)


def test_an_empty_mask_is_as_doubtful_as_its_most_suspicious_pixel() -> None:
    probability_map = np.full((8, 8), 0.1, np.float32)
    probability_map[3, 3] = 0.4

    assert mask_doubt(probability_map, np.zeros((8, 8), bool)) == pytest.approx(0.4)


def test_views_that_differ_raise_the_doubt() -> None:
    here, there = disc(10, softness=1, centre=26), disc(10, softness=1, centre=38)
    mean = (here + there) / 2
    mask = mean >= 0.5

    apart = disagreement(here, there)

    assert disagreement(here, here) == 0
    assert 0.3 < apart < 1
    assert mask_doubt(mean, mask, disagreement=apart) == pytest.approx(
        (1 - expected_dice(mean, mask) + apart) / 2
    )


def test_maps_without_any_lesion_agree() -> None:
    nothing = np.zeros((4, 4), np.float32)

    assert disagreement(nothing, nothing) == 0


@pytest.mark.parametrize("probabilities", [[0.2, 0.3, 0.5], [1 / 3, 1 / 3, 1 / 3], [0.0, 0.1, 0.9]])
def test_entropy_agrees_with_scipy(probabilities: list[float]) -> None:
    value = normalised_entropy(np.array(probabilities), classes=3)

    assert value == pytest.approx(entropy(probabilities, base=3), abs=1e-9)


def test_a_sure_diagnosis_has_no_entropy() -> None:
    assert normalised_entropy(np.array([0.0, 1.0, 0.0]), classes=3) == 0
