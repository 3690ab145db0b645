import dataclasses
import typing

import pytest

from sonoloop.networks.build import architectures
from sonoloop.scenarios.catalogue import MARGINS, SCENARIOS, Setup
from sonoloop.scenarios.data import images_of, require_disjoint
from sonoloop.scenarios.figures import MEASURES
from sonoloop.scenarios.plan import Row
from sonoloop.settings import PREPROCESSING_STEPS, SegmentationLoss

ALONE = ("architectures", "crops", "in-domain", "losses", "margins", "mixed", "preprocessing")


def rows_of(name: str, setup: Setup) -> list[Row]:
    return list(SCENARIOS[name].rows(setup))


@pytest.mark.parametrize("name", SCENARIOS)
class TestEveryScenario:
    """What any scenario must do; a new one joins by its place in the catalogue."""

    def test_training_and_test_images_share_nothing(self, name: str, setup: Setup) -> None:
        for row in rows_of(name, setup):
            for plan in row.evaluations:
                parts = [part for training in plan.trainings for part in training.parts]
                require_disjoint(images_of(setup.sets, parts), images_of(setup.sets, [plan.test]))

    def test_every_seed_is_evaluated(self, name: str, setup: Setup) -> None:
        twice = dataclasses.replace(setup, seeds=(3, 4))

        for row in rows_of(name, twice):
            seeds = [{t.settings.seed for t in plan.trainings} for plan in row.evaluations]
            assert seeds == [{3}, {4}]

    def test_rows_can_be_told_apart(self, name: str, setup: Setup) -> None:
        rows = rows_of(name, setup)

        told = [(row.variant, row.trained_on, row.tested_on, row.figures) for row in rows]
        assert len(set(told)) == len(rows) > 0

    def test_figures_are_known_and_the_charted_ones_among_them(
        self, name: str, setup: Setup
    ) -> None:
        figures = {figure for row in rows_of(name, setup) for figure in row.figures}

        assert figures <= set(MEASURES)
        assert set(SCENARIOS[name].charted) <= figures

    def test_a_predicted_crop_has_a_segmenter(self, name: str, setup: Setup) -> None:
        for row in rows_of(name, setup):
            for plan in row.evaluations:
                assert (plan.crop == "predicted") == (plan.segmenter is not None)


def test_cross_tests_each_set_at_home_and_away(setup: Setup) -> None:
    told = {(row.variant, row.trained_on, row.tested_on) for row in rows_of("cross", setup)}

    assert told == {
        ("at home", "north@1", "north@2 (lesions)"),
        ("away", "north@1", "south (lesions)"),
        ("at home", "south@1", "south@2 (lesions)"),
        ("away", "south@1", "north (lesions)"),
    }


def test_mixed_trains_on_every_set(setup: Setup) -> None:
    rows = rows_of("mixed", setup)

    assert {row.trained_on for row in rows} == {"north@1 + south@1"}
    assert [row.tested_on for row in rows] == ["north@2", "south@2"]


def test_crops_are_of_one_classifier(setup: Setup) -> None:
    classifiers = {str(row.evaluations[0].classifier) for row in rows_of("crops", setup)}

    assert len(classifiers) == 1


@pytest.mark.parametrize(("retrain", "trained"), [(True, len(MARGINS)), (False, 1)])
def test_margins_are_trained_or_only_shown(setup: Setup, retrain: bool, trained: int) -> None:
    rows = rows_of("margins", dataclasses.replace(setup, retrain_margins=retrain))

    plans = [row.evaluations[0] for row in rows]
    margins = {plan.classifier.settings.crop_margin for plan in plans if plan.classifier}
    assert len(margins) == trained
    assert {plan.margin for plan in plans} == ({None} if retrain else set(MARGINS))


def test_the_single_stage_was_trained_on_what_it_is_shown(setup: Setup) -> None:
    dual, single = rows_of("single-stage", setup)[:2]

    crops = [row.evaluations[0].classifier for row in (dual, single)]
    assert [plan.settings.crop for plan in crops if plan] == ["lesion", "whole"]


def test_architectures_are_all_there_under_one_budget(setup: Setup) -> None:
    rows = rows_of("architectures", setup)

    names = [row.variant for row in rows if row.tested_on == "north@2"]
    trainings = [row.evaluations[0].trainings[0] for row in rows]
    assert names == [*architectures("segmentation"), *architectures("classification")]
    for task in ("segmentation", "classification"):
        budgets = {
            (t.settings.max_epochs, t.settings.input_size_px, t.settings.initial_weights)
            for t in trainings
            if t.task == task
        }
        assert len(budgets) == 1
    assert all(t.settings.early_stop_patience >= t.settings.max_epochs for t in trainings)


def test_every_loss_and_every_preprocessing_step_is_compared(setup: Setup) -> None:
    losses = {row.variant for row in rows_of("losses", setup)}
    steps = {row.variant for row in rows_of("preprocessing", setup)}

    assert losses == set(typing.get_args(SegmentationLoss))
    assert steps == {"none", *PREPROCESSING_STEPS}


@pytest.mark.parametrize("name", ALONE)
def test_one_data_set_is_enough(name: str, setup: Setup) -> None:
    alone = dataclasses.replace(setup, sets={"north": setup.sets["north"]})

    assert {row.trained_on for row in rows_of(name, alone)} == {"north@1"}
