"""``sonoloop evaluate``: figures of a pipeline on a labelled data set."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from sonoloop.cli.console import err, errors_told, out, progress_bar
from sonoloop.cli.models import Classifier, Device, Segmenter, pipeline_of
from sonoloop.datasets.reading import Layout
from sonoloop.datasets.select import select
from sonoloop.errors import ConfigError
from sonoloop.evaluation.cases import Case
from sonoloop.evaluation.pictures import gallery, overlay
from sonoloop.evaluation.summary import summarise
from sonoloop.geometry import Mask
from sonoloop.imaging.image import UltrasoundImage
from sonoloop.inference.evaluate import evaluate_images
from sonoloop.inference.pipeline import DualStagePipeline
from sonoloop.records import Findings, LabelledImage

LAYOUTS: tuple[Layout, ...] = ("busi", "busbra", "manifest", "folder", "studies")
TILES = 4
"""Best, median and worst overlays, of each so many."""


def evaluate(
    data: Annotated[Path, typer.Option(help="Folder of the data set, or a manifest CSV.")],
    out_dir: Annotated[Path, typer.Option("--out", help="Folder of the report.")],
    layout: Annotated[str, typer.Option(help="auto, busi, busbra, manifest or studies.")] = "auto",
    split: Annotated[str, typer.Option(help="Splits to take, such as 4; empty takes all.")] = "",
    segmenter: Segmenter = None,
    classifier: Classifier = None,
    device: Device = "auto",
    flips: Annotated[bool, typer.Option(help="Average over left-right flips.")] = False,
) -> None:
    """Measure the pipeline: metrics.json, per_image.csv and a gallery of overlays.

    Every figure has a 95 % interval, bootstrapped by patient.

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
        pipeline = pipeline_of(segmenter, classifier, device, test_time_flips=flips)
        cases, unread, pictures = _run(pipeline, reading.images)
        err.print("bootstrapping the intervals ...")
        metrics = summarise(cases) | {
            "n_unread": len(unread),
            "n_skipped": len(reading.skipped),
            "models": {
                "segmentation": pipeline.segmentation_model,
                "classification": pipeline.classification_model,
            },
            "data": {"name": reading.name, "split": split or "all"},
            "settings": pipeline.settings.as_dict(),
        }
        _write(out_dir, metrics, cases, unread)
        _draw(out_dir / "overlays.png", cases, pictures)
        _show(metrics, out_dir)


Pictures = dict[str, tuple[UltrasoundImage, Mask, Findings]]


def _run(
    pipeline: DualStagePipeline, items: Sequence[LabelledImage]
) -> tuple[list[Case], list[tuple[str, str]], Pictures]:
    pictures: Pictures = {}

    def watch(item: LabelledImage, image: UltrasoundImage, truth: Mask, findings: Findings) -> None:
        pictures[item.image_id] = (image, truth, findings)

    with progress_bar() as bar:
        line = bar.add_task("evaluating", total=len(items), note="")
        cases, unread = evaluate_images(
            pipeline, items, advance=lambda: bar.advance(line), watch=watch
        )
    return cases, unread, pictures


def _write(
    folder: Path, metrics: dict[str, Any], cases: list[Case], unread: list[tuple[str, str]]
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    with (folder / "per_image.csv").open("w", newline="", encoding="utf-8") as stream:
        rows = [case.as_row() for case in cases]
        if rows:
            writer = csv.DictWriter(stream, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    for image_id, reason in unread:
        err.print(f"not read: {image_id}: {reason}", highlight=False, soft_wrap=True)


def _draw(path: Path, cases: list[Case], pictures: Pictures) -> None:
    ranked = sorted((c for c in cases if c.dice is not None), key=lambda c: -(c.dice or 0))
    if not ranked:
        return
    middle = max(0, len(ranked) // 2 - TILES // 2)
    chosen = [*ranked[:TILES], *ranked[middle : middle + TILES], *ranked[-TILES:]]
    tiles = []
    for case in chosen:
        image, truth, findings = pictures[case.image_id]
        caption = f"{case.image_id[:24]}  Dice {case.dice:.3f}"
        tiles.append((caption, overlay(image.pixels, findings.mask, truth)))
    gallery(tiles, columns=TILES).save(path)


def _show(metrics: dict[str, Any], folder: Path) -> None:
    table = Table("figure", "value", "95 % interval", title=f"{metrics['n_images']} images")
    for group in ("segmentation", "detection", "classification"):
        for name, figure in metrics[group].items():
            if isinstance(figure, dict) and figure["value"] is not None:
                low, high = figure["ci95"]
                row = f"{figure['value']:.3f}", f"{low:.3f} - {high:.3f}"
                table.add_row(f"{group}.{name}", *row)
    out.print(table)
    out.print(f"report: {folder}", highlight=False, soft_wrap=True)
