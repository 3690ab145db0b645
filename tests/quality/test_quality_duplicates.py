import numpy as np
import numpy.typing as npt
import pytest

from sonoloop.geometry import Mask
from sonoloop.labels import Pathology
from sonoloop.quality import duplicates
from sonoloop.quality.checks import Answer
from sonoloop.quality.duplicates import doubt_beside_duplicate, near_duplicates, thumbnail
from sonoloop.quality.limits import Limits


def picture(seed: int) -> npt.NDArray[np.uint8]:
    coarse = np.random.default_rng(seed).integers(0, 200, (12, 15), dtype=np.uint8)
    return np.kron(coarse, np.ones((20, 20), np.uint8))


def square(top: int, left: int) -> Mask:
    mask = np.zeros((240, 300), dtype=bool)
    mask[top : top + 60, left : left + 60] = True
    return mask


def test_pictures_that_differ_in_size_and_brightness_alone_are_near_duplicates() -> None:
    first, other = picture(1), picture(2)
    again = (first[::2, ::2] * 0.8 + 20).astype(np.uint8)

    pairs = list(near_duplicates([thumbnail(p) for p in (first, other, again)], above=0.95))

    assert [(i, j) for i, j, _ in pairs] == [(0, 2)]
    assert pairs[0][2] > 0.99


def test_pairs_are_found_across_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "BLOCK", 2)
    seeds = [1, 2, 3, 1, 2, 4, 1]

    pairs = near_duplicates([thumbnail(picture(seed)) for seed in seeds], above=0.95)

    assert [(i, j) for i, j, _ in pairs] == [(0, 3), (0, 6), (1, 4), (3, 6)]


def test_pictures_of_one_grey_value_are_like_nothing() -> None:
    flat = thumbnail(np.full((50, 50), 80, np.uint8))

    assert list(near_duplicates([flat, flat, thumbnail(picture(1))], above=0.5)) == []
    assert list(near_duplicates([], above=0.5)) == []


def test_near_duplicates_of_different_class_are_doubtful() -> None:
    doubt = doubt_beside_duplicate(
        Answer(pathology=Pathology.BENIGN),
        Answer(pathology=Pathology.MALIGNANT),
        Limits(),
        image_id="b",
    )

    assert doubt is not None
    assert (doubt.kind, doubt.subject) == ("duplicates_disagree", "image:b")
    assert doubt.sentence == (
        "the image is a near-duplicate of b, and is called benign, that one malignant"
    )


def test_near_duplicates_outlined_at_different_places_are_doubtful() -> None:
    first = Answer(mask=square(10, 10), pathology=Pathology.BENIGN)
    second = Answer(mask=square(150, 200)[::2, ::2], pathology=Pathology.BENIGN)
    same = Answer(mask=square(12, 8)[::2, ::2], pathology=Pathology.BENIGN)

    doubt = doubt_beside_duplicate(first, second, Limits(), image_id="b", correlation=0.97)

    assert doubt is not None
    assert doubt.figures == {"ncc": 0.97, "dice": 0.0}
    assert doubt_beside_duplicate(first, same, Limits(), image_id="b", correlation=0.97) is None


def test_outlines_of_pictures_cut_differently_are_not_compared() -> None:
    first = Answer(mask=square(10, 10), pathology=Pathology.BENIGN)
    second = Answer(mask=square(150, 200), pathology=Pathology.BENIGN)

    assert doubt_beside_duplicate(first, second, Limits(), image_id="b") is None


def test_an_answer_without_a_class_contradicts_none() -> None:
    assert (
        doubt_beside_duplicate(
            Answer(), Answer(pathology=Pathology.BENIGN), Limits(), image_id="b", correlation=0.99
        )
        is None
    )
