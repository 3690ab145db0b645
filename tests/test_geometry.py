import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sonoloop.errors import GeometryError, InvalidRequestError
from sonoloop.geometry import Box, Mask, bounding_box, lesion_area_mm2
from sonoloop.labels import Pathology, parse_birads, parse_pathology

masks = hnp.arrays(bool, st.tuples(st.integers(1, 20), st.integers(1, 20)))


@given(masks)
def test_the_bounding_box_holds_every_lesion_pixel_and_touches_all_sides(mask: Mask) -> None:
    box = bounding_box(mask)

    if box is None:
        assert not mask.any()
        return
    inside = mask[box.top : box.bottom, box.left : box.right]
    assert inside.sum() == mask.sum()
    assert inside[0].any()
    assert inside[-1].any()
    assert inside[:, 0].any()
    assert inside[:, -1].any()


@given(masks, st.integers(0, 30))
def test_a_padded_box_stays_within_the_image(mask: Mask, margin_px: int) -> None:
    tight = bounding_box(mask) or Box(0, 0, *mask.shape)

    padded = tight.padded(margin_px, within=(mask.shape[0], mask.shape[1]))

    assert 0 <= padded.top <= tight.top
    assert tight.bottom <= padded.bottom <= mask.shape[0]
    assert padded.height <= tight.height + 2 * margin_px
    assert padded.width <= mask.shape[1]


def test_a_box_without_pixels_is_refused() -> None:
    with pytest.raises(GeometryError, match="holds no pixel"):
        Box(3, 3, 3, 5)


def test_a_volume_is_no_mask() -> None:
    with pytest.raises(GeometryError, match=r"two axes \(H, W\), got shape \(2, 3, 4\)"):
        bounding_box(np.zeros((2, 3, 4), dtype=bool))


def test_an_area_uses_both_spacings() -> None:
    mask = np.ones((4, 5), dtype=bool)

    assert lesion_area_mm2(mask, (0.1, 0.3)) == pytest.approx(0.6)
    assert lesion_area_mm2(mask, None) is None


def test_words_for_pathology_and_birads_are_checked() -> None:
    assert parse_pathology(" Malignant ") is Pathology.MALIGNANT
    assert parse_pathology(None) is None
    with pytest.raises(InvalidRequestError, match="unknown pathology 'tumour'"):
        parse_pathology("tumour")
    with pytest.raises(InvalidRequestError, match="unknown BI-RADS category '7'"):
        parse_birads("7")
