"""Compiles model folders for OpenVINO, once, when they are published.

torch is needed for that and for nothing else in the server, so :func:`ensure_compiled` does it in
a child process: the server never loads torch, starts fast and stays small.

Run as ``python -m sonoloop.inference.compile MODEL_DIR...``.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

from sonoloop.errors import CompilationEndedError, ModelError, SonoloopError
from sonoloop.networks.card import read_card

COMPILE_TIMEOUT_S = 900
SOURCE_FILE = "source.json"
COMPILED_FORM = 2
"""What the compiled form holds: since 2 the class maps of a classifier as a second output."""
TOLD_TO_END = {-signal.SIGTERM, -signal.SIGINT}
"""What a process returns that was ended together with its server."""


def compiled_dir(model_dir: Path) -> Path:
    """Folder of the compiled form of a model folder."""
    return model_dir / "openvino"


def is_compiled(model_dir: Path) -> bool:
    """Whether the compiled form is there, as it is made now, of these very weights and card."""
    try:
        source = json.loads((compiled_dir(model_dir) / SOURCE_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(source == _source_of(model_dir))


def _source_of(model_dir: Path) -> dict[str, object]:
    card = read_card(model_dir)
    return {
        "form": COMPILED_FORM,
        "weights_sha256": card.weights_sha256,
        "temperature": card.temperature,
    }


def ensure_compiled(*model_dirs: Path) -> None:
    """Compile those model folders that are not compiled yet, in one child process.

    Raises:
        ModelError: If a folder is incomplete or corrupt, or the compilation fails.
        CompilationEndedError: If it was told to end.
    """
    missing = [model_dir for model_dir in model_dirs if not is_compiled(model_dir)]
    if not missing:
        return
    command = [sys.executable, "-m", "sonoloop.inference.compile", *map(str, missing)]
    names = ", ".join(model_dir.name for model_dir in missing)
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=COMPILE_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise ModelError(f"compiling {names} took over {COMPILE_TIMEOUT_S} s") from None
    if done.returncode in TOLD_TO_END:
        raise CompilationEndedError(
            f"compiling {names} was ended by {signal.Signals(-done.returncode).name} (it begins "
            f"anew when the models are loaded again)"
        )
    if done.returncode != 0:
        raise ModelError(f"{names} cannot be compiled: {_why(done)}")


def _why(done: subprocess.CompletedProcess[str]) -> str:
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        return f"the process was ended by {name} (SIGKILL: most likely for want of memory)"
    return (done.stderr.strip().splitlines() or [f"status {done.returncode} without a word"])[-1]


def compile_model(model_dir: Path) -> None:
    """Compile in this process; loads torch.

    Raises:
        ModelError: If the folder is incomplete or corrupt.
    """
    import openvino
    import torch

    from sonoloop.inference.probability import probability_network

    network, card = probability_network(model_dir)
    size = card.input_size_px
    example = torch.zeros(1, 1, size, size)
    with torch.no_grad(), warnings.catch_warnings():
        # Tracing warns of comparisons of sizes, which the fixed input size makes constant.
        warnings.simplefilter("ignore")
        model = openvino.convert_model(network, example_input=example, input=[-1, 1, size, size])
    target = compiled_dir(model_dir)
    temporary = Path(tempfile.mkdtemp(prefix=".openvino-", dir=model_dir))
    try:
        openvino.save_model(model, temporary / "model.xml", compress_to_fp16=False)
        (temporary / SOURCE_FILE).write_text(json.dumps(_source_of(model_dir)), encoding="utf-8")
        if target.exists():
            shutil.rmtree(target)
        os.rename(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def main() -> int:
    """Compile the model folders named on the command line."""
    try:
        for name in sys.argv[1:]:
            compile_model(Path(name))
    except SonoloopError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
