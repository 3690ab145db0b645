"""Runs scenarios row by row; the table is written after every row, from what is there."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from sonoloop.errors import ConfigError, ScoreError
from sonoloop.scenarios.catalogue import SCENARIOS, Setup
from sonoloop.scenarios.figures import Run, figures
from sonoloop.scenarios.folders import read_json, write_json
from sonoloop.scenarios.plan import EvaluationPlan, Row
from sonoloop.scenarios.report import write_report
from sonoloop.scenarios.workshop import Evaluated, StepFailedError, Workshop

DONE: Final = "done"
FAILED: Final = "failed"
PENDING: Final = "not run yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A scenario to run.

    Attributes:
        scenario: Its name.
        command: Which makes this table, for the report.
    """

    scenario: str
    command: str


def known_scenarios(names: Sequence[str]) -> tuple[str, ...]:
    """The named scenarios in the order of the catalogue; all of them if none is named.

    Raises:
        ConfigError: If there is no such scenario.
    """
    unknown = [name for name in names if name not in SCENARIOS]
    if unknown:
        raise ConfigError(
            [f"unknown scenario {name!r}; one of {', '.join(SCENARIOS)}" for name in unknown]
        )
    return tuple(name for name in SCENARIOS if not names or name in names)


def steps(setup: Setup, names: Sequence[str]) -> int:
    """How many trainings and evaluations the named scenarios need."""
    plans = [p for name in names for row in SCENARIOS[name].rows(setup) for p in row.evaluations]
    trainings = {repr(training) for plan in plans for training in plan.trainings}
    return len(trainings) + len({repr(plan) for plan in plans})


def run(setup: Setup, orders: Sequence[Order], workshop: Workshop, *, resamples: int) -> int:
    """Run scenarios and write their tables.

    Args:
        setup: Data sets, settings, seeds.
        orders: Scenarios.
        workshop: Where trainings and evaluations are done and kept.
        resamples: Of the bootstrap.

    Returns:
        Number of rows that failed.
    """
    failed = 0
    for order in orders:
        rows = list(SCENARIOS[order.scenario].rows(setup))
        told = [_described(row) for row in rows]
        _save(workshop.root, order, told)
        for index, row in enumerate(rows):
            told[index] |= _outcome(row, workshop, resamples)
            failed += told[index]["status"] == FAILED
            _save(workshop.root, order, told)
    return failed


def _save(root: Path, order: Order, rows: Sequence[dict[str, Any]]) -> None:
    scenario = SCENARIOS[order.scenario]
    table = {
        "scenario": order.scenario,
        "question": scenario.question,
        "charted": scenario.charted,
        "command": order.command,
        "rows": rows,
    }
    write_json(root / "tables" / f"{order.scenario}.json", table)
    found = [read_json(root / "tables" / f"{name}.json") for name in SCENARIOS]
    write_report(root, [content for content in found if content])


def _described(row: Row) -> dict[str, Any]:
    return {
        "variant": row.variant,
        "trained_on": row.trained_on,
        "tested_on": row.tested_on,
        "seeds": [plan.trainings[0].settings.seed for plan in row.evaluations],
        "status": PENDING,
    }


def _outcome(row: Row, workshop: Workshop, resamples: int) -> dict[str, Any]:
    try:
        evaluated = [workshop.evaluate(plan) for plan in row.evaluations]
        found = figures(
            [Run(one.cases, one.threshold) for one in evaluated], row.figures, resamples=resamples
        )
    except (StepFailedError, ScoreError) as error:
        return {"status": FAILED, "reason": str(error)}
    return {
        "status": DONE,
        "figures": found,
        "operating_points": [one.threshold for one in evaluated],
        **_counts(evaluated[0]),
        "shared": asdict(evaluated[0].shared),
        "models": [_models(plan, workshop) for plan in row.evaluations],
    }


def _counts(evaluated: Evaluated) -> dict[str, int]:
    cases = evaluated.cases
    return {
        "n_images": len(cases),
        "n_patients": len({case.patient for case in cases}),
        "n_lesions": sum(case.has_lesion is True for case in cases),
        "n_normals": sum(case.has_lesion is False for case in cases),
        "n_unread": len(evaluated.failures),
    }


def _models(plan: EvaluationPlan, workshop: Workshop) -> dict[str, Any]:
    found = {training.task: workshop.trained(training) for training in plan.trainings}
    return {task: trained.as_dict() for task, trained in found.items() if trained}
