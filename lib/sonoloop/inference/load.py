"""From model folders to a pipeline that is ready to run."""

from collections.abc import Callable
from pathlib import Path

from sonoloop.inference.compile import ensure_compiled
from sonoloop.inference.engine import Engine, OpenVinoEngine, TorchEngine
from sonoloop.inference.pipeline import DualStagePipeline
from sonoloop.settings import PipelineSettings


def uses_gpu(device: str) -> bool:
    """Whether inference on ``device`` runs on a GPU; asks the driver, not torch, for ``auto``."""
    if device != "auto":
        return device.startswith("cuda")
    return Path("/proc/driver/nvidia/version").exists() and any(Path("/dev").glob("nvidia[0-9]*"))


def load_engine(model_dir: Path, settings: PipelineSettings) -> Engine:
    """The engine of one model folder: torch on a GPU, compiled OpenVINO on the CPU.

    Raises:
        ModelError: If the folder is incomplete or corrupt.
        ConfigError: If a GPU is asked for that is not there.
    """
    if uses_gpu(settings.device):
        return TorchEngine(model_dir, device=settings.device)
    ensure_compiled(model_dir)
    return OpenVinoEngine(model_dir, threads=settings.threads)


def load_pipeline(
    segmentation_dir: Path,
    classification_dir: Path,
    settings: PipelineSettings,
    *,
    engine_of: Callable[[Path, PipelineSettings], Engine] = load_engine,
) -> DualStagePipeline:
    """The dual-stage pipeline of two model folders.

    Args:
        segmentation_dir: Model folder of the segmenter.
        classification_dir: Model folder of the classifier.
        settings: Thresholds, margins, device.
        engine_of: Gives the engine of a model folder.

    Raises:
        ModelError: If a folder is incomplete, corrupt, or of the wrong task.
        ConfigError: If a GPU is asked for that is not there.
    """
    if not uses_gpu(settings.device):
        ensure_compiled(segmentation_dir, classification_dir)
    segmenter = engine_of(segmentation_dir, settings)
    classifier = engine_of(classification_dir, settings)
    return DualStagePipeline(segmenter, classifier, settings)
