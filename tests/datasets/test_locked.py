"""Who is locked, and that it stays so."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonoloop.datasets.locked import key_of, keys_of, lock
from sonoloop.errors import DatasetError
from sonoloop.records import LabelledImage

SHARE = 0.3


def image(name: str, patient: str = "", group: str | None = None) -> LabelledImage:
    return LabelledImage(
        image_id=name, image_path=Path(f"{name}.png"), patient=patient, group=group
    )


def patients(count: int) -> list[LabelledImage]:
    return [image(f"{number}-{view}", f"p{number}") for number in range(count) for view in "ab"]


def ids(images: tuple[LabelledImage, ...]) -> set[str]:
    return {one.image_id for one in images}


def test_about_the_share_is_locked_and_no_patient_is_on_both_sides() -> None:
    split = lock(patients(400), share=SHARE, known={})

    locked = {one.patient for one in split.locked}
    assert 90 < len(locked) < 150
    assert locked.isdisjoint(one.patient for one in split.trainable)
    assert len(split.locked) + len(split.trainable) == 800
    assert split.set_aside == ()


@given(st.lists(st.integers(1, 30), min_size=2, max_size=6), st.floats(0.05, 0.5))
def test_whoever_has_a_place_keeps_it_however_the_labels_grow(
    steps: list[int], share: float
) -> None:
    known: dict[str, bool] = {}
    ever_locked: set[str] = set()
    ever_trained: set[str] = set()
    total = 0

    for step in steps:
        total += step
        split = lock(patients(total), share=share, known=known)
        known |= split.places
        ever_locked |= ids(split.locked)
        ever_trained |= ids(split.trainable)

        assert ever_locked.isdisjoint(ever_trained)


def test_another_share_moves_nobody_who_has_a_place() -> None:
    before = lock(patients(60), share=0.1, known={})

    after = lock(patients(60), share=0.5, known=before.places)
    anew = lock(patients(60), share=0.5, known={})

    assert ids(after.locked) == ids(before.locked)
    assert len(anew.locked) > len(after.locked)


def test_near_duplicates_of_a_patient_take_his_place() -> None:
    split = lock(patients(60), share=SHARE, known={})
    locked, free = split.locked[0].patient, split.trainable[0].patient
    twins = [image("twin-1", locked, "g1"), image("twin-2", "q1", "g1"), image("q3", free, "g2")]

    grown = lock([*patients(60), *twins], share=SHARE, known=split.places)

    assert {"twin-1", "twin-2"} <= ids(grown.locked)
    assert "q3" in ids(grown.trainable)


def test_patients_of_both_sides_that_turn_out_to_be_one_measure_nothing() -> None:
    split = lock(patients(60), share=SHARE, known={})
    locked, free = split.locked[0].patient, split.trainable[0].patient
    bridge = [image("bridge-1", locked, "g"), image("bridge-2", free, "g")]

    grown = lock([*patients(60), *bridge], share=SHARE, known=split.places)

    of_locked = {one.image_id for one in split.locked if one.patient == locked}
    of_free = {one.image_id for one in split.trainable if one.patient == free}
    assert ids(grown.set_aside) == of_locked | {"bridge-1"}
    assert of_free | {"bridge-2"} <= ids(grown.trainable)
    again = lock([*patients(60), *bridge], share=SHARE, known=split.places | grown.places)
    assert ids(again.set_aside) == ids(grown.set_aside)


def test_names_are_remembered_as_hashes() -> None:
    split = lock([image("1", "Jane Roe")], share=SHARE, known={})

    assert set(split.places) == {key_of("patient:Jane Roe")} == keys_of([image("1", "Jane Roe")])
    assert all(len(key) == 64 and "Jane" not in key for key in split.places)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(DatasetError, match=r"must be in \(0, 1\)"):
        lock([], share=share, known={})
