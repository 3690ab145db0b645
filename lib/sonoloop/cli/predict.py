"""``sonoloop predict``: masks, overlays and findings of images, and how often they are right."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from PIL import Image

from sonoloop.cli.console import err, errors_told, out, progress_bar
from sonoloop.cli.labelled import Tally
from sonoloop.cli.models import Classifier, Device, Segmenter, Workspace, pipeline_of
from sonoloop.datasets.select import select
from sonoloop.errors import ConflictError, ImageReadError, InvalidRequestError
from sonoloop.evaluation.heat import heat_overlay
from sonoloop.evaluation.pictures import overlay
from sonoloop.imaging.image import UltrasoundImage
from sonoloop.imaging.masks import encode_label_map
from sonoloop.imaging.read import is_candidate, read_header, read_image
from sonoloop.inference.findings_json import findings_to_params
from sonoloop.inference.pipeline import DualStagePipeline
from sonoloop.records import Findings, LabelledImage

LINES_FILE = "predictions.jsonl"


@dataclass(frozen=True, slots=True)
class Picture:
    """A file to look at.

    Attributes:
        path: The file.
        stem: Name of its results.
        item: What is known of it; None where nothing is.
    """

    path: Path
    stem: str
    item: LabelledImage | None = None


def image_files(paths: list[Path]) -> list[Path]:
    """The files themselves, and of folders every image below them.

    Raises:
        InvalidRequestError: If a path does not exist.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            files += sorted(p for p in path.rglob("*") if p.is_file() and is_candidate(p))
        elif path.exists():
            files.append(path)
        else:
            raise InvalidRequestError(f"no such file: {str(path)!r}")
    return files


def frames_of(path: Path, wanted: str) -> list[int]:
    """Frame numbers to read, from 0.

    Raises:
        ImageReadError: If the header cannot be read.
        InvalidRequestError: If ``wanted`` is neither ``all`` nor a number.
    """
    if wanted == "all":
        return list(range(read_header(path).frame_count))
    if not wanted.isdigit():
        raise InvalidRequestError(f"--frames takes a frame number from 0 or all, got {wanted!r}")
    return [int(wanted)]


def unique_stems(files: list[Path]) -> Iterator[tuple[Path, str]]:
    """Each file with a name for its results; files of one name in two folders stay apart."""
    used: set[str] = set()
    for path in files:
        stem, number = path.stem, 1
        while stem in used:
            number += 1
            stem = f"{path.stem}-{number}"
        used.add(stem)
        yield path, stem


