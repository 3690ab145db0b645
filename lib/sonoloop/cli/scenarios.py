"""``sonoloop scenarios``: one command, one table of trainings that are compared."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import Progress as Bar
from rich.progress import TaskID

from sonoloop.cli.console import err, errors_told, out, progress_bar
from sonoloop.cli.train import DEFAULTS, quiet_logs
from sonoloop.errors import ConfigError
from sonoloop.records import ModelTask
from sonoloop.settings import PipelineSettings, TrainingSettings
from sonoloop.training.progress import Progress

if TYPE_CHECKING:
    from sonoloop.scenarios.catalogue import Setup

TASKS: tuple[ModelTask, ...] = ("segmentation", "classification")
SCOPES = (*TASKS, "pipeline")


class Teller:
    """Tells of every step: a bar on a terminal, a line each elsewhere.

    Args:
        total: Number of steps.
        bar: Shown on a terminal.
    """

    def __init__(self, total: int, bar: Bar) -> None:
        self._done, self._total, self._bar = 0, total, bar
        self._task: TaskID = bar.add_task("scenarios", total=total, note="")

    def begin(self, what: str) -> None:
        """See :class:`sonoloop.scenarios.workshop.Watch`."""
        self._bar.update(self._task, note=what)
        if not err.is_terminal:
            err.print(f"{self._done + 1}/{self._total} {what}", highlight=False, soft_wrap=True)

    def epoch(self, progress: Progress) -> None:
        """See :class:`sonoloop.scenarios.workshop.Watch`."""
        best = "-" if progress.best_metric is None else f"{progress.best_metric:.3f}"
        note = f"epoch {progress.epoch}/{progress.total_epochs} best {best}"
        self._bar.update(self._task, description=note)

    def end(self, what: str, *, reused: bool) -> None:
        """See :class:`sonoloop.scenarios.workshop.Watch`."""
        self._done += 1
        self._bar.update(self._task, completed=self._done, description="scenarios")
        if reused and not err.is_terminal:
            line = f"{self._done}/{self._total} {what}: done before"
            err.print(line, highlight=False, soft_wrap=True)


def scenarios(
    data: Annotated[list[str], typer.Option(help="Data set, as name=folder. Repeatable.")],
    out_dir: Annotated[
        Path, typer.Option("--out", help="Folder of everything; what is done there is not redone.")
    ],
    only: Annotated[str, typer.Option(help="Scenarios, such as in-domain,cross; else all.")] = "",
    split: Annotated[
        list[str] | None,
        typer.Option(help="Training and test splits of a data set: name=1,2,3/4. Repeatable."),
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes of every training, at most.")] = None,
    size: Annotated[int | None, typer.Option(help="Side of every network's input, px.")] = None,
    pairs: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="name=value of all trainings; segmentation.name=value, classification.name=value "
            "of some; pipeline.name=value of every evaluation. Repeatable.",
        ),
    ] = None,
    seeds: Annotated[str, typer.Option(help="Every training is done with each, as 0,1.")] = "0",
    retrain_margins: Annotated[
        bool, typer.Option(help="One classifier a margin, or one for all margins.")
    ] = True,
    threads: Annotated[int, typer.Option(help="CPU threads; 0 leaves it to the machine.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:<n>.")] = "auto",
    resamples: Annotated[int, typer.Option(help="Of the bootstrap.", min=1)] = 1000,
) -> None:
    """Train and compare: in-domain, mixed, cross, crops, margins, single-stage and more.

    Writes results.md, results.csv, results.json and a chart for each scenario. Run it again to go
    on after an interruption, or to add scenarios. A row that fails is told in the table; the
    command then ends with status 1.

    Example: sonoloop scenarios --data busbra=BUSBRA --data busi=BUSI --only crops --out compared
    """
    with errors_told():
        from sonoloop.scenarios.runner import Order, known_scenarios, run, steps
        from sonoloop.scenarios.workshop import Workshop

        names = known_scenarios(_words(only))
        given = {"max_epochs": epochs, "input_size_px": size, "device": device, "threads": threads}
        training, pipeline = settings_of(pairs or [], given)
        setup = _setup(data, split or [], training, seeds, retrain_margins=retrain_margins)
        options = {
            "split": split or [],
            "epochs": epochs,
            "size": size,
            "set": pairs or [],
            "seeds": seeds,
            "no-retrain-margins": not retrain_margins,
            "resamples": resamples,
        }
        orders = [Order(scenario=name, command=command(data, name, options)) for name in names]
        quiet_logs()
        bar = progress_bar()
        bar.disable = not err.is_terminal
        with bar:
            teller = Teller(steps(setup, names), bar)
            workshop = Workshop(root=out_dir, sets=setup.sets, pipeline=pipeline, watch=teller)
            failed = run(setup, orders, workshop, resamples=resamples)
        out.print(f"table: {out_dir / 'results.md'}", highlight=False, soft_wrap=True)
    if failed:
        err.print(f"{failed} rows failed; the table says why", highlight=False)
        raise typer.Exit(1)


def _setup(
    data: Sequence[str],
    split: Sequence[str],
    training: dict[ModelTask, TrainingSettings],
    seeds: str,
    *,
    retrain_margins: bool,
) -> "Setup":
    from sonoloop.scenarios.catalogue import Setup
    from sonoloop.scenarios.data import open_set

    wanted = splits_of(split)
    sources = _named(data, "--data takes name=folder")
    unknown = sorted(set(wanted) - set(sources))
    if unknown:
        raise ConfigError([f"--split names no data set of --data: {name!r}" for name in unknown])
    sets = {
        name: open_set(name, Path(folder), wanted.get(name)) for name, folder in sources.items()
    }
    for name, one in sets.items():
        line = (
            f"{name}: {len(one.images)} images, trained on {','.join(one.train)}, tested on "
            f"{','.join(one.test)}; {one.conflicts} with contradicting near-duplicates left out"
        )
        err.print(line, highlight=False, soft_wrap=True)
    return Setup(sets=sets, base=training, seeds=numbers(seeds), retrain_margins=retrain_margins)


def _named(pairs: Sequence[str], rule: str) -> dict[str, str]:
    """``name=value`` pairs as names and values.

    Raises:
        ConfigError: If a pair is malformed or a name stands twice.
    """
    found = [pair.partition("=") for pair in pairs]
    names = [name for name, _, _ in found]
    problems = [
        f"{rule}, got {p!r}" for p, (n, _, v) in zip(pairs, found, strict=True) if not (n and v)
    ]
    problems += sorted({f"{name!r} is named twice" for name in names if names.count(name) > 1})
    if problems:
        raise ConfigError(problems)
    return {name: value for name, _, value in found}


def splits_of(pairs: Sequence[str]) -> dict[str, tuple[list[str], list[str]]]:
    """Training and test splits by data set, of ``name=1,2,3/4``.

    Raises:
        ConfigError: If a pair is malformed.
    """
    rule = "--split takes name=<training splits>/<test splits>, such as busbra=1,2,3/4"
    splits = {}
    for name, text in _named(pairs, rule).items():
        train, slash, test = text.partition("/")
        if not slash:
            raise ConfigError([f"{rule}, got '{name}={text}'"])
        splits[name] = (_words(train), _words(test))
    return splits


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def numbers(seeds: str) -> tuple[int, ...]:
    """Seeds of a text such as ``0,1``, each once.

    Raises:
        ConfigError: If one is no number.
    """
    parts = _words(seeds)
    if not parts or not all(part.isdigit() for part in parts):
        raise ConfigError([f"--seeds takes numbers such as 0,1, got {seeds!r}"])
    return tuple(dict.fromkeys(map(int, parts)))


def settings_of(
    pairs: Sequence[str], given: dict[str, Any]
) -> tuple[dict[ModelTask, TrainingSettings], PipelineSettings]:
    """Settings of the trainings of each task, and of every evaluation.

    Args:
        pairs: ``[segmentation.|classification.|pipeline.]name=value``; those of one task overrule
            those of all trainings, and all overrule ``given``.
        given: Options by the name of their setting; None keeps the default.

    Raises:
        ConfigError: If a pair is malformed, or a setting unknown or out of range.
    """
    named = _named(pairs, "--set takes name=value")
    known = {name: value for name, value in given.items() if value is not None}
    common = {name: value for name, value in named.items() if name.split(".")[0] not in SCOPES}

    def of(scope: str) -> dict[str, str]:
        prefix = f"{scope}."
        return {n.removeprefix(prefix): v for n, v in named.items() if n.startswith(prefix)}

    training = {
        task: TrainingSettings.from_conf(
            {**DEFAULTS[task], "tracking": "none", **known, **common, **of(task)}
        )
        for task in TASKS
    }
    where: dict[str, object] = {
        name: known[name] for name in ("device", "threads") if name in known
    }
    return training, PipelineSettings.from_conf({**where, **of("pipeline")})


def command(data: Sequence[str], scenario: str, options: dict[str, Any]) -> str:
    """The command that makes one scenario's table; what is left out has its default.

    Example:
        >>> command(["a=A"], "crops", {"epochs": 3, "size": None, "set": ["x=1", "y=2"]})
        'sonoloop scenarios --data a=A --only crops --epochs 3 --set x=1 --set y=2'
    """
    words = ["sonoloop", "scenarios"]
    for source in data:
        words += ["--data", source]
    words += ["--only", scenario]
    for name, value in options.items():
        if value is True:
            words.append(f"--{name}")
        elif value is not None and value is not False:
            for one in value if isinstance(value, list) else [value]:
                words += [f"--{name}", str(one)]
    return shlex.join(words)
