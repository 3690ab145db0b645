"""Options by which commands choose models."""

from pathlib import Path
from typing import Annotated, Final

import typer

from sonoloop.cli.console import err
from sonoloop.errors import ConfigError
from sonoloop.inference.compile import is_compiled
from sonoloop.inference.load import load_pipeline, uses_gpu
from sonoloop.inference.pipeline import DualStagePipeline
from sonoloop.inference.shipped import shipped_model
from sonoloop.networks.card import CARD_FILE
from sonoloop.records import ModelTask
from sonoloop.settings import PipelineSettings
from sonoloop.store.paths import WorkspacePaths

SHIPPED: Final = "shipped"

Segmenter = Annotated[
    str | None,
    typer.Option(
        metavar="PATH|NAME",
        help="Segmenter: a model folder, shipped, or with --workspace the id of a model there; "
        "default: the shipped one.",
    ),
]
Classifier = Annotated[
    str | None,
    typer.Option(
        metavar="PATH|NAME",
        help="Classifier: a model folder, shipped, or with --workspace the id of a model there; "
        "default: the shipped one.",
    ),
]
Workspace = Annotated[
    Path | None, typer.Option(help="Workspace of a server; its models can be named by their ids.")
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:<n>.")]


def model_folder(task: ModelTask, named: str | None, workspace: Path | None = None) -> Path:
    """The model folder that ``--segmenter`` or ``--classifier`` names.

    Args:
        task: Of the shipped model.
        named: A folder, ``shipped``, or the id of a model in the workspace; None is ``shipped``.
        workspace: Of a server.

    Raises:
        ConfigError: If there is no such model.
    """
    if named is None or named == SHIPPED:
        return shipped_model(task)
    registry = WorkspacePaths(workspace).models if workspace else None
    candidates = [Path(named), *([registry / named] if registry and _is_name(named) else [])]
    for folder in candidates:
        if (folder / CARD_FILE).is_file():
            return folder
    raise ConfigError([f"no {task} model {named!r} ({_cure(registry)})"])


def _is_name(named: str) -> bool:
    return Path(named).name == named


def _cure(registry: Path | None) -> str:
    if registry is None:
        return f"name a folder with {CARD_FILE}, {SHIPPED}, or an id together with --workspace"
    ids = sorted(card.parent.name for card in registry.glob(f"[!.]*/{CARD_FILE}"))
    return f"the workspace has {', '.join(ids) or 'no models'}"


def pipeline_of(
    segmenter: str | None,
    classifier: str | None,
    device: str,
    *,
    workspace: Path | None = None,
    **settings: object,
) -> DualStagePipeline:
    """The pipeline of two models as commands name them; says so when one is compiled first.

    Raises:
        ModelError: If a folder is incomplete or corrupt.
        ConfigError: If there is no such model, a setting is out of range or the device is not
            there.
    """
    folders = (
        model_folder("segmentation", segmenter, workspace),
        model_folder("classification", classifier, workspace),
    )
    chosen = PipelineSettings.from_conf({"device": device, **settings})
    if not uses_gpu(device) and not all(map(is_compiled, folders)):
        err.print("compiling the models for this processor (once) ...")
    return load_pipeline(*folders, chosen)
