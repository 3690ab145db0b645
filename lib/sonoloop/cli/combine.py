"""``sonoloop combine``: an ensemble of finished models, or a smaller copy of one."""

from pathlib import Path
from typing import Annotated

import typer

from sonoloop.cli.console import errors_told, out


def combine(
    models: Annotated[list[Path], typer.Argument(help="Model folders of one task.")],
    out_dir: Annotated[Path, typer.Option("--out", help="Folder of the new model folder.")],
    half: Annotated[bool, typer.Option(help="Store numbers of 16 bits: half the bytes.")] = False,
) -> None:
    """Put models together that answer as one; of a single model, change how it is stored.

    The new model answers with the mean probability of its members.

    Example: sonoloop combine runs/a/MODEL runs/b/MODEL --half --out runs/ensemble
    """
    with errors_told():
        from sonoloop.networks.combine import combine_models

        folder = combine_models(models, out_dir, half=half)
        size = sum(path.stat().st_size for path in folder.glob("*.safetensors")) / 2**20
        out.print(f"model folder: {folder} ({size:.1f} MB)", highlight=False, soft_wrap=True)
