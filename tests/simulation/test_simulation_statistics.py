import numpy as np
import pytest
from scipy import stats

from sonoloop.errors import ScoreError
from sonoloop.simulation.statistics import (
    area,
    holm,
    labels_figure,
    labels_needed,
    mean_figure,
    paired,
)


class TestMean:
    def test_its_interval_is_that_of_scipy(self) -> None:
        values = np.array([0.7, 0.72, 0.69, 0.75])

        figure = mean_figure(values)

        expected = stats.t.interval(0.95, 3, loc=values.mean(), scale=stats.sem(values))
        assert figure["value"] == pytest.approx(0.715)
        assert figure["ci95"] == pytest.approx(list(expected))

    def test_one_seed_has_no_interval(self) -> None:
        assert mean_figure(np.array([0.7]))["ci95"] is None


class TestArea:
    def test_a_level_curve_has_its_height(self) -> None:
        assert area([10, 20, 80], np.array([0.6, 0.6, 0.6])) == pytest.approx(0.6)

    def test_every_doubling_counts_the_same(self) -> None:
        early = area([10, 20, 40], np.array([0.5, 0.7, 0.7]))
        late = area([10, 20, 40], np.array([0.5, 0.5, 0.7]))

        assert early == pytest.approx((0.6 + 0.7) / 2)
        assert late == pytest.approx((0.5 + 0.6) / 2)

    def test_seeds_are_kept_apart(self) -> None:
        curves = np.array([[0.5, 0.7], [0.1, 0.3]])

        assert area([10, 20], curves) == pytest.approx([0.6, 0.2])


class TestLabelsNeeded:
    @pytest.mark.parametrize(
        ("target", "needed"), [(0.4, 10), (0.5, 10), (0.7, 20), (0.75, 30), (0.8, 40)]
    )
    def test_lines_lie_between_rounds(self, target: float, needed: float) -> None:
        assert labels_needed([10, 20, 40], np.array([0.5, 0.7, 0.8]), target) == pytest.approx(
            needed
        )

    def test_what_is_never_reached_is_infinite(self) -> None:
        assert labels_needed([10, 20], np.array([0.5, 0.7]), 0.71) == np.inf

    def test_the_first_time_counts(self) -> None:
        assert labels_needed([10, 20, 30, 40], np.array([0.5, 0.7, 0.6, 0.8]), 0.7) == 20

    def test_seeds_that_agree_have_a_narrow_interval(self) -> None:
        curves = np.tile([0.4, 0.6, 0.8], (5, 1))

        figure = labels_figure([10, 20, 40], curves, np.full(5, 1.0), share=0.7)

        assert figure["value"] == pytest.approx(30)
        assert figure["ci95"] == pytest.approx([30, 30])

    def test_beyond_the_last_round_there_is_no_number(self) -> None:
        curves = np.tile([0.4, 0.6], (5, 1))

        figure = labels_figure([10, 20], curves, np.full(5, 1.0), share=0.9)

        assert figure == {"value": None, "ci95": [None, None]}

    def test_some_resamples_may_get_there_and_others_not(self) -> None:
        curves = np.array([[0.4, 0.5], [0.4, 0.9], [0.4, 0.9], [0.4, 0.9]])

        figure = labels_figure([10, 20], curves, np.full(4, 1.0), share=0.75)

        assert figure["value"] is not None
        assert figure["ci95"][0] < 20
        assert figure["ci95"][1] is None

    def test_one_seed_has_no_interval(self) -> None:
        assert labels_figure([1, 2], np.array([[0.1, 0.9]]), np.ones(1), share=0.5)["ci95"] is None


class TestPaired:
    def test_the_test_is_that_of_scipy(self) -> None:
        rng = np.random.default_rng(1)
        first, second = rng.normal(0.7, 0.02, 10), rng.normal(0.69, 0.02, 10)

        found = paired(first, second)

        assert found["p"] == pytest.approx(stats.wilcoxon(first, second).pvalue)
        assert found["difference"]["value"] == pytest.approx(first.mean() - second.mean())
        assert found["difference"]["ci95"] == pytest.approx(
            list(stats.ttest_rel(first, second).confidence_interval(0.95))
        )
        assert found["better"] == int((first > second).sum())

    def test_ten_seeds_of_ten_are_as_clear_as_ten_seeds_can_be(self) -> None:
        second = np.linspace(0.6, 0.7, 10)

        found = paired(second + np.linspace(0.01, 0.02, 10), second)

        assert found["p"] == pytest.approx(2 / 2**10)
        assert (found["better"], found["seeds"]) == (10, 10)

    def test_the_same_twice_is_no_difference(self) -> None:
        values = np.array([0.5, 0.6, 0.7])

        assert paired(values, values)["p"] == 1.0

    def test_one_seed_has_no_test(self) -> None:
        assert paired(np.array([0.5]), np.array([0.4]))["p"] is None

    def test_other_seeds_cannot_be_paired(self) -> None:
        with pytest.raises(ScoreError, match="3 values and 2"):
            paired(np.zeros(3), np.zeros(2))


class TestHolm:
    def test_a_case_by_hand(self) -> None:
        assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])

    def test_none_is_above_one(self) -> None:
        assert holm([0.6, 0.9]) == [1.0, 1.0]

    def test_one_alone_stays(self) -> None:
        assert holm([0.04]) == [0.04]
