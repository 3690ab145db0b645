"""How far readers agree, and what is left out of the figures."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from sonoloop.errors import GeometryError
from sonoloop.evaluation.agreement import image_pairs, outline_pair, reader_pairs, together
from sonoloop.evaluation.kappa import BIRADS_RANKS, birads_rank, cohen, fleiss
from sonoloop.evaluation.overlap import dice, hd95_px
from sonoloop.evaluation.readings import Reading
from sonoloop.geometry import Mask
from sonoloop.labels import Pathology

EMPTY = np.zeros((30, 40), dtype=bool)


def block(top: int, left: int, *, side: int = 10) -> Mask:
    mask = EMPTY.copy()
    mask[top : top + side, left : left + side] = True
    return mask


def spread(counts: list[int]) -> list[int]:
    return [category for category, count in enumerate(counts) for _ in range(count)]


class TestOutlines:
    @given(st.integers(0, 20), st.integers(0, 30), st.integers(0, 20), st.integers(0, 30))
    def test_they_are_those_of_the_whole_image(self, a: int, b: int, c: int, d: int) -> None:
        first, second = block(a, b), block(c, d)

        pair = outline_pair(first, second)

        assert pair.dice == dice(first, second)
        assert pair.hd95_px == hd95_px(first, second)

    def test_two_empty_outlines_agree_and_have_no_distance(self) -> None:
        pair = outline_pair(EMPTY, EMPTY)

        assert (pair.dice, pair.hd95_px, pair.lesions) == (1.0, None, 0)

    def test_an_outline_of_one_reader_alone_is_full_disagreement_without_a_distance(self) -> None:
        pair = outline_pair(EMPTY, block(3, 3))

        assert (pair.dice, pair.hd95_px, pair.lesions) == (0.0, None, 1)

    def test_other_shapes_are_refused(self) -> None:
        with pytest.raises(GeometryError, match="cannot be compared"):
            outline_pair(EMPTY, EMPTY[:10])


class TestPairsOfAnImage:
    def test_every_two_readers_are_there_once_by_name(self) -> None:
        readings = [Reading(reader=name, mask=block(5, 5)) for name in ("c", "a", "b")]

        pairs = image_pairs(readings)

        assert [pair.readers for pair in pairs] == [("a", "b"), ("a", "c"), ("b", "c")]

    @pytest.mark.parametrize("count", [0, 1])
    def test_fewer_than_two_readers_make_no_pair(self, count: int) -> None:
        assert image_pairs([Reading(reader="a", mask=EMPTY)] * count) == []

    def test_a_missing_outline_is_no_disagreement(self) -> None:
        without = Reading(reader="a", pathology=Pathology.BENIGN)

        (pair,) = image_pairs([without, Reading(reader="b", mask=block(1, 1))])

        assert pair.outlines is None
        assert pair.pathologies == (Pathology.BENIGN, None)
        assert pair.as_json()["dice"] is None

    def test_a_reader_counts_once(self) -> None:
        with pytest.raises(GeometryError, match=r"readers \['a'\] have several readings"):
            image_pairs([Reading(reader="a"), Reading(reader="a")])

    def test_masks_of_other_shapes_are_refused(self) -> None:
        with pytest.raises(GeometryError, match="masks of one image have the shapes"):
            image_pairs([Reading(reader="a", mask=EMPTY), Reading(reader="b", mask=EMPTY[:9])])


class TestPairsOfReaders:
    def test_images_without_a_lesion_do_not_lift_the_mean(self) -> None:
        images = [(block(0, 0), block(0, 5)), (EMPTY, EMPTY), (EMPTY, block(2, 2))]
        pairs = [
            pair
            for first, second in images
            for pair in image_pairs(
                [Reading(reader="a", mask=first), Reading(reader="b", mask=second)]
            )
        ]

        (summed,) = reader_pairs(pairs)

        assert (summed.images, summed.outlined, summed.no_lesion, summed.one_sided) == (3, 2, 1, 1)
        assert summed.dice == pytest.approx((0.5 + 0.0) / 2)
        assert summed.hd95_px == hd95_px(block(0, 0), block(0, 5))

    def test_without_common_answers_nothing_is_told(self) -> None:
        (summed,) = reader_pairs(image_pairs([Reading(reader="a"), Reading(reader="b")]))

        told = summed.as_json()
        assert (told["dice"], told["hd95_px"], told["outlined"]) == (None, None, 0)
        assert told["pathology_kappa"] == {"value": None, "images": 0}

    def test_kappas_are_over_what_both_answered(self) -> None:
        benign, malignant = Pathology.BENIGN, Pathology.MALIGNANT
        answers = [
            (benign, benign, "2", "2"),
            (malignant, malignant, "5", "4C"),
            (benign, None, "3", "0"),
        ]
        pairs = [
            pair
            for one, other, first, second in answers
            for pair in image_pairs(
                [
                    Reading(reader="a", pathology=one, birads=first),
                    Reading(reader="b", pathology=other, birads=second),
                ]
            )
        ]

        (summed,) = reader_pairs(pairs)

        assert (summed.pathology.value, summed.pathology.images) == (1.0, 2)
        assert summed.birads.images == 2
        assert summed.birads.value == pytest.approx(20 / 21)


class TestCohen:
    @given(st.lists(st.tuples(st.sampled_from("nbm"), st.sampled_from("nbm")), min_size=2))
    def test_it_is_that_of_scikit_learn(self, pairs: list[tuple[str, str]]) -> None:
        first, second = [p[0] for p in pairs], [p[1] for p in pairs]

        kappa = cohen(first, second)

        if len(set(first + second)) == 1:
            assert kappa.value is None
        else:
            assert kappa.value == pytest.approx(cohen_kappa_score(first, second))

    @given(st.lists(st.tuples(*[st.integers(0, len(BIRADS_RANKS) - 1)] * 2), min_size=2))
    def test_a_far_disagreement_weighs_more_than_a_near_one(
        self, pairs: list[tuple[int, int]]
    ) -> None:
        near = cohen([0, 1, 5, 6], [1, 1, 5, 6], weights="quadratic").value
        far = cohen([0, 1, 5, 6], [6, 1, 5, 6], weights="quadratic").value
        value = cohen([p[0] for p in pairs], [p[1] for p in pairs], weights="quadratic").value

        assert near is not None
        assert far is not None
        assert near > far
        assert value is None or -1 <= value <= 1

    def test_missing_answers_are_passed_over(self) -> None:
        assert cohen(["b", None, "m", "m"], ["b", "b", None, "m"]).images == 2

    @pytest.mark.parametrize("answers", [[], ["b"], ["b", "b", "b"]])
    def test_where_chance_explains_all_there_is_none(self, answers: list[str]) -> None:
        kappa = cohen(answers, answers)

        assert (kappa.value, kappa.images) == (None, len(answers))

    def test_an_undivided_4_stands_with_4b(self) -> None:
        assert birads_rank("4") == birads_rank("4B") == 4
        assert birads_rank(None) is birads_rank("6") is None


class TestFleiss:
    @given(st.lists(st.tuples(st.sampled_from("nbm"), st.sampled_from("nbm")), min_size=2))
    def test_of_two_readers_it_is_scotts_pi(self, pairs: list[tuple[str, str]]) -> None:
        shares = [sum(pair.count(c) for pair in pairs) / (2 * len(pairs)) for c in "nbm"]
        chance = sum(share**2 for share in shares)
        observed = sum(a == b for a, b in pairs) / len(pairs)

        kappa = fleiss(pairs)

        if max(shares) == 1:
            assert kappa.value is None
        else:
            assert kappa.value == pytest.approx((observed - chance) / (1 - chance))

    def test_the_worked_example_of_fourteen_raters(self) -> None:
        table = [
            [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
            [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
        ]  # fmt: skip

        assert fleiss([spread(counts) for counts in table]).value == pytest.approx(0.210, abs=5e-4)

    def test_images_with_one_answer_tell_nothing(self) -> None:
        shared = [["b", "b"], ["m", "b"], ["m", "m"]]

        assert fleiss([*shared, ["m", None], [None]]) == fleiss(shared)

    @pytest.mark.parametrize("images", [[], [["b", "b"]], [["b", "b"], ["b", "b", "b"]]])
    def test_where_chance_explains_all_there_is_none(self, images: list[list[str]]) -> None:
        assert fleiss(images).value is None

    def test_all_readers_together_count_only_images_of_several(self) -> None:
        a, b = (Reading(reader=name, pathology=Pathology.BENIGN, birads="2") for name in "ab")
        c, d = (Reading(reader=name, pathology=Pathology.MALIGNANT, birads="5") for name in "cd")

        told = together([[a, b], [c, d], [a]]).as_json()

        assert (told["images"], told["readers"]) == (2, 4)
        assert told["pathology_kappa"] == {"value": 1.0, "images": 2}
        assert told["birads_kappa"] == {"value": 1.0, "images": 2}
