"""Splits: nobody crosses, and nobody moves from training to validation."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonoloop.datasets.splits import families, split_by_patient
from sonoloop.errors import DatasetError
from sonoloop.records import LabelledImage


@st.composite
def image_lists(draw: st.DrawFn) -> list[LabelledImage]:
    names = draw(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=25))
    return [
        image(str(n), f"p{p}" if p else "", f"g{g}" if g else None)
        for n, (p, g) in enumerate(names)
    ]


def image(image_id: str, patient: str = "", group: str | None = None) -> LabelledImage:
    return LabelledImage(
        image_id=image_id, image_path=Path(f"{image_id}.png"), patient=patient, group=group
    )


@given(image_lists(), st.integers(0, 3))
def test_no_patient_and_no_group_crosses(images: list[LabelledImage], seed: int) -> None:
    train, validation = split_by_patient(images, fraction=0.3, seed=seed)

    assert sorted(i.image_id for i in train + validation) == sorted(i.image_id for i in images)
    for key in ("patient", "group"):
        here = {getattr(i, key) for i in train} - {"", None}
        assert here.isdisjoint(getattr(i, key) for i in validation)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=30), st.data())
def test_more_labels_never_move_an_image_from_training_to_validation(
    patients: list[int], data: st.DataObject
) -> None:
    images = [image(str(n), f"p{patient}") for n, patient in enumerate(patients)]
    earlier = images[: data.draw(st.integers(1, len(images)))]

    trained = {i.image_id for i in split_by_patient(earlier, fraction=0.2, seed=1)[0]}
    held_out = {i.image_id for i in split_by_patient(images, fraction=0.2, seed=1)[1]}

    assert trained.isdisjoint(held_out)


def test_families_are_joined_through_shared_groups() -> None:
    images = [
        image("a", "p1", "g1"),
        image("b", "p2", "g1"),
        image("c", "p2", "g2"),
        image("d", "p3"),
    ]

    assert [[i.image_id for i in family] for family in families(images)] == [["a", "b", "c"], ["d"]]


def test_images_without_patient_stand_alone() -> None:
    assert len(families([image("a"), image("b")])) == 2


def test_about_the_asked_share_of_patients_is_held_out() -> None:
    images = [image(str(n), f"p{n}") for n in range(2000)]

    validation = split_by_patient(images, fraction=0.15, seed=0)[1]

    assert len(validation) == pytest.approx(300, abs=48)  # three standard deviations


def test_another_seed_holds_out_others() -> None:
    images = [image(str(n), f"p{n}") for n in range(100)]

    first, second = (split_by_patient(images, fraction=0.2, seed=seed)[1] for seed in (0, 1))

    assert first != second


def test_a_few_patients_still_leave_one_to_validate_on() -> None:
    images = [image(str(n), f"p{n}") for n in range(3)]

    train, validation = split_by_patient(images, fraction=0.01, seed=0)

    assert (len(train), len(validation)) == (2, 1)


@pytest.mark.parametrize("fraction", [0.0, 1.0, -1.0])
def test_a_share_that_is_none_is_refused(fraction: float) -> None:
    with pytest.raises(DatasetError, match=r"fraction must be in \(0, 1\)"):
        split_by_patient([], fraction=fraction, seed=0)


def test_the_parts_of_a_share_hold_everybody_out_once() -> None:
    images = [image(str(number), patient=f"p{number}") for number in range(200)]

    held_out = [
        item.image_id
        for part in range(4)
        for item in split_by_patient(images, fraction=0.3, seed=7, part=part)[1]
    ]

    assert sorted(held_out) == sorted(item.image_id for item in images)


@pytest.mark.parametrize("part", [-1, 4])
def test_a_part_outside_of_the_whole_is_refused(part: int) -> None:
    with pytest.raises(DatasetError, match=f"part {part} of shares of 0.25"):
        split_by_patient([], fraction=0.25, seed=7, part=part)
