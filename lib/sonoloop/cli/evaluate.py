"""``sonoloop evaluate``: figures of a pipeline on a labelled data set."""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import numpy as np
import numpy.typing as npt
import typer
from rich.table import Table

from sonoloop.cli.console import err, errors_told, out, progress_bar
from sonoloop.cli.models import (
    Classifier,
    Device,
    Segmenter,
    Workspace,
    model_folder,
    pipeline_of,
)
from sonoloop.datasets.reading import DatasetReading, Layout
from sonoloop.datasets.select import select
from sonoloop.errors import ConfigError, DatasetError
from sonoloop.evaluation.cases import Case
from sonoloop.evaluation.diagnosis import OPERATING_POINT
from sonoloop.evaluation.summary import summarise, used_cases
from sonoloop.geometry import Mask
from sonoloop.imaging.image import UltrasoundImage
from sonoloop.imaging.labelled import read_labelled
from sonoloop.inference.evaluate import TWICE, evaluate_images
from sonoloop.inference.pipeline import DualStagePipeline
from sonoloop.networks.card import ModelCard, read_card
from sonoloop.records import Findings, LabelledImage

if TYPE_CHECKING:
    from sonoloop.evaluation.plots.gallery import Tile

LAYOUTS: tuple[Layout, ...] = ("busi", "busbra", "manifest", "folder", "studies")
SHOWN: Final = ("segmentation", "detection", "classification", "uncertainty")
NOT_EVALUATED: Final = "not_evaluated.csv"


def evaluate(
    data: Annotated[Path, typer.Option(help="Folder of the data set, or a manifest CSV.")],
    out_dir: Annotated[Path, typer.Option("--out", help="Folder of the report.")],
    layout: Annotated[str, typer.Option(help="auto, busi, busbra, manifest or studies.")] = "auto",
    split: Annotated[str, typer.Option(help="Splits to take, such as 4; empty takes all.")] = "",
    segmenter: Segmenter = None,
    classifier: Classifier = None,
    workspace: Workspace = None,
    operating_point: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            help="Probability of malignancy at and above which a case is called malignant; "
            "default: the one the classifier's card states, else 0.5.",
        ),
    ] = None,
    device: Device = "auto",
    flips: Annotated[bool, typer.Option(help="Average over left-right flips.")] = True,
) -> None:
    """Measure the pipeline: metrics.json, per_image.csv and plots.

    Every figure has a 95 % interval, bootstrapped by patient. docs/evaluation.md says what each
    figure and plot means.

    Example: sonoloop evaluate --data BUSBRA --split 4 --out reports/fold4
    """
    with errors_told():
        if layout != "auto" and layout not in LAYOUTS:
            raise ConfigError([f"unknown layout {layout!r} (auto, {', '.join(LAYOUTS)})"])
        reading = select(
            str(data),
            layout=next((name for name in LAYOUTS if name == layout), "auto"),
            split=split,
        )
        card = read_card(model_folder("classification", classifier, workspace))
        point = _operating_point(operating_point, card)
        pipeline = pipeline_of(
            segmenter, classifier, device, workspace=workspace, test_time_flips=flips
        )
        run = _run(pipeline, reading.images)
        out_dir.mkdir(parents=True, exist_ok=True)
        _write_left_out(out_dir / NOT_EVALUATED, reading, run)
        _refuse_nothing(run, out_dir)
        err.print("bootstrapping the intervals ...")
        metrics = _metrics(run.cases, point, card) | {
            "n_unread": sum(reason != TWICE for _, reason in run.left_out),
            "n_duplicate_ids": sum(reason == TWICE for _, reason in run.left_out),
            "n_skipped": len(reading.skipped),
            "models": {
                "segmentation": pipeline.segmentation_model,
                "classification": pipeline.classification_model,
            },
            "data": {"name": reading.name, "split": split or "all"},
            "settings": pipeline.settings.as_dict(),
        }
        _write(out_dir, metrics, run.cases, point)
        _draw(out_dir, run, reading.images, point, card)
        _show(metrics, out_dir)


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """A threshold on the probability of malignancy.

    Attributes:
        source: ``option``, ``card`` (chosen on validation data in training) or ``default``.
    """

    threshold: float
    source: str


