"""One answer of several readers."""

from itertools import permutations

import numpy as np
import pytest
from scipy import ndimage

from sonoloop.errors import GeometryError
from sonoloop.evaluation.consensus import (
    consensus,
    majority,
    most_suspicious_frequent,
    staple,
    worst_most_frequent,
)
from sonoloop.evaluation.overlap import dice
from sonoloop.evaluation.readings import Reading
from sonoloop.geometry import Mask
from sonoloop.labels import Pathology
from sonoloop.settings import ConsensusMethod

EMPTY = np.zeros((60, 80), dtype=bool)
METHODS: tuple[ConsensusMethod, ...] = ("majority", "staple")
BENIGN, MALIGNANT, NORMAL = Pathology.BENIGN, Pathology.MALIGNANT, Pathology.NORMAL


def disc(row: int, column: int, radius: float, shape: tuple[int, int] = (60, 80)) -> Mask:
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    inside: Mask = np.hypot(rows - row, columns - column) <= radius
    return inside


def readings(*masks: Mask | None, said: Pathology | None = None) -> list[Reading]:
    return [Reading(reader=f"r{i}", mask=mask, pathology=said) for i, mask in enumerate(masks)]


def drawn_readers(seed: int, count: int) -> tuple[Mask, list[Mask]]:
    """A lesion, and outlines of it with independent errors of two pixels."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:60, :80]
    true = np.hypot((rows - 30) / rng.uniform(10, 20), (columns - 40) / rng.uniform(10, 20))
    outlines = []
    for _ in range(count):
        wobble = ndimage.gaussian_filter(rng.normal(size=true.shape), 6)
        moved = ndimage.shift(true, rng.normal(0, 2, 2), order=1, mode="nearest")
        outlines.append(moved + 0.15 * wobble / wobble.std() < 1)
    return true < 1, outlines


@pytest.mark.parametrize("method", METHODS)
class TestEitherMethod:
    def test_one_reader_is_his_own_consensus(self, method: ConsensusMethod) -> None:
        alone = Reading(reader="a", mask=disc(20, 20, 8), pathology=MALIGNANT, birads="5")

        found = consensus([alone], method=method)

        assert found.mask is alone.mask
        assert (found.pathology, found.birads, found.unanimous) == (MALIGNANT, "5", True)

    @pytest.mark.parametrize("count", [2, 3, 4, 5])
    def test_readers_who_agree_are_believed(self, method: ConsensusMethod, count: int) -> None:
        found = consensus(readings(*[disc(20, 20, 8)] * count), method=method)

        np.testing.assert_array_equal(found.mask, disc(20, 20, 8))

    @pytest.mark.parametrize("count", [2, 3])
    def test_all_empty_is_empty(self, method: ConsensusMethod, count: int) -> None:
        found = consensus(readings(*[EMPTY] * count, said=NORMAL), method=method)

        assert found.mask is not None
        assert not found.mask.any()
        assert found.unanimous

    def test_the_order_of_the_readers_does_not_count(self, method: ConsensusMethod) -> None:
        _, outlines = drawn_readers(5, 3)

        masks = [
            consensus(readings(*order), method=method).mask for order in permutations(outlines)
        ]

        for mask in masks:
            np.testing.assert_array_equal(mask, masks[0])

    @pytest.mark.parametrize("count", [2, 3, 4, 5])
    def test_what_all_hold_is_in_and_what_nobody_holds_is_out(
        self, method: ConsensusMethod, count: int
    ) -> None:
        for seed in range(5):
            _, outlines = drawn_readers(seed, count)

            mask = consensus(readings(*outlines), method=method).mask

            assert mask is not None
            assert mask[np.all(outlines, axis=0)].all()
            assert not mask[~np.any(outlines, axis=0)].any()

    @pytest.mark.parametrize("count", [3, 4])
    def test_outlines_that_do_not_meet_have_none(self, method: ConsensusMethod, count: int) -> None:
        apart = [disc(10, 10, 5), disc(40, 20, 5), disc(20, 60, 6), disc(50, 70, 5)][:count]

        assert consensus(readings(*apart, said=BENIGN), method=method).mask is None

    def test_a_wide_background_changes_nothing(self, method: ConsensusMethod) -> None:
        _, outlines = drawn_readers(7, 3)
        wide = [np.pad(mask, 50) for mask in outlines]

        mask = consensus(readings(*outlines), method=method).mask
        found = consensus(readings(*wide), method=method).mask

        assert mask is not None
        np.testing.assert_array_equal(found, np.pad(mask, 50))

    @pytest.mark.parametrize("count", [3, 5])
    def test_it_is_nearer_the_truth_than_its_readers(
        self, method: ConsensusMethod, count: int
    ) -> None:
        gains = []
        for seed in range(20):
            truth, outlines = drawn_readers(seed, count)
            mask = consensus(readings(*outlines), method=method).mask
            assert mask is not None
            gains.append(dice(mask, truth) - np.mean([dice(o, truth) for o in outlines]))

        assert np.mean(gains) > 0.01

    def test_a_reader_who_marked_another_place_is_outvoted(self, method: ConsensusMethod) -> None:
        astray = disc(50, 10, 6)

        found = consensus(readings(disc(20, 40, 10), disc(21, 41, 10), astray), method=method)

        assert found.mask is not None
        assert found.mask.any()
        assert not (found.mask & astray).any()


class TestWhetherThereIsALesion:
    def test_two_against_one_normal_outline_without_him(self) -> None:
        three = [*readings(disc(20, 20, 8), disc(20, 20, 8), said=BENIGN)]

        found = consensus([*three, Reading(reader="x", mask=EMPTY, pathology=NORMAL)])

        np.testing.assert_array_equal(found.mask, disc(20, 20, 8))
        assert (found.pathology, found.unanimous) == (BENIGN, False)

    def test_two_normals_against_one_lesion_empty_the_mask(self) -> None:
        normals = readings(EMPTY, EMPTY, said=NORMAL)

        found = consensus([*normals, Reading(reader="x", mask=disc(20, 20, 8), pathology=BENIGN)])

        assert found.pathology is NORMAL
        assert found.mask is not None
        assert not found.mask.any()

    def test_one_against_one_goes_to_the_lesion(self) -> None:
        found = consensus(
            [
                Reading(reader="a", mask=EMPTY, pathology=NORMAL),
                Reading(reader="b", mask=disc(20, 20, 8), pathology=MALIGNANT),
            ]
        )

        assert found.pathology is MALIGNANT
        np.testing.assert_array_equal(found.mask, disc(20, 20, 8))

    def test_without_a_pathology_the_outlines_vote_and_a_tie_is_a_lesion(self) -> None:
        tied = consensus(readings(EMPTY, disc(20, 20, 8))).mask
        outvoted = consensus(readings(EMPTY, EMPTY, disc(20, 20, 8))).mask

        np.testing.assert_array_equal(tied, disc(20, 20, 8))
        np.testing.assert_array_equal(outvoted, EMPTY)

    def test_a_lesion_that_nobody_outlined_has_no_mask(self) -> None:
        assert consensus(readings(EMPTY, EMPTY, said=MALIGNANT)).mask is None
        assert consensus(readings(None, None, said=MALIGNANT)).mask is None
        assert consensus(readings(None, disc(9, 9, 4), said=MALIGNANT)).mask is not None

    def test_nobody_is_no_consensus(self) -> None:
        with pytest.raises(GeometryError, match="at least one reading"):
            consensus([])


class TestVotes:
    @pytest.mark.parametrize(
        ("answers", "expected"),
        [
            ([], None),
            ([None, None], None),
            ([BENIGN, None], BENIGN),
            ([BENIGN, BENIGN, MALIGNANT], BENIGN),
            ([BENIGN, MALIGNANT], MALIGNANT),
            ([NORMAL, BENIGN], BENIGN),
            ([NORMAL, NORMAL, BENIGN, MALIGNANT, MALIGNANT], MALIGNANT),
        ],
    )
    def test_the_worse_pathology_wins_a_tie(
        self, answers: list[Pathology | None], expected: Pathology | None
    ) -> None:
        assert worst_most_frequent(answers) == expected

    @pytest.mark.parametrize(
        ("categories", "expected"),
        [
            ([], None),
            ([None, "3"], "3"),
            (["0", "0", "2"], "2"),
            (["0", "6", "0"], "0"),
            (["2", "3"], "3"),
            (["4A", "4A", "5"], "4A"),
            (["4", "4B"], "4B"),
        ],
    )
    def test_the_more_suspicious_category_wins_a_tie(
        self, categories: list[str | None], expected: str | None
    ) -> None:
        assert most_suspicious_frequent(categories) == expected


class TestOutlinesOfTwo:
    def test_the_contour_lies_halfway(self) -> None:
        middle = majority([disc(30, 40, 10), disc(30, 40, 20)])

        assert dice(middle, disc(30, 40, 15)) > 0.98

    def test_a_mask_up_to_the_border_is_no_exception(self) -> None:
        full = np.ones_like(EMPTY)

        np.testing.assert_array_equal(majority([full, full]), full)
        assert majority([full, disc(30, 40, 10)]).any()


@pytest.mark.parametrize("count", [3, 4, 5])
def test_of_readers_with_independent_errors_the_majority_is_nearer_the_truth(count: int) -> None:
    gains = []
    for seed in range(30):
        truth, outlines = drawn_readers(seed, count)
        gains.append(dice(majority(outlines), truth) - dice(staple(outlines), truth))

    assert np.mean(gains) > 0


class TestStaple:
    def test_a_reader_who_outlines_too_much_is_weighed_down(self) -> None:
        careful = [disc(30, 40, 12), disc(30, 41, 12), disc(31, 40, 12)]

        found = staple([*careful, disc(30, 40, 25)])

        assert dice(found, disc(30, 40, 12)) > 0.9

    def test_without_an_outline_there_is_nothing_to_estimate(self) -> None:
        with pytest.raises(GeometryError, match="every mask is empty"):
            staple([EMPTY, EMPTY, EMPTY])

    def test_where_it_degenerates_the_majority_stands(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(masks: list[Mask]) -> np.ndarray:
            return np.full(masks[0].shape, np.nan)

        monkeypatch.setattr("sonoloop.evaluation.consensus._staple_probability", broken)
        _, outlines = drawn_readers(3, 3)

        np.testing.assert_array_equal(staple(outlines), majority(outlines))
