from pathlib import Path

from sonoloop.datasets.splits import has_lesion, hold_out
from sonoloop.labels import Pathology
from sonoloop.records import LabelledImage


def image(index: int, pathology: Pathology) -> LabelledImage:
    masks = () if pathology is Pathology.NORMAL else (Path(f"{index}_mask.png"),)
    return LabelledImage(
        image_id=str(index),
        image_path=Path(f"{index}.png"),
        mask_paths=masks,
        has_mask=True,
        pathology=pathology,
        patient=f"p{index}",
    )


def test_validation_gets_a_lesion_wherever_there_are_two() -> None:
    for first in range(40):
        images = [image(first + i, Pathology.NORMAL) for i in range(8)]
        images += [image(1000 + first + i, Pathology.BENIGN) for i in range(2)]

        train, validation = hold_out(images, fraction=0.15, must_hold=has_lesion)

        assert any(map(has_lesion, validation))
        assert any(map(has_lesion, train))
        assert sorted(i.image_id for i in train + validation) == sorted(i.image_id for i in images)
        assert {i.patient for i in train}.isdisjoint(i.patient for i in validation)


def test_without_any_of_the_kind_the_split_stays_as_it_is() -> None:
    images = [image(i, Pathology.NORMAL) for i in range(20)]

    assert hold_out(images, fraction=0.2, must_hold=has_lesion) == hold_out(images, fraction=0.2)