def _operating_point(asked: float | None, card: ModelCard) -> OperatingPoint:
    if asked is not None:
        return OperatingPoint(asked, "option")
    if card.operating_point is not None:
        return OperatingPoint(card.operating_point, "card")
    err.print(f"the classifier's card states no operating point: {OPERATING_POINT} is taken")
    return OperatingPoint(OPERATING_POINT, "default")


@dataclass(slots=True)
class _Run:
    """What came out: cases, left-out images with reasons, predicted masks as packed bits."""

    cases: list[Case] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    masks: dict[str, npt.NDArray[np.uint8]] = field(default_factory=dict)


def _run(pipeline: DualStagePipeline, items: Sequence[LabelledImage]) -> _Run:
    run = _Run()

    def watch(item: LabelledImage, image: UltrasoundImage, truth: Mask, findings: Findings) -> None:
        run.masks[item.image_id] = np.packbits(findings.mask)

    with progress_bar() as bar:
        line = bar.add_task("evaluating", total=len(items), note="")
        run.cases, run.left_out = evaluate_images(
            pipeline, items, advance=lambda: bar.advance(line), watch=watch
        )
    return run


def _write_left_out(path: Path, reading: DatasetReading, run: _Run) -> None:
    rows = [("dataset", skipped.image, skipped.reason) for skipped in reading.skipped]
    rows += [("evaluation", image_id, reason) for image_id, reason in run.left_out]
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(("stage", "image", "reason"))
        writer.writerows(rows)
    for image_id, reason in run.left_out:
        err.print(f"not evaluated: {image_id}: {reason}", highlight=False, soft_wrap=True)


def _refuse_nothing(run: _Run, folder: Path) -> None:
    if not run.cases:
        raise DatasetError(f"no image could be evaluated (reasons: {folder / NOT_EVALUATED})")


def _metrics(cases: Sequence[Case], point: OperatingPoint, card: ModelCard) -> dict[str, Any]:
    metrics = summarise(cases, threshold=point.threshold, temperature=card.temperature)
    metrics["classification"]["operating_point_source"] = point.source
    return metrics


def _write(
    folder: Path, metrics: dict[str, Any], cases: Sequence[Case], point: OperatingPoint
) -> None:
    (folder / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    rows = [
        {**case.as_row(), "called_malignant": case.malignant >= point.threshold} for case in cases
    ]
    with (folder / "per_image.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _draw(
    folder: Path,
    run: _Run,
    items: Sequence[LabelledImage],
    point: OperatingPoint,
    card: ModelCard,
) -> None:
    # Imported here: matplotlib takes a second, and every command imports this module.
    from sonoloop.evaluation.plots.draw import draw_report
    from sonoloop.evaluation.plots.gallery import chosen_cases

    known = {item.image_id: item for item in reversed(items)}
    rows = {
        name: [_tile(case, known[case.image_id], run.masks[case.image_id]) for case in chosen]
        for name, chosen in chosen_cases(used_cases(run.cases)).items()
    }
    draw_report(folder, run.cases, rows, threshold=point.threshold, temperature=card.temperature)


def _tile(case: Case, item: LabelledImage, packed: npt.NDArray[np.uint8]) -> "Tile":
    from sonoloop.evaluation.plots.gallery import Tile, caption_of

    image, truth = read_labelled(item)
    pred = np.unpackbits(packed, count=truth.size).reshape(truth.shape).astype(bool)
    return Tile(caption=caption_of(case), pixels=image.pixels, pred=pred, truth=truth)


def _show(metrics: dict[str, Any], folder: Path) -> None:
    title = f"{metrics['n_images']} images, {metrics['n_patients']} patients"
    table = Table("figure", "value", "95 % interval", title=title)
    told = {group: metrics[group] for group in SHOWN}
    for side in ("reader", "difference"):
        told[f"birads.patient.{side}"] = metrics["birads"]["patient"][side]
    for group, figures in told.items():
        for name, figure in figures.items():
            if isinstance(figure, dict) and figure["value"] is not None:
                interval = ", ".join(f"{end:.3f}" for end in figure["ci95"] or ())
                table.add_row(f"{group}.{name}", f"{figure['value']:.3f}", interval)
    out.print(table)
    out.print(f"report: {folder}", highlight=False, soft_wrap=True)
