"""Options by which commands choose models."""

from pathlib import Path
from typing import Annotated

import typer

from sonoloop.cli.console import err
from sonoloop.inference.compile import is_compiled
from sonoloop.inference.load import load_pipeline, uses_gpu
from sonoloop.inference.pipeline import DualStagePipeline
from sonoloop.inference.shipped import shipped_model
from sonoloop.settings import PipelineSettings

Segmenter = Annotated[
    Path | None, typer.Option(help="Model folder of the segmenter; default: the shipped one.")
]
Classifier = Annotated[
    Path | None, typer.Option(help="Model folder of the classifier; default: the shipped one.")
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:<n>.")]


def pipeline_of(
    segmenter: Path | None, classifier: Path | None, device: str, **settings: object
) -> DualStagePipeline:
    """The pipeline of two model folders; says so when a model is compiled first.

    Raises:
        ModelError: If a folder is incomplete or corrupt.
        ConfigError: If a setting is out of range or the device is not there.
    """
    folders = (
        segmenter or shipped_model("segmentation"),
        classifier or shipped_model("classification"),
    )
    chosen = PipelineSettings.from_conf({"device": device, **settings})
    if not uses_gpu(device) and not all(map(is_compiled, folders)):
        err.print("compiling the models for this processor (once) ...")
    return load_pipeline(*folders, chosen)
