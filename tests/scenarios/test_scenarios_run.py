"""Small trainings on phantoms, from the plan to the table."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from listening import Listener
from sonoloop.errors import ConfigError
from sonoloop.networks.card import read_card
from sonoloop.scenarios.catalogue import Setup
from sonoloop.scenarios.data import Part
from sonoloop.scenarios.plan import EvaluationPlan
from sonoloop.scenarios.runner import Order, known_scenarios, run, steps
from sonoloop.scenarios.workshop import StepFailedError, Workshop
from sonoloop.settings import PipelineSettings
from sonoloop.training.progress import Progress

PIPELINE = PipelineSettings(device="cpu", threads=1)
CROPS = [Order(scenario="crops", command="sonoloop scenarios --only crops")]


def workshop_of(root: Path, setup: Setup, listener: Listener) -> Workshop:
    return Workshop(root=root, sets=setup.sets, pipeline=PIPELINE, watch=listener)


def alone(setup: Setup) -> Setup:
    """One data set, which halves the work."""
    return dataclasses.replace(setup, sets={"north": setup.sets["north"]})


def with_settings(setup: Setup, **changes: Any) -> Setup:
    base = {task: dataclasses.replace(s, **changes) for task, s in setup.base.items()}
    return dataclasses.replace(setup, base=base)


def table_of(root: Path) -> dict[str, Any]:
    (table,) = json.loads((root / "results.json").read_text())
    content: dict[str, Any] = table
    return content


def test_a_scenario_is_run_once_and_found_again(
    setup: Setup, listener: Listener, tmp_path: Path
) -> None:
    small = alone(setup)

    failed = run(small, CROPS, workshop_of(tmp_path, small, listener), resamples=20)
    first = (tmp_path / "results.md").read_text()
    again = Listener()
    run(small, CROPS, workshop_of(tmp_path, small, again), resamples=20)

    assert failed == 0
    assert len(listener.begun) == steps(small, ["crops"]) == 5
    assert (again.begun, len(again.reused)) == ([], 5)
    assert (tmp_path / "results.md").read_text() == first
    rows = table_of(tmp_path)["rows"]
    assert [row["variant"] for row in rows] == ["whole image", "predicted crop", "true crop"]
    for row in rows:
        assert row["shared"] == {"patients": 0, "groups": 0, "files": 0}
        assert (row["n_images"], row["n_patients"], row["n_unread"]) == (4, 4, 0)
        assert 0 <= row["figures"]["auc_patient"]["value"] <= 1
        assert row["models"][0]["classification"]["parameters"] > 1_000_000
    assert (tmp_path / "charts" / "crops.png").exists()
    assert not list(tmp_path.rglob("checkpoints"))


def test_a_failed_training_is_told_and_the_other_rows_go_on(
    setup: Setup, listener: Listener, tmp_path: Path
) -> None:
    small = alone(setup)
    broken = dataclasses.replace(small.base["segmentation"], architecture="no_such_net")
    small = dataclasses.replace(small, base={**small.base, "segmentation": broken})

    failed = run(small, CROPS, workshop_of(tmp_path, small, listener), resamples=20)

    rows = {row["variant"]: row for row in table_of(tmp_path)["rows"]}
    assert failed == 1
    assert {name: row["status"] for name, row in rows.items()} == {
        "whole image": "done",
        "predicted crop": "failed",
        "true crop": "done",
    }
    assert "unknown segmentation architecture 'no_such_net'" in rows["predicted crop"]["reason"]


def test_a_training_that_failed_is_not_tried_twice_in_one_run(
    setup: Setup, listener: Listener, tmp_path: Path
) -> None:
    small = with_settings(alone(setup), architecture="no_such_net")
    workshop = workshop_of(tmp_path, small, listener)
    plan = small.segmenter(small.train(), 0)

    for _ in range(2):
        with pytest.raises(StepFailedError, match="unknown segmentation architecture"):
            workshop.train(plan)

    assert len(listener.begun) == 1


def test_an_interrupted_training_goes_on_where_it_was(
    setup: Setup, listener: Listener, tmp_path: Path
) -> None:
    small = with_settings(alone(setup), max_epochs=3)
    plan = small.segmenter(small.train(), 0)

    class Impatient(Listener):
        def epoch(self, progress: Progress) -> None:
            if progress.epoch == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        workshop_of(tmp_path, small, Impatient()).train(plan)
    trained = workshop_of(tmp_path, small, listener).train(plan)

    history = read_card(trained.model).metrics["history"]
    assert [point["epoch"] for point in history] == [1, 2, 3]
    assert trained.epochs == 3


def test_training_and_test_images_must_not_share_a_patient(
    setup: Setup, listener: Listener, tmp_path: Path
) -> None:
    small = alone(setup)
    plan = EvaluationPlan(
        segmenter=small.segmenter(small.train(), 0), classifier=None, test=Part(data="north")
    )

    with pytest.raises(StepFailedError, match=r"share 6 patients, 0 groups .* and 6 files"):
        workshop_of(tmp_path, small, listener).evaluate(plan)


def test_what_has_no_effect_on_the_outcome_does_not_make_another_training(
    setup: Setup, listener: Listener, tmp_path: Path
) -> None:
    workshop = workshop_of(tmp_path, setup, listener)

    def key(**changes: Any) -> str:
        changed = with_settings(setup, **changes)
        return workshop.training_key(changed.segmenter(changed.train("north"), 0))

    assert key(threads=2, device="auto") == key()
    assert len({key(), key(max_epochs=2), key(learning_rate=0.1)}) == 3


def test_an_evaluation_depends_on_models_images_and_how_they_are_shown(
    setup: Setup, listener: Listener, tmp_path: Path
) -> None:
    workshop = workshop_of(tmp_path, setup, listener)
    flipping = dataclasses.replace(PIPELINE, test_time_flips=not PIPELINE.test_time_flips)
    plan = EvaluationPlan(
        segmenter=None,
        classifier=setup.classifier(setup.train("north"), 0),
        crop="true",
        test=setup.test("north"),
    )
    others = [
        dataclasses.replace(plan, crop="whole"),
        dataclasses.replace(plan, margin=0.5),
        dataclasses.replace(plan, test=setup.test("south")),
        dataclasses.replace(plan, classifier=setup.classifier(setup.train("north"), 1)),
    ]

    keys = [workshop.evaluation_key(one) for one in (plan, *others)]
    keys.append(dataclasses.replace(workshop, pipeline=flipping).evaluation_key(plan))

    assert len(set(keys)) == 6


def test_tables_of_earlier_runs_stay_in_the_report(
    setup: Setup, listener: Listener, tmp_path: Path
) -> None:
    broken = with_settings(alone(setup), architecture="no_such_net")
    workshop = workshop_of(tmp_path, broken, listener)

    for name in ("mixed", "in-domain"):
        run(broken, [Order(scenario=name, command=name)], workshop, resamples=20)

    tables = json.loads((tmp_path / "results.json").read_text())
    assert [table["scenario"] for table in tables] == ["in-domain", "mixed"]


def test_scenarios_are_named_or_all() -> None:
    assert known_scenarios(["crops", "in-domain"]) == ("in-domain", "crops")
    assert "architectures" in known_scenarios([])
    with pytest.raises(ConfigError, match="unknown scenario 'crop'; one of in-domain"):
        known_scenarios(["crop"])
