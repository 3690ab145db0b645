"""``sonoloop train``: a model from a labelled data set."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from sonoloop.cli.console import err, errors_told, out, progress_bar
from sonoloop.datasets.select import select
from sonoloop.errors import ConfigError
from sonoloop.networks.card import read_card
from sonoloop.records import LabelledImage, ModelTask
from sonoloop.settings import ClassifierTask, TrainingSettings

app = typer.Typer(
    help="Train a model. The same code runs in the server's background.", no_args_is_help=True
)

Data = Annotated[
    list[str],
    typer.Option(
        help="Data set: folder or manifest CSV; with @1,2 behind it only these splits. Repeatable."
    ),
]
Split = Annotated[str, typer.Option(help="Splits to take where --data names none, such as 1,2,3.")]
Out = Annotated[Path, typer.Option(help="Run folder; a run that was interrupted goes on there.")]
Start = Annotated[
    Path | None, typer.Option("--from", help="Model folder to start from; none: random weights.")
]
Set = Annotated[
    list[str] | None, typer.Option("--set", help="Any setting as name=value. Repeatable.")
]
Epochs = Annotated[int | None, typer.Option(help="Passes over the training images, at most.")]
Size = Annotated[int | None, typer.Option(help="Side of the network's input in pixels.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:<n>.")]
Architecture = Annotated[str, typer.Option(help="Name of a network; empty for the default.")]
Crop = Literal["lesion", "whole"]


def settings_from(kind: ModelTask, pairs: list[str] | None, **options: object) -> TrainingSettings:
    """Training settings of a command line.

    Args:
        kind: Whose defaults apply.
        pairs: ``name=value`` each; they overrule the options.
        options: Settings by name; None keeps the default.

    Raises:
        ConfigError: If a pair is malformed, or a setting unknown or out of range.
    """
    given = {name: value for name, value in options.items() if value is not None}
    return TrainingSettings.from_conf({**DEFAULTS[kind], **given, **named_values(pairs)})


def named_values(pairs: list[str] | None) -> dict[str, str]:
    """Names and values of ``--set`` options.

    Raises:
        ConfigError: If one is not ``name=value``.
    """
    malformed = [pair for pair in pairs or [] if "=" not in pair]
    if malformed:
        raise ConfigError([f"--set takes name=value, got {pair!r}" for pair in malformed])
    return dict(pair.split("=", 1) for pair in pairs or [])


DEFAULTS: dict[ModelTask, dict[str, object]] = {
    "segmentation": {},
    "classification": {"input_size_px": 160, "batch_size": 32, "early_stop_patience": 15},
}
"""Where a task's defaults differ from those of the settings."""


def gather(data: list[str], split: str) -> list[LabelledImage]:
    """Images of all data sets; those with contradicting near-duplicates are left out and told.

    Raises:
        DatasetError: If a data set cannot be read.
    """
    items: list[LabelledImage] = []
    for source in data:
        reading = select(source, split=split)
        usable = [image for image in reading.images if not image.label_conflict]
        err.print(
            f"{source}: {len(usable)} images, {len(reading.skipped)} skipped, "
            f"{len(reading.images) - len(usable)} with contradicting near-duplicates left out"
        )
        items += usable
    return items


def _train(
    task: ModelTask,
    train: Callable[..., Path],
    items: list[LabelledImage],
    settings: TrainingSettings,
    *,
    run_dir: Path,
    initial: Path | None,
) -> None:
    from sonoloop.training.progress import Progress

    with progress_bar() as bar:
        line = bar.add_task(f"training {task}", total=None, note="reading images")

        told = 0

        def report(progress: Progress) -> None:
            nonlocal told
            loss = "-" if progress.loss is None else f"{progress.loss:.4f}"
            best = "-" if progress.best_metric is None else f"{progress.best_metric:.4f}"
            note = f"epoch {progress.epoch}/{progress.total_epochs} loss {loss} best {best}"
            if not err.is_terminal and progress.epoch > told:
                told = progress.epoch
                err.print(f"{note} after {progress.seconds:.0f} s", highlight=False)
            bar.update(
                line,
                total=progress.total_epochs * progress.total_steps,
                completed=progress.epoch * progress.total_steps + progress.step,
                note=note,
            )

        directory = train(items, settings, run_dir, initial=initial, report=report)
    if task == "classification":
        _tell_validation(read_card(directory).metrics["validation"])
    out.print(f"model folder: {directory}", highlight=False, soft_wrap=True)


