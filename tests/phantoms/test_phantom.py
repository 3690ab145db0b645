"""Phantoms show what their specification says."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import ConvexHull

from sonoloop.errors import ConfigError
from sonoloop.geometry import bounding_box
from sonoloop.labels import Pathology
from sonoloop.phantoms.phantom import Phantom, make_cine, make_phantom
from sonoloop.phantoms.spec import LesionKind, PhantomSpec, random_spec

Spec = Callable[[int, LesionKind | None], PhantomSpec]
Make = Callable[[int, LesionKind | None], Phantom]
LESIONS: tuple[LesionKind, ...] = ("cyst", "fibroadenoma", "carcinoma")


def level_behind(spec: PhantomSpec) -> float:
    """Grey level below the lesion minus that beside it, less the same figure without lesion."""
    assert spec.lesion is not None
    lesion, bare = make_phantom(spec), make_phantom(replace(spec, lesion=None))
    box = bounding_box(lesion.mask)
    assert box is not None
    rows = slice(box.bottom + 2, box.bottom + 30)
    below = slice(box.left + box.width // 4, box.right - box.width // 4)
    beside = np.r_[0 : box.left - 8, box.right + 8 : spec.columns]
    contrast = [
        float(image.pixels[rows, below].mean() - image.pixels[rows][:, beside].mean())
        for image in (lesion, bare)
    ]
    return contrast[0] - contrast[1]


def test_the_same_seed_gives_the_same_pixels_and_another_seed_others(
    small_phantom: Make, small_spec: Spec
) -> None:
    first, other = small_phantom(5, "carcinoma"), small_phantom(6, "carcinoma")
    again = make_phantom(small_spec(5, "carcinoma"))

    np.testing.assert_array_equal(first.pixels, again.pixels)
    np.testing.assert_array_equal(first.mask, again.mask)
    assert (first.pixels != other.pixels).mean() > 0.5


def test_a_normal_breast_has_an_empty_mask(small_phantom: Make) -> None:
    phantom = small_phantom(1, None)

    assert phantom.pathology is Pathology.NORMAL
    assert not phantom.mask.any()


@pytest.mark.parametrize("kind", LESIONS)
def test_the_mask_has_the_area_of_the_intended_ellipse(kind: LesionKind, small_spec: Spec) -> None:
    spec = small_spec(3, kind)
    assert spec.lesion is not None

    phantom = make_phantom(spec)

    intended_mm2 = np.pi / 4 * spec.lesion.height_mm * spec.lesion.width_mm
    area_mm2 = phantom.mask.sum() * phantom.spacing_mm[0] * phantom.spacing_mm[1]
    assert area_mm2 == pytest.approx(intended_mm2, rel=0.03)
    rows, columns = np.nonzero(phantom.mask)
    centre = (rows.mean() * spec.spacing_mm, columns.mean() * spec.spacing_mm)
    assert centre == pytest.approx(spec.lesion.centre_mm, abs=0.12 * spec.lesion.width_mm)


@pytest.mark.parametrize("seed", range(3))
def test_benign_lesions_lie_and_malignant_ones_stand(seed: int, small_phantom: Make) -> None:
    benign = bounding_box(small_phantom(seed, "fibroadenoma").mask)
    malignant = bounding_box(small_phantom(seed, "carcinoma").mask)

    assert benign is not None
    assert malignant is not None
    assert benign.height < 0.85 * benign.width
    assert malignant.height > 0.95 * malignant.width


@pytest.mark.parametrize("seed", range(4, 8))
def test_a_malignant_outline_is_indented_and_a_benign_one_is_not(
    seed: int, small_phantom: Make
) -> None:
    def solidity(kind: LesionKind) -> float:
        mask = small_phantom(seed, kind).mask
        return float(mask.sum() / ConvexHull(np.argwhere(mask)).volume)  # of a polygon: its area

    assert solidity("fibroadenoma") > 0.97
    assert solidity("carcinoma") < 0.95


@pytest.mark.parametrize("seed", range(3))
def test_behind_a_carcinoma_it_is_darker_than_beside(seed: int, small_spec: Spec) -> None:
    assert level_behind(small_spec(seed, "carcinoma")) < -12


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", ["cyst", "fibroadenoma"])
def test_behind_a_benign_lesion_it_is_brighter_than_beside(
    kind: LesionKind, seed: int, small_spec: Spec
) -> None:
    assert level_behind(small_spec(seed, kind)) > 4


@pytest.mark.parametrize("kind", LESIONS)
def test_a_lesion_is_darker_than_the_gland_and_a_cyst_darkest(
    kind: LesionKind, small_phantom: Make
) -> None:
    lesion, bare = small_phantom(2, kind), small_phantom(2, None)
    cyst = small_phantom(2, "cyst")

    inside = lesion.pixels[lesion.mask].mean()
    assert inside < 0.8 * bare.pixels[lesion.mask].mean()
    assert inside >= cyst.pixels[cyst.mask].mean()


def test_pixels_use_the_grey_scale(small_phantom: Make) -> None:
    pixels = small_phantom(8, None).pixels

    assert pixels.dtype == np.uint8
    assert 60 < pixels.mean() < 150
    assert (pixels == 255).mean() < 0.01


def test_pixels_are_square_and_calibrated() -> None:
    spec = random_spec(1, "cyst", rows=120, columns=160)

    phantom = make_phantom(spec)

    assert phantom.pixels.shape == phantom.mask.shape == (120, 160)
    assert phantom.spacing_mm == (spec.width_mm / 160, spec.width_mm / 160)


def test_in_a_cine_the_lesion_drifts_by_the_step(small_spec: Spec) -> None:
    frames = make_cine(small_spec(9, "fibroadenoma"), frames=3, step_px=4)

    lefts = [box.left for box in (bounding_box(frame.mask) for frame in frames) if box]
    assert np.diff(lefts).tolist() == [-4, -4]
    np.testing.assert_array_equal(frames[0].pixels[:, 4:], frames[1].pixels[:, :-4])
    assert frames[2].pixels.shape == (200, 240)


def test_a_cine_that_goes_backwards_is_refused(small_spec: Spec) -> None:
    with pytest.raises(ConfigError, match="step_px"):
        make_cine(small_spec(9, None), frames=2, step_px=-1)


def test_a_phantom_that_no_scanner_makes_is_refused_with_every_reason() -> None:
    with pytest.raises(ConfigError, match=r"(?s)rows must be .*frequency_mhz must be"):
        PhantomSpec(seed=0, rows=5, columns=100, frequency_mhz=50)
