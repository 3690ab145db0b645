"""``sonoloop simulate``: what each strategy would have cost on a data set that is labelled."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import Progress as Bar

from sonoloop.active_learning.registry import STRATEGIES
from sonoloop.active_learning.registry import strategy as strategy_named
from sonoloop.cli.console import err, errors_told, out, progress_bar
from sonoloop.cli.train import gather, named_values, quiet_logs
from sonoloop.records import LabelledImage
from sonoloop.simulation.cells import Cell, CellFiles
from sonoloop.simulation.plan import Plan
from sonoloop.simulation.report import verdict, write_report
from sonoloop.simulation.run import Watch, cells_of
from sonoloop.simulation.run import simulate as simulate_plan

if TYPE_CHECKING:
    from sonoloop.simulation.proxy_learner import ProxyLearner
    from sonoloop.training.proxy_settings import ProxySettings


class Teller(Watch):
    """Tells of every cell: a bar on a terminal, a line each elsewhere.

    Args:
        total: Number of cells.
        bar: Shown on a terminal.
    """

    def __init__(self, total: int, bar: Bar) -> None:
        self._done, self._total, self._bar = 0, total, bar
        self._task = bar.add_task("simulation", total=total, note="")

    def done(self, cell: Cell, *, reused: bool) -> None:
        """See :class:`sonoloop.simulation.run.Watch`."""
        self._done += 1
        told = f"seed {cell.seed} {cell.strategy} {len(cell.labelled)} labels Dice {cell.dice:.3f}"
        self._bar.update(self._task, completed=self._done, note=told)
        if not err.is_terminal and not reused:
            line = f"{self._done}/{self._total} {told} after {cell.seconds:.1f} s"
            err.print(line, highlight=False, soft_wrap=True)


def simulate(
    data: Annotated[
        list[str], typer.Option(help="Labelled data set: folder or manifest CSV. Repeatable.")
    ],
    out_dir: Annotated[
        Path, typer.Option("--out", help="Folder of everything; what is done there is not redone.")
    ],
    train_split: Annotated[str, typer.Option(help="Splits whose images can be labelled.")],
    test_split: Annotated[str, typer.Option(help="Splits that are measured on.")],
    strategies: Annotated[
        list[str] | None, typer.Option("--strategy", help="Repeatable; else all.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="How many times everything is done.", min=1)] = 10,
    start: Annotated[int, typer.Option(help="Labels of the first round.")] = 20,
    batch: Annotated[int, typer.Option(help="Labels that the second round adds.")] = 20,
    growth: Annotated[
        float, typer.Option(help="By how much every further batch is larger than the one before.")
    ] = 2.0,
    rounds: Annotated[int, typer.Option(help="Rounds, the first included.")] = 5,
    size: Annotated[int | None, typer.Option(help="Side of the images, px.")] = None,
    threads: Annotated[int | None, typer.Option(help="CPU threads; 0: the machine's.")] = None,
    pairs: Annotated[
        list[str] | None,
        typer.Option("--set", help="Any setting of the proxy network as name=value. Repeatable."),
    ] = None,
    report_only: Annotated[
        bool, typer.Option("--report-only", help="Report what is there; train nothing.")
    ] = False,
) -> None:
    """Reveal the labels of a finished data set batch by batch, as each strategy asks for them.

    A light network stands in for the real one. Writes simulation.json, report.md and pictures; run
    it again to go on after an interruption, or to add seeds and strategies.

    Example: sonoloop simulate --data BUSBRA --train-split 1,2,3 --test-split 4 --out simulated
    """
    with errors_told():
        from sonoloop.training.proxy_settings import ProxySettings

        names = tuple(dict.fromkeys(strategies or STRATEGIES))
        plan = Plan(
            strategies=names,
            seeds=tuple(range(seeds)),
            start=start,
            batch=batch,
            growth=growth,
            rounds=rounds,
        )
        chosen = {name: strategy_named(name) for name in names}
        given: dict[str, object] = {"size_px": size, "threads": threads}
        told = {name: value for name, value in given.items() if value is not None}
        settings = ProxySettings.from_conf({**told, **named_values(pairs)})
        files = CellFiles(out_dir)
        if not report_only:
            quiet_logs()
            splits = [gather(data, split) for split in (train_split, test_split)]
            learner = _learner(splits[0], splits[1], settings, out_dir)
            files.require(_definition(plan, settings, learner))
            with progress_bar() as bar:
                simulate_plan(plan, chosen, learner, files, Teller(cells_of(plan), bar))
        words = {
            "train-split": train_split,
            "test-split": test_split,
            "strategy": strategies or [],
            "seeds": seeds,
            "start": start,
            "batch": batch,
            "growth": growth,
            "rounds": rounds,
            "size": size,
            "set": pairs or [],
        }
        described = {name: one.description for name, one in chosen.items()}
        found = write_report(plan, described, files, command=command(data, words))
        out.print(verdict(found), highlight=False, soft_wrap=True)
        out.print(f"report: {out_dir / 'report.md'}", highlight=False, soft_wrap=True)


def _learner(
    train: Sequence[LabelledImage],
    test: Sequence[LabelledImage],
    settings: "ProxySettings",
    out_dir: Path,
) -> "ProxyLearner":
    from sonoloop.simulation.proxy_learner import ProxyLearner

    with progress_bar() as bar:
        task = bar.add_task("features", total=None, note="reading images")

        def told(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, note="")

        return ProxyLearner(train, test, settings, out_dir / "features", told=told)


def _definition(plan: Plan, settings: "ProxySettings", learner: "ProxyLearner") -> dict[str, Any]:
    """All that cells depend on besides strategy, seed and round, as JSON has it."""
    own = {name: value for name, value in settings.as_dict().items() if name != "threads"}
    return {
        "pool": learner.about_pool,
        "test": learner.about_test,
        "encoder": learner.source,
        "proxy": {n: list(v) if isinstance(v, tuple) else v for n, v in own.items()},
        "start": plan.start,
        "batch": plan.batch,
        "growth": plan.growth,
    }


def command(data: Sequence[str], words: dict[str, Any]) -> str:
    """The command that makes a simulation, without the folder it is kept in.

    Example:
        >>> command(["BUSBRA"], {"train-split": "1,2", "size": None, "set": ["steps=9"]})
        'sonoloop simulate --data BUSBRA --train-split 1,2 --set steps=9'
    """
    line = ["sonoloop", "simulate"]
    for source in data:
        line += ["--data", source]
    for name, value in words.items():
        for one in value if isinstance(value, list) else [value]:
            if one is not None:
                line += [f"--{name}", str(one)]
    return shlex.join(line)