def pictures(files: list[Path], data: str | None, split: str) -> list[Picture]:
    """What is looked at: files, or the images of a data set.

    Raises:
        InvalidRequestError: If there are neither or both, or a file does not exist.
        DatasetError: If the data set cannot be read.
    """
    if bool(files) == (data is not None):
        raise InvalidRequestError("which images? name files or folders, or a data set with --data")
    if data is None:
        return [Picture(path, stem) for path, stem in unique_stems(image_files(files))]
    items = select(data, split=split).images
    stems = unique_stems([item.image_path for item in items])
    return [Picture(path, stem, item) for (path, stem), item in zip(stems, items, strict=True)]


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes what is found on each frame.

    Attributes:
        pipeline: What looks at it.
        folder: Where results go.
        explain: Write what spoke for the diagnosis as well.
    """

    pipeline: DualStagePipeline
    folder: Path
    explain: bool = False

    def frame(self, path: Path, frame: int, *, name: str) -> tuple[Findings, dict[str, Any]]:
        """Write the pictures of one frame; returns its findings and its JSON line.

        Raises:
            ImageReadError: If the image cannot be read.
        """
        image = read_image(path, frame=frame)
        findings, explained = self._examine(image, name)
        mask = encode_label_map(
            findings.mask.astype(np.uint8), ".png", image.spacing_mm, for_display=True
        )
        (self.folder / f"{name}_mask.png").write_bytes(mask)
        self._save(overlay(image.pixels, findings.mask), f"{name}_overlay.png")
        return findings, {
            "file": str(path),
            "frame": frame,
            "mask": f"{name}_mask.png",
            "overlay": f"{name}_overlay.png",
            **explained,
            **findings_to_params(findings),
        }

    def _examine(self, image: UltrasoundImage, name: str) -> tuple[Findings, dict[str, Any]]:
        if not self.explain:
            return self.pipeline(image), {}
        told = self.pipeline.explain(image)
        self._save(heat_overlay(image.pixels, told.heat, told.boxes), f"{name}_explanation.png")
        return told.findings, {
            "explanation": f"{name}_explanation.png",
            "explained": str(told.pathology),
        }

    def _save(self, pixels: np.ndarray, name: str) -> None:
        Image.fromarray(pixels).save(self.folder / name)


def in_words(name: str, findings: Findings) -> str:
    """One line for the terminal."""
    doubts = {
        "mask": findings.uncertainty,
        "diagnosis": findings.pathology_uncertainty,
    }
    told = [f"{what} {value:.2f}" for what, value in doubts.items() if value is not None]
    return (
        f"{name}: {findings.pathology} {findings.probabilities[findings.pathology]:.2f}, "
        f"{len(findings.lesions)} marked, doubt: {', '.join(told) or 'not told'}"
    )


def predict(
    files: Annotated[
        list[Path] | None, typer.Argument(help="DICOM, PNG, JPEG, BMP, TIFF, or folders.")
    ] = None,
    out_dir: Annotated[Path, typer.Option("--out", help="Folder of the results.")] = Path(
        "predictions"
    ),
    data: Annotated[
        str | None,
        typer.Option(
            metavar="DIR|CSV",
            help="Labelled data set instead of files (DIR@1,2 for some of its splits): also "
            "prints accuracy, sensitivity and specificity.",
        ),
    ] = None,
    split: Annotated[str, typer.Option(help="Splits of the data set; empty takes all.")] = "",
    segmenter: Segmenter = None,
    classifier: Classifier = None,
    workspace: Workspace = None,
    operating_point: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            help="Probability of malignancy at and above which an image is called malignant; "
            "default: the one the classifier's card states, else 0.5.",
        ),
    ] = None,
    device: Device = "auto",
    frames: Annotated[str, typer.Option(help="Frame of a cine, from 0, or all.")] = "0",
    flips: Annotated[bool, typer.Option(help="Average over left-right flips.")] = True,
    explain: Annotated[
        bool, typer.Option(help="Write an overlay of what spoke for the diagnosis (Grad-CAM).")
    ] = False,
) -> None:
    """Segment and classify images: a mask PNG, an overlay PNG and one JSON line each.

    Research use only, not a medical device.

    Examples: sonoloop predict scan.dcm photos/ --out results --explain

    sonoloop predict --data BUSI --classifier runs/cls/MODEL --out results
    """
    with errors_told():
        chosen = pictures(files or [], data, split)
        pipeline = pipeline_of(
            segmenter, classifier, device, workspace=workspace, test_time_flips=flips
        )
        if explain and pipeline.unexplained:
            raise ConflictError(pipeline.unexplained)
        out_dir.mkdir(parents=True, exist_ok=True)
        tally = Tally(pipeline.engines[1].card, operating_point)
        failed = _run(Writer(pipeline, out_dir, explain), chosen, frames, tally)
    for line in tally.lines() if data is not None else []:
        out.print(line, highlight=False, soft_wrap=True)
    out.print(f"{len(chosen) - failed} of {len(chosen)} files -> {out_dir}", highlight=False)
    if failed:
        raise typer.Exit(1)


def _run(writer: Writer, chosen: list[Picture], frames: str, tally: Tally) -> int:
    """Look at every picture; returns how many could not be read."""
    failed = 0
    path = writer.folder / LINES_FILE
    with path.open("w", encoding="utf-8") as lines, progress_bar() as bar:
        for picture in bar.track(chosen, task_id=bar.add_task("predicting", note="")):
            try:
                for line in _look(writer, picture, frames, tally):
                    lines.write(json.dumps(line) + "\n")
            except ImageReadError as error:
                failed += 1
                err.print(f"{picture.path}: {error}", highlight=False, soft_wrap=True)
                lines.write(json.dumps({"file": str(picture.path), "error": str(error)}) + "\n")
    return failed


def _look(writer: Writer, picture: Picture, frames: str, tally: Tally) -> Iterator[dict[str, Any]]:
    """JSON lines of the frames of one picture."""
    item = picture.item
    if item is not None:
        findings, line = writer.frame(picture.path, item.frame, name=picture.stem)
        tally.add(item, findings)
        yield {**line, "truth": item.pathology and str(item.pathology)}
        return
    numbers = frames_of(picture.path, frames)
    for frame in numbers:
        name = picture.stem if len(numbers) == 1 else f"{picture.stem}_f{frame}"
        findings, line = writer.frame(picture.path, frame, name=name)
        out.print(in_words(name, findings), highlight=False, soft_wrap=True)
        yield line
