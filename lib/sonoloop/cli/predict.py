"""``sonoloop predict``: masks, overlays and findings of image files."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from PIL import Image

from sonoloop.cli.console import err, errors_told, out, progress_bar
from sonoloop.cli.models import Classifier, Device, Segmenter, pipeline_of
from sonoloop.errors import ImageReadError, InvalidRequestError
from sonoloop.evaluation.pictures import overlay
from sonoloop.imaging.masks import encode_label_map
from sonoloop.imaging.read import is_candidate, read_header, read_image
from sonoloop.inference.findings_json import findings_to_params
from sonoloop.inference.pipeline import DualStagePipeline

LINES_FILE = "predictions.jsonl"


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


def predict_frame(
    pipeline: DualStagePipeline, path: Path, frame: int, *, name: str, folder: Path
) -> dict[str, object]:
    """Write mask and overlay of one frame; returns its JSON line.

    Raises:
        ImageReadError: If the image cannot be read.
    """
    image = read_image(path, frame=frame)
    findings = pipeline(image)
    mask = encode_label_map(
        findings.mask.astype(np.uint8), ".png", image.spacing_mm, for_display=True
    )
    (folder / f"{name}_mask.png").write_bytes(mask)
    Image.fromarray(overlay(image.pixels, findings.mask)).save(folder / f"{name}_overlay.png")
    return {
        "file": str(path),
        "frame": frame,
        "mask": f"{name}_mask.png",
        "overlay": f"{name}_overlay.png",
        **findings_to_params(findings),
    }


def predict(
    files: Annotated[list[Path], typer.Argument(help="DICOM, PNG, JPEG, BMP, TIFF, or folders.")],
    out_dir: Annotated[Path, typer.Option("--out", help="Folder of the results.")],
    segmenter: Segmenter = None,
    classifier: Classifier = None,
    device: Device = "auto",
    frames: Annotated[str, typer.Option(help="Frame of a cine, from 0, or all.")] = "0",
) -> None:
    """Segment and classify images: a mask PNG, an overlay PNG and one JSON line each.

    Research use only, not a medical device.

    Example: sonoloop predict scan.dcm photos/ --out results
    """
    failed = 0
    with errors_told():
        chosen = image_files(files)
        pipeline = pipeline_of(segmenter, classifier, device)
        out_dir.mkdir(parents=True, exist_ok=True)
        with (out_dir / LINES_FILE).open("w", encoding="utf-8") as lines, progress_bar() as bar:
            for path, stem in bar.track(
                list(unique_stems(chosen)), task_id=bar.add_task("predicting", note="")
            ):
                try:
                    numbers = frames_of(path, frames)
                    for frame in numbers:
                        name = stem if len(numbers) == 1 else f"{stem}_f{frame}"
                        line = predict_frame(pipeline, path, frame, name=name, folder=out_dir)
                        lines.write(json.dumps(line) + "\n")
                except ImageReadError as error:
                    failed += 1
                    err.print(f"{path}: {error}", highlight=False, soft_wrap=True)
                    lines.write(json.dumps({"file": str(path), "error": str(error)}) + "\n")
    out.print(f"{len(chosen) - failed} of {len(chosen)} files -> {out_dir}", highlight=False)
    if failed:
        raise typer.Exit(1)
