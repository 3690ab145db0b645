import numpy as np
import pytest

from sonoloop.errors import ConfigError, GeometryError
from sonoloop.geometry import Mask
from sonoloop.labels import Pathology
from sonoloop.quality.checks import Answer, Outline, doubt_beside, doubt_on_picture, doubts_alone
from sonoloop.quality.limits import Limits

SHAPE = (100, 120)


def box_mask(top: int, left: int, bottom: int, right: int) -> Mask:
    mask = np.zeros(SHAPE, dtype=bool)
    mask[top:bottom, left:right] = True
    return mask


LESION = box_mask(30, 40, 60, 80)


def kinds(answer: Answer) -> list[str]:
    return [doubt.kind for doubt in doubts_alone(answer, Limits())]


def test_an_outlined_lesion_with_a_class_is_not_doubtful() -> None:
    assert kinds(Answer(mask=LESION, pathology=Pathology.BENIGN)) == []


def test_a_normal_image_without_an_outline_is_not_doubtful() -> None:
    assert kinds(Answer(mask=np.zeros(SHAPE, bool), pathology=Pathology.NORMAL)) == []
    assert kinds(Answer(pathology=Pathology.NORMAL)) == []


def test_an_answer_that_says_nothing_of_lesions_is_not_doubtful() -> None:
    assert kinds(Answer()) == []


@pytest.mark.parametrize("mask", [LESION, np.zeros(SHAPE, bool)], ids=["lesion", "erased"])
def test_a_mask_without_a_class_is_doubtful(mask: Mask) -> None:
    assert kinds(Answer(mask=mask)) == ["mask_without_class"]


@pytest.mark.parametrize("mask", [None, np.zeros(SHAPE, bool)], ids=["none", "erased"])
def test_a_class_without_a_mask_is_doubtful(mask: Mask | None) -> None:
    assert kinds(Answer(mask=mask, pathology=Pathology.MALIGNANT)) == ["class_without_mask"]


def test_a_mask_on_a_normal_image_is_doubtful() -> None:
    assert kinds(Answer(mask=LESION, pathology=Pathology.NORMAL)) == ["mask_on_normal"]


def test_specks_beside_a_lesion_are_doubtful() -> None:
    mask = LESION.copy()
    mask[5, 5] = mask[90, 100] = mask[91, 101] = True

    [doubt] = doubts_alone(Answer(mask=mask, pathology=Pathology.BENIGN), Limits())

    assert doubt.kind == "fragments"
    assert doubt.figures["areas_px"] == [1, 2]
    assert doubt.figures["parts"] == 3
    assert doubt.sentence.startswith("2 of 3 outlined parts are smaller than 0.10% of the image")


def test_a_second_lesion_of_some_size_is_not_doubtful() -> None:
    mask = LESION | box_mask(70, 5, 74, 9)

    assert kinds(Answer(mask=mask, pathology=Pathology.BENIGN)) == []


def test_a_mask_of_nearly_everything_is_doubtful() -> None:
    mask = box_mask(2, 2, 98, 118)

    assert kinds(Answer(mask=mask, pathology=Pathology.BENIGN)) == ["whole_image"]
    assert kinds(Answer(mask=~mask, pathology=Pathology.BENIGN)) == []


def test_a_mask_on_the_black_frame_is_doubtful_and_one_on_a_black_cyst_is_not() -> None:
    pixels = np.full(SHAPE, 90, dtype=np.uint8)
    pixels[:, :25] = 3
    cyst, frame = box_mask(40, 60, 55, 75), box_mask(40, 5, 55, 24)
    pixels[cyst] = 0

    doubt = doubt_on_picture(frame, pixels, Limits())

    assert doubt is not None
    assert (doubt.kind, doubt.figures["share"]) == ("outside_picture", 1.0)
    assert doubt_on_picture(cyst, pixels, Limits()) is None
    assert doubt_on_picture(np.zeros(SHAPE, bool), pixels, Limits()) is None


def test_a_mask_far_from_the_models_is_doubtful() -> None:
    doubt = doubt_beside(LESION, Outline(mask=box_mask(5, 90, 20, 115), model_id="m1"), Limits())

    assert doubt is not None
    assert (doubt.kind, doubt.subject) == ("far_from_model", "model")
    assert doubt.figures["dice"] == 0
    assert doubt.figures["model_id"] == "m1"
    assert "far from that of model m1: Dice 0.00 (at least 0.3), HD95" in doubt.sentence


def test_readers_are_held_to_a_higher_agreement_than_the_model() -> None:
    half = box_mask(30, 40, 40, 80)  # a third of the lesion: Dice 2 / (1 + 3) = 0.5

    part = box_mask(30, 40, 39, 80)
    beside_model = doubt_beside(LESION, Outline(mask=part, model_id="m1"), Limits())
    beside_reader = doubt_beside(LESION, Outline(mask=part, reader="bob"), Limits())

    assert beside_model is None
    assert beside_reader is not None
    assert (beside_reader.kind, beside_reader.subject) == ("far_from_reader", "reader:bob")
    assert doubt_beside(LESION, Outline(mask=half, reader="bob"), Limits()) is None


def test_a_far_outlier_is_doubtful_though_the_overlap_is_large() -> None:
    mask = LESION | box_mask(0, 110, 15, 120)

    doubt = doubt_beside(mask, Outline(mask=LESION, reader="bob"), Limits(distance_share=0.2))

    assert doubt is not None
    assert doubt.figures["dice"] > 0.9
    assert doubt.figures["hd95_px"] > 0.2 * np.hypot(*SHAPE)


def test_masks_of_different_grids_cannot_be_compared() -> None:
    with pytest.raises(GeometryError, match="cannot be compared"):
        doubt_beside(LESION, Outline(mask=LESION[1:], reader="bob"), Limits())


def test_limits_are_shares() -> None:
    with pytest.raises(ConfigError, match="model_dice must be between 0 and 1, got 1"):
        Limits(model_dice=1, whole_share=0)