def _tell_validation(figures: dict[str, Any]) -> None:
    out.print(f"validation AUC {figures['auc']:.3f}", highlight=False)
    for name in ("at_half", "at_operating_point"):
        if name in figures:
            out.print(verdict_line(figures[name]), highlight=False, soft_wrap=True)


def verdict_line(figures: dict[str, float]) -> str:
    """Accuracy, sensitivity and specificity with their counts, as a sentence."""
    malignant, others = int(figures["malignant"]), int(figures["others"])
    right_malignant, right_others = int(figures["right_malignant"]), int(figures["right_others"])
    right = right_malignant + right_others
    parts = [f"accuracy {figures['accuracy']:.3f} ({right}/{malignant + others})"]
    if malignant:
        parts.append(f"sensitivity {figures['sensitivity']:.3f} ({right_malignant}/{malignant})")
    if others:
        parts.append(f"specificity {figures['specificity']:.3f} ({right_others}/{others})")
    return f"validation at malignancy >= {figures['threshold']:.3f}: {', '.join(parts)}"


@app.command()
def segmentation(
    data: Data,
    out_dir: Annotated[Path, typer.Option("--out", help="Run folder.")] = Path("runs/segmentation"),
    split: Split = "",
    start: Start = None,
    epochs: Epochs = None,
    size: Size = None,
    architecture: Architecture = "",
    device: Device = "auto",
    pairs: Set = None,
) -> None:
    """Train the lesion segmenter.

    Example: sonoloop train segmentation --data BUSBRA --split 1,2,3 --epochs 30 --out runs/seg
    """
    with errors_told():
        settings = settings_from(
            "segmentation",
            pairs,
            max_epochs=epochs,
            input_size_px=size,
            architecture=architecture,
            device=device,
        )
        items = gather(data, split)
        from sonoloop.training.segmentation import train_segmentation

        quiet_logs()
        _train("segmentation", train_segmentation, items, settings, run_dir=out_dir, initial=start)


@app.command()
def classification(
    data: Data,
    out_dir: Annotated[Path, typer.Option("--out", help="Run folder.")] = Path(
        "runs/classification"
    ),
    split: Split = "",
    start: Start = None,
    epochs: Epochs = None,
    size: Size = None,
    task: Annotated[
        ClassifierTask, typer.Option(help="Which pathologies are told apart.")
    ] = "pathology",
    crop: Annotated[Crop, typer.Option(help="The lesion with its margin, or all.")] = "lesion",
    architecture: Architecture = "",
    device: Device = "auto",
    pairs: Set = None,
) -> None:
    """Train the pathology classifier on lesion crops, or on whole images.

    Images need a pathology: from a data set's tables, a manifest, or the folder they lie in
    (benign/, malignant/, normal/). Prints accuracy, sensitivity and specificity on validation.

    Examples: sonoloop train classification --data BUSBRA@1,2,3 --data BUSI@1,2,3,4 --out runs/cls

    sonoloop train classification --data PICTURES --task benign-malignant --crop whole
    """
    with errors_told():
        settings = settings_from(
            "classification",
            pairs,
            max_epochs=epochs,
            input_size_px=size,
            task=task,
            crop=crop,
            architecture=architecture,
            device=device,
        )
        items = gather(data, split)
        from sonoloop.training.examples import for_classifier

        for reason, count in for_classifier(items, settings)[1].items():
            err.print(f"{count} images left out: {reason}", highlight=False, soft_wrap=True)
        from sonoloop.training.classification import train_classification

        quiet_logs()
        _train(
            "classification", train_classification, items, settings, run_dir=out_dir, initial=start
        )


def quiet_logs() -> None:
    """Leave the terminal to progress: of logs only warnings are shown."""
    logging.getLogger("ignite").setLevel(logging.WARNING)
    logging.getLogger("sonoloop").setLevel(logging.WARNING)
