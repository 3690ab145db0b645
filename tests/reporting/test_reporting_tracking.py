"""Lesions keep who they are over revisions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonoloop.errors import DocumentError
from sonoloop.geometry import Box, Mask
from sonoloop.reporting.tracking import TrackedLesion, lesion_masks, track


def box(top: int, left: int, height: int = 10, width: int = 12) -> Mask:
    mask = np.zeros((60, 80), dtype=bool)
    mask[top : top + height, left : left + width] = True
    return mask


def names(lesions: tuple[TrackedLesion, ...]) -> list[str]:
    return [lesion.tracking_id for lesion in lesions]


def test_components_are_lesions_and_corners_join() -> None:
    mask = box(5, 5, 4, 4) | box(9, 9, 4, 4) | box(30, 30, 20, 20)
    found = lesion_masks(mask)

    assert [int(one.sum()) for one in found] == [400, 32]


def test_values_are_lesions_where_there_are_several() -> None:
    label_map = box(5, 5).astype(np.uint8) * 2
    label_map[30:40, 30:40] = label_map[50:55, 5:9] = 5
    found = lesion_masks(label_map)

    assert [int(one.sum()) for one in found] == [120, 120]


def test_nothing_marked_is_no_lesion() -> None:
    assert lesion_masks(np.zeros((40, 40), bool)) == []


def test_dust_is_refused() -> None:
    dust = np.zeros((80, 80), bool)
    dust[::4, ::4] = True

    with pytest.raises(DocumentError, match="falls into 400 pieces"):
        lesion_masks(dust)


def test_lesions_that_overlap_go_on_whatever_their_order() -> None:
    before = track([box(5, 5), box(30, 40)], (), seed="first")
    after = track([box(32, 42), box(6, 7)], before, seed="second")

    assert [one.tracking_uid for one in after] == [one.tracking_uid for one in before][::-1]
    assert names(after) == ["Lesion 2", "Lesion 1"]
    assert [one.segment for one in after] == [1, 2]


def test_a_new_lesion_gets_a_new_name() -> None:
    before = track([box(5, 5)], (), seed="first")
    after = track([box(40, 60), box(5, 6)], before, seed="second")

    assert names(after) == ["Lesion 2", "Lesion 1"]
    assert after[0].tracking_uid not in {one.tracking_uid for one in before}


def test_of_two_halves_the_larger_goes_on() -> None:
    before = track([box(5, 5, 10, 30)], (), seed="first")
    after = track([box(5, 5, 10, 8), box(5, 15, 10, 20)], before, seed="second")

    assert names(after) == ["Lesion 2", "Lesion 1"]


def test_a_lesion_elsewhere_is_another() -> None:
    before = track([box(5, 5)], (), seed="first")
    after = track([box(40, 60)], before, seed="second")

    assert after[0].tracking_uid != before[0].tracking_uid
    assert names(after) == ["Lesion 1"]


boxes = st.builds(
    Box, st.integers(0, 20), st.integers(0, 30), st.integers(21, 59), st.integers(31, 79)
)


@given(st.lists(boxes, max_size=4), st.lists(boxes, max_size=4))
def test_no_two_lesions_share_a_name(old: list[Box], new: list[Box]) -> None:
    masks = [[box(b.top, b.left, b.height, b.width) for b in group] for group in (old, new)]
    before = track(masks[0], (), seed="first")
    after = track(masks[1], before, seed="second")

    for lesions in (before, after):
        assert len(set(names(lesions))) == len(lesions)
        assert len({one.tracking_uid for one in lesions}) == len(lesions)
    goes_on = {one.tracking_uid for one in after} & {one.tracking_uid for one in before}
    assert len(goes_on) == min(len(old), len(new))  # all these boxes overlap in the middle
